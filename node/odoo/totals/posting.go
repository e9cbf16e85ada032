package totals

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// exact has room for sums of any number of amounts of 24 digits, and shares of them.
var exact = apd.BaseContext.WithPrecision(80)

// Dimension is a value of a financial dimension.
type Dimension struct{ Dimension, Value string }

// Line is one line of a posting.
type Line struct {
	Account, Currency string
	Debit, Credit     *apd.Decimal
	Shares            map[Dimension]*apd.Decimal // percent
}

// Posting is a journal entry.
type Posting struct {
	ID, Site, Date string
	State          string // odoo.StatePosted, as events mean it, or another that it has in the books
	Lines          []Line
}

// FromEvent is the posting that an event prepares, on Odoo's accounts.
func FromEvent(mapping odoo.Config, recorded *eventv1.RecordedEvent, p *manufacturingv1.PostingPrepared) (Posting, error) {
	out := Posting{ID: p.GetPostingId(), Site: recorded.GetSite(), Date: p.GetPostingDate(), State: odoo.StatePosted}
	for i, l := range p.GetLines() {
		amount, _, err := apd.NewFromString(l.GetAmount().GetAmount())
		if err != nil {
			return Posting{}, fmt.Errorf("posting %s, line %d: %w", out.ID, i+1, err)
		}
		line := Line{Account: mapping.AccountOf(out.Site, l.GetAccountId()), Currency: l.GetAmount().GetCurrency(), Debit: amount, Credit: new(apd.Decimal), Shares: map[Dimension]*apd.Decimal{}}
		if l.GetSide() == manufacturingv1.PostingSide_POSTING_SIDE_CREDIT {
			line.Debit, line.Credit = line.Credit, line.Debit
		}
		for _, s := range l.GetDimensions() {
			percent, _, err := apd.NewFromString(cmp.Or(s.GetPercent(), "100"))
			if err != nil {
				return Posting{}, fmt.Errorf("posting %s, line %d: %w", out.ID, i+1, err)
			}
			line.Shares[Dimension{s.GetDimensionId(), s.GetValueId()}] = percent
		}
		out.Lines = append(out.Lines, line)
	}
	return out, nil
}

// sums adds up a posting.
type sums map[Key]Sums

func (s sums) add(p Posting) error {
	for _, l := range p.Lines {
		whole := Key{Site: p.Site, Account: l.Account, Currency: l.Currency}
		if err := s.addOne(whole, l.Debit, l.Credit); err != nil {
			return err
		}
		for d, percent := range l.Shares {
			key := whole
			key.Dimension, key.Value = d.Dimension, d.Value
			debit, err := share(l.Debit, percent)
			if err != nil {
				return err
			}
			credit, err := share(l.Credit, percent)
			if err != nil {
				return err
			}
			if err := s.addOne(key, debit, credit); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s sums) addOne(k Key, debit, credit *apd.Decimal) error {
	if _, ok := s[k]; !ok {
		s[k] = newSums()
	}
	for _, one := range []struct{ sum, by *apd.Decimal }{{s[k].Debit, debit}, {s[k].Credit, credit}} {
		if _, err := exact.Add(one.sum, one.sum, one.by); err != nil {
			return fmt.Errorf("add up account %s: %w", k.Account, err)
		}
	}
	return nil
}

// share is a percentage of an amount, not rounded.
func share(amount, percent *apd.Decimal) (*apd.Decimal, error) {
	out := new(apd.Decimal)
	if _, err := exact.Mul(out, amount, percent); err != nil {
		return nil, err
	}
	out.Exponent -= 2
	return out, nil
}

// of are the sums of a key.
func (s sums) of(k Key) Sums {
	if one, ok := s[k]; ok {
		return one
	}
	return newSums()
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Account, b.Account), cmp.Compare(a.Currency, b.Currency),
		cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Value, b.Value))
}

func sortedKeys(all ...sums) []Key {
	var keys []Key
	for _, s := range all {
		for k := range s {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, compareKeys)
	return slices.Compact(keys)
}
