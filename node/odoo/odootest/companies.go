package odootest

import (
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/totals"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// createIn makes a record as a user who works in a company does.
func (p *plant) createIn(company int64, model string, values map[string]any) {
	p.t.Helper()
	args := odoo.Args{"vals_list": []map[string]any{values}, "context": map[string]any{"allowed_company_ids": []int64{company}}}
	if err := p.client.Call(p.t.Context(), model, "create", args, nil); err != nil {
		p.t.Fatal(err)
	}
}

// secondCompany: events of a site of another company land there, though both companies call warehouse, journal, accounts and work center the same.
func secondCompany(t *testing.T, target Target) {
	p := newPlant(t, target)
	debit, credit, journal := p.ledger()
	p.create("mrp.workcenter", map[string]any{"name": p.name("LATHE"), "code": p.name("LATHE")})
	company := p.create("res.company", map[string]any{"name": p.name("Works")})
	code := "C" + p.code()
	p.warehouse(code, 0)
	p.warehouse(code, company)
	p.createIn(company, "account.account", map[string]any{"code": debit, "name": "Cost", "account_type": "expense", "company_ids": []any{[]any{6, 0, []int64{company}}}})
	p.createIn(company, "account.account", map[string]any{"code": credit, "name": "Stock", "account_type": "asset_current", "company_ids": []any{[]any{6, 0, []int64{company}}}})
	p.createIn(company, "account.journal", map[string]any{"code": journal, "name": "Mesh", "type": "general", "company_id": company})
	p.createIn(company, "mrp.workcenter", map[string]any{"name": p.name("LATHE"), "code": p.name("LATHE"), "company_id": company})
	first := name(p.one("stock.warehouse", where("code", "WH"), "company_id")["company_id"])
	p.mapped(func(c *odoo.Config) {
		c.Sites = map[string]odoo.Site{"plant-a": {Company: p.name("Works"), Warehouse: code}, "plant-b": {Company: first, Warehouse: code}}
	})

	p.count("IT", "", "5")
	product, order := p.product(p.name("IT")), p.name("WO")
	p.release(order, "10")
	p.apply(&manufacturingv1.OperationReported{
		OrderId: order, OperationId: "10", WorkCenterId: p.name("LATHE"), Activity: manufacturingv1.Activity_ACTIVITY_PRODUCTION, StartTime: at(8, 0), EndTime: at(9, 0),
	})
	p.complete(order, "10", false)
	belongs := func(model string, domain []any) {
		t.Helper()
		if row := p.one(model, domain, "company_id"); ref(row["company_id"]) != company {
			t.Errorf("%s is of %v, want the second company", model, row["company_id"])
		}
	}
	belongs("mrp.production", where("x_mesh_order", order))
	belongs("mrp.workcenter.productivity", where("x_mesh_order", order))
	if n := len(p.read("mrp.workcenter.productivity", where("x_mesh_order", order, "workcenter_id.company_id", company), "id")); n != 1 {
		t.Errorf("%d time entries at the work center of the second company, want 1", n)
	}
	quants := p.read("stock.quant", where("product_id", product, "location_id.usage", "internal"), "quantity", "location_id")
	if len(quants) != 1 || plain(quants[0]["quantity"]) != "15" {
		t.Fatalf("stock %v, want 15 at one place", quants)
	}
	belongs("stock.location", where("id", ref(quants[0]["location_id"])))

	p.apply(&manufacturingv1.SupplierChanged{SupplierId: p.name("SU"), Name: "Steel " + p.tag})
	p.apply(p.purchase(manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_ISSUED, &manufacturingv1.PurchaseOrderLine{LineId: "1", ItemId: p.name("IT"), Quantity: pieces("2")}))
	belongs("purchase.order", where("x_mesh_purchase", p.name("PO")))

	posting := p.record(&manufacturingv1.PostingPrepared{PostingId: p.name("P"), JournalId: journal, PostingDate: "2026-01-31", Lines: []*manufacturingv1.PostingLine{
		{AccountId: debit, Side: manufacturingv1.PostingSide_POSTING_SIDE_DEBIT, Amount: p.money("3")},
		{AccountId: credit, Side: manufacturingv1.PostingSide_POSTING_SIDE_CREDIT, Amount: p.money("3")},
	}})
	if err := p.applier.Handle(t.Context(), posting); err != nil {
		t.Fatal(err)
	}
	belongs("account.move", where("x_mesh_posting", p.name("P")))
	report, err := totals.Month(t.Context(), target.Config(), "2026-01", func(yield func(*eventv1.RecordedEvent, error) bool) { yield(posting.Event, nil) }, p.applier.Reader())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range report.Rows {
		if (row.Key.Account == debit || row.Key.Account == credit) && !row.Agree {
			t.Errorf("totals of the second company's accounts: %+v", row)
		}
	}
	if err := p.newApplier(func(c *odoo.Config) { c.Warehouse = code }).Prepare(t.Context()); err == nil || !strings.Contains(err.Error(), "name the company beside it") {
		t.Errorf("prepare with a code of two companies: %v, want it refused", err)
	}
	p.refused(&manufacturingv1.TransferDispatched{
		TransferId: p.name("T"), FromSiteId: "plant-a", ToSiteId: "plant-b", Materials: []*manufacturingv1.ShippedMaterial{p.material("IT", "", "1")},
	}, "belong to different companies")
}
