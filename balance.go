package plantmesh

import (
	"fmt"
	"slices"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// validateBalance checks what the schema's rules cannot add up: in each currency of a posting, the debits are the credits.
func validateBalance(e *eventv1.Event, payload proto.Message) error {
	posting, ok := payload.(*manufacturingv1.PostingPrepared)
	if !ok {
		return nil
	}
	sums := map[string]*apd.Decimal{}
	var currencies []string
	for _, line := range posting.GetLines() {
		currency := line.GetAmount().GetCurrency()
		amount, _, err := apd.NewFromString(line.GetAmount().GetAmount())
		if err != nil {
			return invalid(e, "data.lines", "posting.balanced", line.GetAmount().GetAmount(), "is not a decimal")
		}
		if sums[currency] == nil {
			sums[currency] = new(apd.Decimal)
			currencies = append(currencies, currency)
		}
		if line.GetSide() == manufacturingv1.PostingSide_POSTING_SIDE_CREDIT {
			amount.Neg(amount)
		}
		// 1,000 lines of at most 24 digits each: nothing is rounded.
		if _, err := apd.BaseContext.WithPrecision(64).Add(sums[currency], sums[currency], amount); err != nil {
			return fmt.Errorf("add up posting %q: %w", posting.GetPostingId(), err)
		}
	}
	slices.Sort(currencies)
	for _, currency := range currencies {
		if sum := sums[currency]; !sum.IsZero() {
			return invalid(e, "data.lines", "posting.balanced", sum.Text('f')+" "+currency, "is how much its debits are above its credits: they must be equal")
		}
	}
	return nil
}
