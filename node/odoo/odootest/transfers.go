package odootest

import (
	"fmt"
	"testing"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// otherWarehouse gives plant-b a warehouse of its own, and returns its code.
func (p *plant) otherWarehouse() string {
	p.t.Helper()
	code := "W" + p.code()
	if _, err := p.client.Create(p.t.Context(), "stock.warehouse", map[string]any{"name": "Plant " + p.tag, "code": code}); err != nil {
		p.t.Fatal(err)
	}
	p.applier = p.newApplier(func(c *odoo.Config) { c.Sites = map[string]odoo.Site{"plant-b": {Warehouse: code}} })
	return code
}

// arrival is a receipt of a transfer at plant-b.
func (p *plant) arrival(transfer string, partial bool, materials ...*manufacturingv1.ShippedMaterial) *manufacturingv1.TransferReceived {
	return &manufacturingv1.TransferReceived{
		TransferId: transfer, FromSiteId: "plant-a", ToSiteId: "plant-b", LocationId: p.name("SHELF"), Partial: partial, Materials: materials,
	}
}

func transfersGoThroughTransit(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.otherWarehouse()
	p.count("IT", "", "10")
	p.count("LT", p.name("L1"), "6")
	item, lots := p.product(p.name("IT")), p.product(p.name("LT"))
	received := func(quantity string, partial bool) *manufacturingv1.TransferReceived {
		return p.arrival(p.name("T"), partial, p.material("IT", "", quantity))
	}
	p.refused(received("4", true), "has not left in Odoo yet")
	p.apply(&manufacturingv1.TransferDispatched{TransferId: p.name("T"), FromSiteId: "plant-a", ToSiteId: "plant-b", Materials: []*manufacturingv1.ShippedMaterial{
		p.material("IT", "", "7"), p.material("LT", p.name("L1"), "2"),
	}})
	p.inStock(item, "Stock", "3")
	p.inStock(lots, "Stock", "4")
	p.apply(received("4", true))
	p.inStock(item, p.name("SHELF"), "4")
	p.refused(received("4", false), "has 3")
	twice := received("2", false)
	twice.Materials = append(twice.Materials, p.material("IT", "", "2"))
	p.refused(twice, "the receipt says 4")
	p.apply(received("3", false))
	p.inStock(item, p.name("SHELF"), "7")
	lot := received("1", false)
	lot.Materials = []*manufacturingv1.ShippedMaterial{p.material("LT", p.name("L2"), "1")}
	p.refused(lot, "has 0")
	lot.Materials[0].LotId = p.name("L1")
	p.apply(lot)
	p.inStock(lots, p.name("SHELF"), "1")
	if n := len(p.read("stock.picking", where("x_mesh_transfer", p.name("T"), "state", "done"), "id")); n != 4 {
		t.Errorf("%d pickings, want one out and three in", n)
	}
	same := received("1", false)
	same.ToSiteId = "plant-c"
	p.refused(same, "map them to different ones")
}

// side is a warehouse as far as a transfer by hand needs it.
type side struct{ stock, in, out int64 }

func (p *plant) side(code string) side {
	p.t.Helper()
	kind := func(code, kind string) int64 {
		return id(p.one("stock.picking.type", where("warehouse_id.code", code, "code", kind), "id")["id"])
	}
	return side{
		stock: ref(p.one("stock.warehouse", where("code", code), "lot_stock_id")["lot_stock_id"]),
		in:    kind(code, "incoming"), out: kind(code, "outgoing"),
	}
}

// inTransit is the location between warehouses of the company.
func (p *plant) inTransit() int64 {
	p.t.Helper()
	found := id(p.archived("stock.location", where("usage", "transit", "company_id", 1), "id")["id"])
	if err := p.client.Write(p.t.Context(), "stock.location", []int64{found}, map[string]any{"active": true}); err != nil {
		p.t.Fatal(err)
	}
	return found
}

// planned is goods of a product, and the move that they come behind.
type planned struct {
	product  int64
	quantity float64
	behind   int64
}

// plan is a person's picking, ready to be validated.
func (p *plant) plan(kind, from, to int64, goods ...planned) (picking int64, moves []int64) {
	p.t.Helper()
	picking = p.create("stock.picking", map[string]any{"picking_type_id": kind, "location_id": from, "location_dest_id": to})
	for _, g := range goods {
		unit := ref(p.one("product.product", where("id", g.product), "uom_id")["uom_id"])
		values := map[string]any{"picking_id": picking, "product_id": g.product, "product_uom": unit, "product_uom_qty": g.quantity, "location_id": from, "location_dest_id": to}
		if g.behind != 0 {
			values["move_orig_ids"] = []any{[]any{6, 0, []int64{g.behind}}}
		}
		moves = append(moves, p.create("stock.move", values))
	}
	p.press("stock.picking", picking, "action_confirm", nil)
	return picking, moves
}

// press is a person's.
func (p *plant) press(model string, record int64, button string, context map[string]any) {
	p.t.Helper()
	args := odoo.Args{"ids": []int64{record}}
	if context != nil {
		args["context"] = context
	}
	if err := p.client.Call(p.t.Context(), model, button, args, nil); err != nil {
		p.t.Fatal(err)
	}
}

func transfersOfPeopleAreReceived(t *testing.T, target Target) {
	p := newPlant(t, target)
	a, b, between := p.side("WH"), p.side(p.otherWarehouse()), p.inTransit()
	p.count("IT", "", "10")
	p.count("LT", p.name("L1"), "6")
	item, lots := p.product(p.name("IT")), p.product(p.name("LT"))
	out, leaving := p.plan(a.out, a.stock, between, planned{product: item, quantity: 7}, planned{product: lots, quantity: 2})
	p.plan(b.in, between, b.stock, planned{item, 7, leaving[0]}, planned{lots, 2, leaving[1]})
	transfer := fmt.Sprint(p.one("stock.picking", where("id", out), "name")["name"])
	p.refused(p.arrival(transfer, true, p.material("IT", "", "4")), "has not left in Odoo yet")
	p.press("stock.picking", out, "button_validate", nil)
	expect(t, p.one("stock.picking", where("id", out), "state"), map[string]string{"state": "done"})

	p.refused(p.arrival(transfer, true, p.material("IT", "", "8")), "has 7")
	p.refused(p.arrival(transfer, true, p.material("LT", p.name("L2"), "1")), "has 0")
	elsewhere := p.arrival(transfer, true, p.material("IT", "", "4"))
	elsewhere.FromSiteId, elsewhere.ToSiteId, elsewhere.LocationId = "plant-b", "plant-a", ""
	p.refused(elsewhere, "correct it at its source, or map its site to that warehouse")
	p.apply(p.arrival(transfer, true, p.material("IT", "", "4")))
	p.inStock(item, p.name("SHELF"), "4")
	receipts := func(state string) int {
		t.Helper()
		return len(p.read("stock.picking", where("picking_type_id", b.in, "state", state), "id"))
	}
	if done, open := receipts("done"), receipts("assigned"); done != 1 || open != 1 {
		t.Errorf("%d receipts done, %d open, want one each", done, open)
	}
	p.refused(p.arrival(transfer, false, p.material("IT", "", "4")), "has 3")
	p.apply(p.arrival(transfer, false, p.material("IT", "", "2"), p.material("LT", p.name("L1"), "2"))) // one is lost
	p.inStock(item, p.name("SHELF"), "6")
	p.inStock(lots, p.name("SHELF"), "2")
	if done, open := receipts("done"), receipts("assigned"); done != 2 || open != 0 {
		t.Errorf("%d receipts done, %d open, want two and none", done, open)
	}
	p.apply(p.arrival(transfer, false, p.material("IT", "", "1"))) // found again
	p.inStock(item, p.name("SHELF"), "7")
}

func restOfAPersonsTransferIsReceivedWhenItCame(t *testing.T, target Target) {
	p := newPlant(t, target)
	a, b, between := p.side("WH"), p.side(p.otherWarehouse()), p.inTransit()
	p.count("IT", "", "10")
	item := p.product(p.name("IT"))
	out, leaving := p.plan(a.out, a.stock, between, planned{product: item, quantity: 7})
	p.plan(b.in, between, b.stock, planned{item, 7, leaving[0]})
	transfer := fmt.Sprint(p.one("stock.picking", where("id", out), "name")["name"])
	if err := p.client.Write(t.Context(), "stock.move", leaving, map[string]any{"quantity": 5, "picked": true}); err != nil {
		t.Fatal(err)
	}
	p.press("stock.picking", out, "button_validate", map[string]any{"skip_backorder": true})
	p.apply(p.arrival(transfer, false, p.material("IT", "", "5"))) // all of what left so far
	p.inStock(item, p.name("SHELF"), "5")
	p.refused(p.arrival(transfer, false, p.material("IT", "", "2")), "has 0")
	rest := id(p.one("stock.picking", where("backorder_id", out), "id")["id"])
	p.press("stock.picking", rest, "button_validate", nil)
	p.apply(p.arrival(transfer, false, p.material("IT", "", "2")))
	p.inStock(item, p.name("SHELF"), "7")
	if n := len(p.read("stock.picking", where("picking_type_id", b.in, "state", "done"), "id")); n != 2 {
		t.Errorf("%d receipts done, want two", n)
	}
	if n := len(p.read("stock.picking", []any{[]any{"picking_type_id", "=", b.in}, []any{"state", "not in", []string{"done", "cancel"}}}, "id")); n != 0 {
		t.Errorf("%d receipts open, want none", n)
	}
}

func transfersAreReceivedByPeople(t *testing.T, target Target) {
	p := newPlant(t, target)
	b := p.side(p.otherWarehouse())
	p.count("IT", "", "10")
	item := p.product(p.name("IT"))
	p.apply(&manufacturingv1.TransferDispatched{TransferId: p.name("T"), FromSiteId: "plant-a", ToSiteId: "plant-b", Materials: []*manufacturingv1.ShippedMaterial{p.material("IT", "", "5")}})
	p.apply(&manufacturingv1.TransferDispatched{TransferId: p.name("T"), FromSiteId: "plant-a", ToSiteId: "plant-b", Materials: []*manufacturingv1.ShippedMaterial{p.material("IT", "", "1")}})
	open := id(p.one("stock.picking", where("x_mesh_transfer", p.name("T"), "picking_type_id", b.in, "state", "assigned"), "id")["id"])
	move := p.one("stock.move", where("picking_id", open), "product_uom_qty")
	expect(t, move, map[string]string{"product_uom_qty": "6"})
	if err := p.client.Write(t.Context(), "stock.move", []int64{id(move["id"])}, map[string]any{"quantity": 2, "picked": true}); err != nil {
		t.Fatal(err)
	}
	p.press("stock.picking", open, "button_validate", map[string]any{"skip_backorder": true})
	p.inStock(item, "Stock", "6") // 4 at plant-a and 2 at plant-b
	p.refused(p.arrival(p.name("T"), false, p.material("IT", "", "5")), "has 4")
	p.apply(p.arrival(p.name("T"), false, p.material("IT", "", "4")))
	p.inStock(item, p.name("SHELF"), "4")
	p.refused(p.arrival(p.name("T"), false, p.material("IT", "", "1")), "has 0")
}
