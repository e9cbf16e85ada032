package odootest

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// routed defines an item that is turned and then ground, of one blank and half a kilogram of oil, puts 100 of both in stock, and releases an
// order for it.
func (p *plant) routed(order, quantity string) {
	p.t.Helper()
	p.apply(p.item("FIN"))
	p.apply(p.item("BLANK"))
	oil := p.item("OIL")
	oil.Unit = "KGM"
	p.apply(oil)
	p.apply(&manufacturingv1.BillOfMaterialsChanged{BillOfMaterialsId: p.name("BOM"), ItemId: p.name("FIN"), Quantity: pieces("1"), Components: []*manufacturingv1.Component{
		{LineId: "1", ItemId: p.name("BLANK"), Quantity: pieces("1")}, {LineId: "2", ItemId: p.name("OIL"), Quantity: in("GRM", "500")},
	}})
	p.apply(&manufacturingv1.RoutingChanged{RoutingId: p.name("R"), BillOfMaterialsId: p.name("BOM"), Operations: []*manufacturingv1.Operation{
		{OperationId: "10", Name: "TURN", WorkCenterId: p.name("WC"), RunDuration: durationpb.New(5 * time.Minute)},
		{OperationId: "15", Name: "WASH", WorkCenterId: p.name("WC"), RunDuration: durationpb.New(time.Minute)},
		{OperationId: "20", Name: "GRIND", WorkCenterId: p.name("WC"), RunDuration: durationpb.New(7 * time.Minute)},
	}})
	p.count("BLANK", "", "100")
	p.apply(&manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.name("OIL"), Quantity: in("KGM", "100")})
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("FIN"), Quantity: pieces(quantity), BillOfMaterialsId: p.name("BOM")})
}

// worked reports an hour of an operation.
func (p *plant) worked(order, operation, completed string) {
	p.t.Helper()
	p.apply(&manufacturingv1.OperationReported{
		OrderId: order, OperationId: operation, WorkCenterId: p.name("WC"), Activity: manufacturingv1.Activity_ACTIVITY_PRODUCTION, StartTime: at(8, 0), EndTime: at(9, 0),
		CompletedQuantity: pieces(completed),
	})
}

// minutes adds up what the work orders of an order took, over all its parts.
func (p *plant) minutes(order, want string) {
	p.t.Helper()
	center := id(p.one("mrp.workcenter", where("code", p.name("WC")), "id")["id"])
	if took := p.sum(p.read("mrp.workcenter.productivity", where("workcenter_id", center), "duration"), "duration"); took != want {
		p.t.Errorf("order %s took %s, want %s minutes", order, took, want)
	}
}

func completionCountsWhatItSays(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.routed(order, "20")
	p.worked(order, "TURN", "2") // counted late, as plants do
	p.worked(order, "GRIND", "5")
	p.assembled(order, "5", true)
	p.worked(order, "GRIND", "7")
	p.assembled(order, "7", true)
	p.worked(order, "TURN", "20")
	p.assembled(order, "8", false)
	parts := p.parts(order)
	if len(parts) != 3 {
		t.Fatalf("%d parts, want 3", len(parts))
	}
	for i, want := range []string{"5", "7", "8"} {
		expect(t, parts[i], map[string]string{"state": "done", "qty_produced": want})
	}
	p.inStock(p.product(p.name("FIN")), "Stock", "20")
	p.inStock(p.product(p.name("BLANK")), "Stock", "80")
	p.inStock(p.product(p.name("OIL")), "Stock", "90")
}

func reportsUseNoMaterial(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.routed(order, "20")
	p.worked(order, "TURN", "9")
	p.worked(order, "GRIND", "9")
	if picked := p.read("stock.move", where("raw_material_production_id", id(p.order(order)["id"]), "picked", true), "product_id"); len(picked) > 0 {
		t.Errorf("reports took %v", picked)
	}
	p.apply(p.consumed(order, p.name("BLANK"), "6"))
	p.assembled(order, "5", false)
	p.inStock(p.product(p.name("BLANK")), "Stock", "94")
	p.inStock(p.product(p.name("OIL")), "Stock", "97.5")
	expect(t, p.order(order), map[string]string{"state": "done", "qty_produced": "5"})
}

func timeIsWhatWasReported(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.routed(order, "20")
	p.worked(order, "TURN", "20")
	p.assembled(order, "4", true)
	p.minutes(order, "60")
	p.worked(order, "GRIND", "16")
	p.worked(order, "TURN", "0") // all of the order had passed it: Odoo has cancelled it for the rest
	p.minutes(order, "180")
	p.assembled(order, "16", false)
	p.minutes(order, "180")
	if n := len(p.read("mrp.workcenter.productivity", where("x_mesh_order", order), "id")); n != 3 {
		t.Errorf("%d time entries, want the 3 that were reported", n)
	}
}
