package odoo

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func TestWindowsNameEveryFault(t *testing.T) {
	c := valid()
	c.Windows = []Window{
		{},
		{Streams: []string{"finance", "*/Finance"}, Schedule: "0 25 * * *", Timezone: "Europe/Berlin", Batch: 501, AtOnce: map[string]string{
			"PostingPlaned": "true", "PostingPrepared": "payload.amount > 1", "CostRolledUp": "payload.unit",
		}},
		{Streams: []string{"*/finance"}, Schedule: "0 2 * * *", Timezone: "Europe/Berlim"},
	}
	err := c.Validate()
	for _, says := range []string{
		"odoo.windows[0].streams: name at least one", "odoo.windows[0].schedule", `odoo.windows[1].streams[0] "finance": give site/domain`, `odoo.windows[1].streams[1] "*/Finance"`,
		`odoo.windows[1].schedule "0 25 * * *"`, "odoo.windows[1].batch 501", `odoo.windows[1].at_once.PostingPlaned: unknown event type "PostingPlaned"`,
		"odoo.windows[1].at_once.PostingPrepared: undefined field 'amount'", `odoo.windows[1].at_once.CostRolledUp: "payload.unit" yields string, not bool`,
		`odoo.windows[2].timezone "Europe/Berlim"`,
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v\ndoes not mention %s", err, says)
		}
	}
}

// nightly collects finance until two at night, but for large postings.
func nightly() Window {
	return Window{Streams: []string{"plant-*/finance"}, Schedule: "0 2 * * *", AtOnce: map[string]string{
		"PostingPrepared": "site == 'plant-a' && payload.lines.exists(l, double(l.amount.amount) >= 100000.0)",
	}}
}

func TestWindowSaysWhatDoesNotWait(t *testing.T) {
	c := valid()
	c.Windows = []Window{nightly()}
	list, err := c.windows()
	if err != nil {
		t.Fatal(err)
	}
	posting := func(amount string) proto.Message {
		line := func(side manufacturingv1.PostingSide) *manufacturingv1.PostingLine {
			return &manufacturingv1.PostingLine{AccountId: "4711", Side: side, Amount: &manufacturingv1.Money{Amount: amount, Currency: "EUR"}}
		}
		return &manufacturingv1.PostingPrepared{PostingId: "P-1", JournalId: "MESH", PostingDate: "2026-11-28", Lines: []*manufacturingv1.PostingLine{
			line(manufacturingv1.PostingSide_POSTING_SIDE_DEBIT), line(manufacturingv1.PostingSide_POSTING_SIDE_CREDIT),
		}}
	}
	for _, one := range []struct {
		what    string
		site    string
		payload proto.Message
		atOnce  bool
	}{
		{"a small posting", "plant-a", posting("99999.99"), false},
		{"a large posting", "plant-a", posting("100000"), true},
		{"one of a site that the condition leaves out", "plant-b", posting("100000"), false},
		{"a type without a condition", "plant-a", &manufacturingv1.CostRolledUp{RollupId: "R", ItemId: "I", UnitCost: &manufacturingv1.Money{Amount: "1", Currency: "EUR"}, Unit: "C62"}, false},
		{"a type that passes batch windows", "plant-a", &manufacturingv1.QualityHoldPlaced{HoldId: "H", LotId: "L", ItemId: "I", ReasonCode: "R"}, true},
	} {
		event, err := plantmesh.NewEvent("//plant-a/erp", "e", time.Now(), one.payload)
		if err != nil {
			t.Fatal(err)
		}
		if got := list.of("plant-a/finance").passes(&eventv1.RecordedEvent{Site: one.site, Event: event}); got != one.atOnce {
			t.Errorf("%s: at once %v", one.what, got)
		}
	}
	if list.of("plant-a/quality") != nil || list.of("hq/finance") != nil {
		t.Error("streams that the window does not name are collected")
	}
}

func TestWindowThatOpensTooSeldomForItsTypesSaysSo(t *testing.T) {
	c := valid()
	c.Windows = []Window{nightly(), {Streams: []string{"*/*"}, Schedule: "0 */4 * * *"}, {Streams: []string{"*/finance"}, Schedule: "0 2 * * 1"}}
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	said := strings.Join(c.Openings(now), "\n")
	for _, want := range []string{
		"odoo.windows[0] opens at 2026-11-29T02:00:00Z, then at 2026-11-30T02:00:00Z",
		"odoo.windows[0]: up to 24h0m0s pass between two openings, but PostingPrepared is to be confirmed within 24h0m0s",
		"odoo.windows[2]: up to 168h0m0s pass between two openings, but CostRolledUp is to be confirmed within 24h0m0s",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%s\ndoes not say %s", said, want)
		}
	}
	if strings.Contains(said, "odoo.windows[1]: up to 4h0m0s pass between two openings, but PostingPrepared") {
		t.Errorf("%s", said)
	}
}
