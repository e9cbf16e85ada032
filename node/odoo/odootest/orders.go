package odootest

import (
	"testing"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

var orderFields = []string{
	"name", "origin", "x_mesh_order", "state", "product_id", "product_qty", "qty_produced", "product_uom_id", "date_start", "bom_id", "lot_producing_ids",
}

// parts are the manufacturing orders of an order, oldest first.
func (p *plant) parts(order string) []map[string]any {
	p.t.Helper()
	return p.read("mrp.production", where("x_mesh_order", order), orderFields...)
}

func (p *plant) order(order string) map[string]any {
	p.t.Helper()
	return p.one("mrp.production", where("x_mesh_order", order), orderFields...)
}

func (p *plant) release(order, quantity string) {
	p.t.Helper()
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("IT"), Quantity: pieces(quantity)})
}

func (p *plant) complete(order, quantity string, partial bool) {
	p.t.Helper()
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: order, ItemId: p.name("IT"), Quantity: pieces(quantity), Partial: partial})
}

// product is the id of the product for an item.
func (p *plant) product(item string) int64 {
	p.t.Helper()
	return id(p.one("product.product", where("default_code", item), "id")["id"])
}

func releaseMakesOrder(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(&manufacturingv1.ProductionOrderReleased{
		OrderId: order, ItemId: p.name("IT"), Quantity: pieces("12.5"), PlannedStartTime: at(6, 0), PlannedEndTime: at(9, 30),
	})
	expect(t, p.order(order), map[string]string{
		"origin": order, "state": "confirmed", "product_qty": "12.5", "qty_produced": "0", "date_start": "2026-01-05 06:00:00",
	})
	product := p.one("product.product", where("default_code", p.name("IT")), "name", "is_storable", "tracking", "uom_id")
	expect(t, product, map[string]string{"name": p.name("IT"), "is_storable": "true", "tracking": "none"})
	if name(product["uom_id"]) != "Units" {
		t.Errorf("the item is kept in %v, want Units", product["uom_id"])
	}
}

