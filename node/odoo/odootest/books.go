package odootest

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/totals"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// ledger makes two accounts and a journal of this run's own, and returns their codes.
func (p *plant) ledger() (debit, credit, journal string) {
	p.t.Helper()
	n := fmt.Sprintf("%07d%d", starts/1000%10_000_000, runs.Load())
	debit, credit, journal = "6"+n, "4"+n, p.code()+"J"
	p.create("account.account", map[string]any{"code": debit, "name": "Cost " + n, "account_type": "expense"})
	p.create("account.account", map[string]any{"code": credit, "name": "Stock " + n, "account_type": "asset_current"})
	p.create("account.journal", map[string]any{"code": journal, "name": "Mesh " + n, "type": "general"})
	return debit, credit, journal
}

func postingsAreBooked(t *testing.T, target Target) {
	p := newPlant(t, target)
	debit, credit, journal := p.ledger()
	center, err := p.applier.Apply(t.Context(), p.record(&manufacturingv1.FinancialDimensionChanged{
		DimensionId: p.name("cost-center"), DimensionName: "Cost center " + p.tag, ValueId: "4711", Name: "Turning",
	}))
	if err != nil {
		t.Fatal(err)
	}
	line := func(account string, side manufacturingv1.PostingSide, amount string) *manufacturingv1.PostingLine {
		return &manufacturingv1.PostingLine{AccountId: account, Side: side, Amount: p.money(amount)}
	}
	posting := &manufacturingv1.PostingPrepared{
		PostingId: p.name("P"), JournalId: journal, PostingDate: "2026-01-31", Reference: "material of January", Lines: []*manufacturingv1.PostingLine{
			line(debit, manufacturingv1.PostingSide_POSTING_SIDE_DEBIT, "0.1"), line(debit, manufacturingv1.PostingSide_POSTING_SIDE_DEBIT, "1234.2"),
			line(credit, manufacturingv1.PostingSide_POSTING_SIDE_CREDIT, "1234.3"),
		},
	}
	posting.Lines[1].Dimensions = []*manufacturingv1.DimensionShare{{DimensionId: p.name("cost-center"), ValueId: "4711"}}
	p.apply(posting)
	entry := p.one("account.move", where("x_mesh_posting", p.name("P")), "state", "date", "ref", "amount_total", "move_type")
	expect(t, entry, map[string]string{"state": "posted", "date": "2026-01-31", "ref": "material of January", "amount_total": "1234.3", "move_type": "entry"})
	lines := p.read("account.move.line", where("move_id", id(entry["id"])), "debit", "credit", "analytic_distribution")
	if len(lines) != 3 {
		t.Fatalf("lines %v", lines)
	}
	shares, _ := lines[1]["analytic_distribution"].(map[string]any)
	if plain(shares[fmt.Sprint(center.ID)]) != "100" {
		t.Errorf("shares %v, want all of it on %+v", lines[1], center)
	}
	p.refused(posting, "is in the books already")
	posting.PostingId, posting.Lines[0].AccountId = p.name("P2"), "NONE"
	p.refused(posting, "Account NONE is not in Odoo")
	posting.Lines[0].AccountId, posting.JournalId = debit, "NONE"
	p.refused(posting, "Journal NONE is not in Odoo")
	posting.JournalId, posting.Lines[1].Dimensions[0].ValueId = journal, "4712"
	p.refused(posting, "publish it (FinancialDimensionChanged)")
	posting.Lines[1].Dimensions = nil
	posting.Lines[0].Amount.Amount, posting.Lines[1].Amount.Amount = "0.1001", "1234.1999"
	p.refused(posting, "is finer than that currency is kept in Odoo")
}

