package odootest

import (
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// reconciliationNamesPostings: what differs in the books is named with both values, the events behind it and a cause.
func reconciliationNamesPostings(t *testing.T, target Target) {
	o := newOffice(t, target)
	debit, credit, journal := o.ledger()
	today := time.Now().UTC()
	another := today.AddDate(0, 0, 1)
	if another.Month() != today.Month() {
		another = today.AddDate(0, 0, -1)
	}
	posting := func(name string) *manufacturingv1.PostingPrepared {
		return &manufacturingv1.PostingPrepared{PostingId: o.name(name), JournalId: journal, PostingDate: today.Format(time.DateOnly), Lines: []*manufacturingv1.PostingLine{
			{AccountId: debit, Side: manufacturingv1.PostingSide_POSTING_SIDE_DEBIT, Amount: o.money("10.00")},
			{AccountId: credit, Side: manufacturingv1.PostingSide_POSTING_SIDE_CREDIT, Amount: o.money("10.00")},
		}}
	}
	for _, name := range []string{"SAME", "CHANGED", "RESET", "MOVED", "RENAMED"} {
		o.tell(o.apply(posting(name)))
	}
	for name, d := range o.differences(nil) {
		t.Errorf("%s differs before anybody changed it: %+v", name, d)
	}
	given := o.tell(o.record(posting("GIVEN-UP")))
	o.discarded[odoo.EventKey(given.Event.GetEvent().GetSource(), given.Event.GetEvent().GetId())] = true
	entry := func(name string) int64 {
		t.Helper()
		return id(o.one("account.move", where("x_mesh_posting", o.name(name)), "id")["id"])
	}
	for _, name := range []string{"CHANGED", "RESET", "MOVED"} {
		o.press("account.move", entry(name), "button_draft", nil)
	}
	o.revalue("CHANGED", debit, credit, 12)
	o.tamper("account.move", where("x_mesh_posting", o.name("MOVED")), "date", another.Format(time.DateOnly))
	for _, name := range []string{"CHANGED", "MOVED"} {
		o.press("account.move", entry(name), "action_post", nil)
	}
	o.tamper("account.move", where("x_mesh_posting", o.name("RENAMED")), "x_mesh_posting", o.name("BY-HAND"))
	whole := today.Format(time.DateOnly) + ", 10 " + o.money("1").GetCurrency()
	want := map[string]struct{ mesh, odoo, cause string }{
		"posting/plant-a/posting CHANGED/account DEBIT":  {"debit 10", "debit 12", "changed it"},
		"posting/plant-a/posting CHANGED/account CREDIT": {"credit 10", "credit 12", "changed it"},
		"posting/plant-a/posting RESET/state":            {"posted", "draft", "changed it"},
		"posting/plant-a/posting MOVED/date":             {today.Format(time.DateOnly), another.Format(time.DateOnly), "changed it"},
		"posting/plant-a/posting RENAMED/posting":        {whole, "not there", "took away what names it"},
		"posting/plant-a/posting GIVEN-UP/posting":       {whole, "not there", "was discarded"},
		"posting//posting BY-HAND/posting":               {"not there", whole, "by hand"},
	}
	for name, d := range o.differences(nil) {
		name = strings.NewReplacer(debit+" "+o.money("1").GetCurrency(), "DEBIT", credit+" "+o.money("1").GetCurrency(), "CREDIT").Replace(name)
		w, ok := want[name]
		if delete(want, name); !ok || d.Mesh != w.mesh || d.Odoo != w.odoo || !strings.Contains(d.Cause, w.cause) {
			t.Errorf("%s: %+v, want %v", name, d, w)
		}
		if (len(d.Events) == 0) != strings.Contains(name, "BY-HAND") {
			t.Errorf("%s names the events %v", name, d.Events)
		}
	}
	for name := range want {
		t.Errorf("%s is not found", name)
	}
}

// revalue gives both lines of a draft another amount.
func (o *office) revalue(posting, debit, credit string, amount float64) {
	o.t.Helper()
	for account, values := range map[string]map[string]any{debit: {"debit": amount, "amount_currency": amount}, credit: {"credit": amount, "amount_currency": -amount}} {
		line := o.one("account.move.line", where("move_id.x_mesh_posting", o.name(posting), "account_id.code", account), "id")
		args := odoo.Args{"ids": []int64{id(line["id"])}, "vals": values, "context": map[string]any{"check_move_validity": false}} // one line comes first
		if err := o.client.Call(o.t.Context(), "account.move.line", "write", args, nil); err != nil {
			o.t.Fatal(err)
		}
	}
}