func releaseNamesAll(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.release(p.name("WO-0"), "1") // makes the item
	product := p.one("product.product", where("default_code", p.name("IT")), "product_tmpl_id")
	boms, err := p.client.Create(t.Context(), "mrp.bom", map[string]any{
		"code": p.name("BOM"), "product_tmpl_id": ref(product["product_tmpl_id"]), "product_qty": 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	order := p.name("WO")
	p.apply(&manufacturingv1.ProductionOrderReleased{
		OrderId: order, ItemId: p.name("IT"), Quantity: pieces("5"), BillOfMaterialsId: p.name("BOM"), WorkCenterId: p.name("WC"), LotId: p.name("LOT"),
	})
	record := p.order(order)
	if ref(record["bom_id"]) != boms[0] {
		t.Errorf("bill of materials %v, want %d", record["bom_id"], boms[0])
	}
	lot := p.one("stock.lot", where("name", p.name("LOT")), "product_id")
	if lots, _ := record["lot_producing_ids"].([]any); len(lots) != 1 || id(lots[0]) != id(lot["id"]) {
		t.Errorf("lots %v, want %v", record["lot_producing_ids"], lot["id"])
	}
	work := p.one("mrp.workorder", where("production_id", id(record["id"])), "workcenter_id")
	if name(work["workcenter_id"]) != p.name("WC") {
		t.Errorf("work center %v, want %s", work["workcenter_id"], p.name("WC"))
	}
	err = p.applier.Handle(t.Context(), p.record(&manufacturingv1.ProductionOrderReleased{
		OrderId: p.name("WO-2"), ItemId: p.name("IT"), Quantity: pieces("5"), BillOfMaterialsId: "none",
	}))
	parked(t, err, "Bill of materials none of item "+p.name("IT")+" is not in Odoo")
}

func releaseRevises(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(p.setup(order)) // a report of another site came first, and made the order with 10
	p.release(order, "25")
	expect(t, p.order(order), map[string]string{"state": "progress", "product_qty": "25"})
	p.complete(order, "5", true)
	p.release(order, "20")
	parts := p.parts(order)
	if len(parts) != 2 {
		t.Fatalf("%d parts, want 2", len(parts))
	}
	expect(t, parts[0], map[string]string{"state": "done", "qty_produced": "5"})
	expect(t, parts[1], map[string]string{"product_qty": "15"})
}

func releaseContinues(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.complete(order, "4", true) // nobody released it yet
	p.release(order, "10")
	parts := p.parts(order)
	if len(parts) != 2 {
		t.Fatalf("%d parts, want 2", len(parts))
	}
	expect(t, parts[0], map[string]string{"state": "done", "qty_produced": "4"})
	expect(t, parts[1], map[string]string{"state": "confirmed", "product_qty": "6"})
	p.complete(order, "6", false)
	p.release(order, "10") // says nothing new
	if parts := p.parts(order); len(parts) != 2 || parts[1]["state"] != "done" {
		t.Errorf("parts %v, want two that are done", parts)
	}
}

func releaseOfOtherItem(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.release(p.name("WO"), "10")
	err := p.applier.Handle(t.Context(), p.record(&manufacturingv1.ProductionOrderReleased{OrderId: p.name("WO"), ItemId: p.name("OTHER"), Quantity: pieces("10")}))
	parked(t, err, "correct one of them")
}

func completionEnds(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.release(order, "10")
	p.complete(order, "9", false) // one is missing for good
	expect(t, p.order(order), map[string]string{"state": "done", "qty_produced": "9"})
	p.inStock(p.product(p.name("IT")), "Stock", "9")
}

// inStock checks how much of a product the internal locations of a name hold, all lots together.
func (p *plant) inStock(product int64, location, want string) {
	p.t.Helper()
	got := p.sum(p.read("stock.quant", where("product_id", product, "location_id.name", location, "location_id.usage", "internal"), "quantity"), "quantity")
	if got != want {
		p.t.Errorf("%s holds %s, want %s", location, got, want)
	}
}

func partialCompletions(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.release(order, "100")
	p.complete(order, "40", true)
	p.complete(order, "35", true)
	parts := p.parts(order)
	if len(parts) != 3 {
		t.Fatalf("%d parts, want 3", len(parts))
	}
	expect(t, parts[0], map[string]string{"state": "done", "product_qty": "40", "qty_produced": "40", "origin": order})
	expect(t, parts[1], map[string]string{"state": "done", "product_qty": "35", "qty_produced": "35", "origin": order})
	expect(t, parts[2], map[string]string{"state": "confirmed", "product_qty": "25", "qty_produced": "0", "origin": order})
	p.complete(order, "25", false)
	parts = p.parts(order)
	expect(t, parts[2], map[string]string{"state": "done", "qty_produced": "25"})
	p.inStock(p.product(p.name("IT")), "Stock", "100")
}

func completionBeyond(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.release(order, "10")
	p.complete(order, "12", true) // more than ordered, and more to come
	p.complete(order, "3", false)
	parts := p.parts(order)
	if len(parts) != 2 {
		t.Fatalf("%d parts, want 2", len(parts))
	}
	expect(t, parts[0], map[string]string{"state": "done", "qty_produced": "12"})
	expect(t, parts[1], map[string]string{"state": "done", "qty_produced": "3"})
	p.inStock(p.product(p.name("IT")), "Stock", "15")
}

func completionOfUnknownOrder(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.complete(p.name("WO"), "4", false)
	expect(t, p.order(p.name("WO")), map[string]string{"state": "done", "product_qty": "4", "qty_produced": "4"})
}

func completionWithSerials(t *testing.T, target Target) {
	p := newPlant(t, target)
	item := p.name("SER")
	complete := func(order string, serials ...string) error {
		return p.applier.Handle(t.Context(), p.record(&manufacturingv1.ProductionCompleted{OrderId: p.name(order), ItemId: item, Quantity: pieces("2"), SerialIds: serials}))
	}
	if err := complete("WO", p.name("S1"), p.name("S2")); err != nil {
		t.Fatal(err)
	}
	if n := len(p.read("stock.lot", where("product_id", p.product(item)), "name")); n != 2 {
		t.Errorf("%d serial numbers, want 2", n)
	}
	p.inStock(p.product(item), "Stock", "2")
	parked(t, complete("WO-2", p.name("S3")), "names 1 serial numbers for 2 C62")
	parked(t, complete("WO-3"), "tracked by serial number in Odoo, and the event names none")
}

func completionUsesComponents(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.complete(p.name("WO-C"), "100", false) // the component
	component := p.product(p.name("IT"))
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: p.name("WO-0"), ItemId: p.name("FIN"), Quantity: pieces("1")})
	final := p.one("product.product", where("default_code", p.name("FIN")), "product_tmpl_id")
	_, err := p.client.Create(t.Context(), "mrp.bom", map[string]any{
		"code": p.name("BOM"), "product_tmpl_id": ref(final["product_tmpl_id"]), "product_qty": 1,
		"bom_line_ids": []any{[]any{0, 0, map[string]any{"product_id": component, "product_qty": 3}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	order := p.name("WO")
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("FIN"), Quantity: pieces("10"), BillOfMaterialsId: p.name("BOM")})
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: order, ItemId: p.name("FIN"), Quantity: pieces("4"), Partial: true})
	p.inStock(component, "Stock", "88")
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: order, ItemId: p.name("FIN"), Quantity: pieces("6")})
	p.inStock(component, "Stock", "70")
	p.inStock(id(final["id"]), "Stock", "10")
}

func completionInOtherUnit(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("KG"), Quantity: in("KGM", "2")})
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: order, ItemId: p.name("KG"), Quantity: in("GRM", "1500"), Partial: true})
	parts := p.parts(order)
	if len(parts) != 2 {
		t.Fatalf("%d parts, want 2", len(parts))
	}
	expect(t, parts[0], map[string]string{"qty_produced": "1.5"})
	expect(t, parts[1], map[string]string{"product_qty": "0.5"})
}

func otherDimension(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.release(p.name("WO"), "10")
	err := p.applier.Handle(t.Context(), p.record(&manufacturingv1.ProductionCompleted{OrderId: p.name("WO"), ItemId: p.name("IT"), Quantity: in("KGM", "10")}))
	parked(t, err, "A quantity in kg (KGM) cannot be converted to Units")
	expect(t, p.order(p.name("WO")), map[string]string{"state": "confirmed", "qty_produced": "0"})
}

func completionWithoutLot(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: p.name("WO-0"), ItemId: p.name("IT"), Quantity: pieces("1"), LotId: p.name("LOT")})
	p.release(order, "10")
	err := p.applier.Handle(t.Context(), p.record(&manufacturingv1.ProductionCompleted{OrderId: order, ItemId: p.name("IT"), Quantity: pieces("10")}))
	parked(t, err, "tracked by lot in Odoo, and the event names none")
	expect(t, p.order(order), map[string]string{"state": "confirmed"})
}