func costsAreSet(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.apply(p.item("IT"))
	p.apply(&manufacturingv1.CostRolledUp{RollupId: p.name("R"), ItemId: p.name("IT"), UnitCost: p.money("30"), Unit: "DZN"})
	expect(t, p.one("product.product", where("default_code", p.name("IT")), "standard_price"), map[string]string{"standard_price": "2.5"})
	d := p.apply(&manufacturingv1.CostRolledUp{RollupId: p.name("R2"), ItemId: p.name("IT"), UnitCost: p.money("3"), Unit: "C62"})
	expect(t, p.one(odoo.ModelApplied, where("x_event", odoo.EventKey("//plant-a/mes", d.Event.GetEvent().GetId())), "x_model"), map[string]string{"x_model": "product.product"})
	expect(t, p.one("product.product", where("default_code", p.name("IT")), "standard_price"), map[string]string{"standard_price": "3"})
}

// monthAgrees: the books add up to what the events say, and name what they lack. The month is this run's own.
func monthAgrees(t *testing.T, target Target) {
	p := newPlant(t, target)
	debit, credit, journal := p.ledger()
	month := fmt.Sprintf("%04d-%02d", 2100+(starts/1_000_000_000+runs.Load()*13)%7000, 1+runs.Load()%12)
	var events []*eventv1.RecordedEvent
	published := func(payload proto.Message, apply bool) {
		t.Helper()
		d := p.record(payload)
		events = append(events, d.Event)
		if apply {
			if err := p.applier.Handle(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, value := range []string{"1", "2"} {
		published(&manufacturingv1.FinancialDimensionChanged{DimensionId: p.name("cc"), DimensionName: "Cost center " + p.tag, ValueId: value, Name: "Center " + value}, true)
	}
	posting := func(id, amount string) *manufacturingv1.PostingPrepared {
		shares := []*manufacturingv1.DimensionShare{{DimensionId: p.name("cc"), ValueId: "1", Percent: "62.5"}, {DimensionId: p.name("cc"), ValueId: "2", Percent: "37.5"}}
		return &manufacturingv1.PostingPrepared{PostingId: p.name(id), JournalId: journal, PostingDate: month + "-28", Lines: []*manufacturingv1.PostingLine{
			{AccountId: debit, Side: manufacturingv1.PostingSide_POSTING_SIDE_DEBIT, Amount: p.money(amount), Dimensions: shares},
			{AccountId: credit, Side: manufacturingv1.PostingSide_POSTING_SIDE_CREDIT, Amount: p.money(amount)},
		}}
	}
	published(posting("P1", "0.1"), true)
	published(posting("P2", "1234.56"), true)
	report := func() totals.Report {
		t.Helper()
		r, err := totals.Month(t.Context(), target.Config(), month, func(yield func(*eventv1.RecordedEvent, error) bool) {
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
		}, p.applier.Reader())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := report(); !r.Agree || r.Postings != 2 || r.Booked != 2 || len(r.Rows) != 4 {
		t.Fatalf("totals %+v", r)
	}
	p.department("0815")
	ofPeople := posting("P4", "3.00")
	ofPeople.Lines[0].Dimensions = []*manufacturingv1.DimensionShare{{DimensionId: p.name("departments"), ValueId: "0815", Percent: "100"}}
	published(ofPeople, true)
	if r := report(); !r.Agree || r.Booked != 3 || len(r.Rows) != 5 {
		t.Fatalf("with a dimension that people made: %+v", r)
	}
	published(posting("P3", "7.00"), false)
	if r := report(); r.Agree || len(r.Findings) != 1 || r.Findings[0].Posting != p.name("P3") {
		t.Errorf("with a posting that is not booked: %+v", r)
	}
}

// department makes an analytic account as a person does, in a plan within another.
func (p *plant) department(code string) {
	p.t.Helper()
	p.target.Accountant(p.t)
	whole := p.create("account.analytic.plan", map[string]any{"name": p.name("departments")})
	part := p.create("account.analytic.plan", map[string]any{"name": "Shops", "parent_id": whole})
	p.create("account.analytic.account", map[string]any{"name": "Paint shop", "code": code, "plan_id": part})
}
