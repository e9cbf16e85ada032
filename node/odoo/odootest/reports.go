package odootest

import (
	"testing"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func reportsAddUp(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.release(order, "100")
	report := func(operation string, activity manufacturingv1.Activity, completed, rejected, review string, rework bool) {
		p.apply(&manufacturingv1.OperationReported{
			OrderId: order, OperationId: operation, WorkCenterId: p.name("WC"), WorkerId: "W-7", Activity: activity, StartTime: at(22, 0), EndTime: at(23, 30),
			CompletedQuantity: pieces(completed), RejectedQuantity: pieces(rejected), ReviewQuantity: pieces(review), Rework: rework,
		})
	}
	report("TURN", manufacturingv1.Activity_ACTIVITY_SETUP, "0", "0", "0", false)
	report("TURN", manufacturingv1.Activity_ACTIVITY_PRODUCTION, "10", "1", "2", false)
	report("TURN", manufacturingv1.Activity_ACTIVITY_PRODUCTION, "7", "0", "0", true)
	report("GRIND", manufacturingv1.Activity_ACTIVITY_BREAKDOWN, "0", "0", "0", false)
	expect(t, p.order(order), map[string]string{"state": "progress", "product_qty": "100"})

	works := p.read("mrp.workorder", where("production_id", id(p.order(order)["id"])), "name", "state", "qty_produced", "duration")
	if len(works) != 2 {
		t.Fatalf("%d work orders, want 2: %v", len(works), works)
	}
	expect(t, works[0], map[string]string{"name": "TURN", "state": "progress", "qty_produced": "17", "duration": "270"})
	expect(t, works[1], map[string]string{"name": "GRIND", "state": "progress", "qty_produced": "0", "duration": "90"})

	entries := p.read("mrp.workcenter.productivity", where("x_mesh_order", order),
		"date_start", "date_end", "duration", "loss_type", "description", "x_mesh_completed", "x_mesh_rejected", "x_mesh_review", "x_mesh_unit", "x_mesh_rework")
	if len(entries) != 4 {
		t.Fatalf("%d time entries, want 4", len(entries))
	}
	expect(t, entries[0], map[string]string{"loss_type": "availability", "duration": "90"})
	expect(t, entries[1], map[string]string{
		"date_start": "2026-01-05 22:00:00", "date_end": "2026-01-05 23:30:00", "duration": "90", "loss_type": "productive", "description": "W-7",
		"x_mesh_completed": "10", "x_mesh_rejected": "1", "x_mesh_review": "2", "x_mesh_unit": "C62", "x_mesh_rework": "false",
	})
	expect(t, entries[2], map[string]string{"x_mesh_completed": "7", "x_mesh_rework": "true"})
	expect(t, entries[3], map[string]string{"loss_type": "availability"})
}

func reportMakesOrder(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(p.setup(order))
	expect(t, p.order(order), map[string]string{"origin": order, "state": "progress", "product_qty": "10"})
}

func reportWithoutOrder(t *testing.T, target Target) {
	p := newPlant(t, target)
	report := p.setup(p.name("WO"))
	report.ItemId = ""
	parked(t, p.applier.Handle(t.Context(), p.record(report)), "the event does not name what it makes")
	report = p.setup(p.name("WO"))
	report.OrderQuantity = nil
	parked(t, p.applier.Handle(t.Context(), p.record(report)), "does not say how much it asks for")
}

func reportTakesWorkOrderOver(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("IT"), Quantity: pieces("10"), WorkCenterId: p.name("WC")})
	p.apply(p.setup(order))
	p.apply(p.setup(order))
	work := p.one("mrp.workorder", where("production_id", id(p.order(order)["id"])), "name", "qty_produced")
	expect(t, work, map[string]string{"name": "OP", "qty_produced": "4"})
}

func reportsKeepDecimals(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("IT"), Quantity: in("KGM", "1000000")})
	for _, value := range []string{"0.1", "0.2", "0.000000001", "123456.789012345"} {
		report := p.setup(order)
		report.CompletedQuantity = in("KGM", value)
		d := p.apply(report)
		entry := p.one("mrp.workcenter.productivity", where("x_mesh_event", "//plant-a/mes "+d.Event.GetEvent().GetId()), "x_mesh_completed", "x_mesh_unit")
		expect(t, entry, map[string]string{"x_mesh_completed": value, "x_mesh_unit": "KGM"})
	}
}

func reportAfterEnd(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(p.setup(order))
	p.complete(order, "10", false)
	p.apply(p.setup(order)) // same operation, whose work order is closed
	late := p.setup(order)
	late.OperationId = "LATE"
	p.apply(late)
	if n := len(p.read("mrp.workcenter.productivity", where("x_mesh_order", order), "id")); n != 3 {
		t.Errorf("%d time entries, want 3", n)
	}
	expect(t, p.order(order), map[string]string{"state": "done", "qty_produced": "10"})
	for _, work := range p.read("mrp.workorder", where("production_id", id(p.order(order)["id"])), "state") {
		expect(t, work, map[string]string{"state": "done"})
	}
}
