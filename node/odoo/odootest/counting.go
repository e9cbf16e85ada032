package odootest

import (
	"testing"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func adjustmentsAddAndTakeAway(t *testing.T, target Target) {
	p := newPlant(t, target)
	adjust := func(direction manufacturingv1.AdjustmentDirection, quantity string) *manufacturingv1.StockAdjusted {
		return &manufacturingv1.StockAdjusted{AdjustmentId: p.name("A"), ItemId: p.name("IT"), Direction: direction, Quantity: pieces(quantity), ReasonCode: "FOUND"}
	}
	p.apply(adjust(manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_INCREASE, "7.5"))
	product := p.product(p.name("IT"))
	p.inStock(product, "Stock", "7.5")
	p.apply(adjust(manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_DECREASE, "2"))
	p.inStock(product, "Stock", "5.5")
	lot := adjust(manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_INCREASE, "3")
	lot.ItemId, lot.LotId, lot.LocationId = p.name("LT"), p.name("L1"), p.name("SHELF")
	p.apply(lot)
	p.inStock(p.product(p.name("LT")), p.name("SHELF"), "3")
	lot.LotId = ""
	p.refused(lot, "tracked by lot in Odoo, and the event names none")
}

func countsAreAbsolute(t *testing.T, target Target) {
	p := newPlant(t, target)
	count := func(quantity string) *manufacturingv1.StockCounted {
		return &manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.name("IT"), Quantity: pieces(quantity)}
	}
	p.apply(count("12"))
	product := p.product(p.name("IT"))
	p.inStock(product, "Stock", "12")
	moves := func() int { return len(p.read("stock.move", where("product_id", product, "state", "done"), "id")) }
	before := moves()
	p.apply(count("12"))
	if after := moves(); after != before {
		t.Errorf("a count that finds nothing new made %d moves", after-before)
	}
	p.apply(count("10.25"))
	p.inStock(product, "Stock", "10.25")
	p.apply(&manufacturingv1.ScrapReported{ItemId: p.name("IT"), Quantity: pieces("11")})
	p.inStock(product, "Stock", "-0.75")
	p.apply(count("0"))
	p.inStock(product, "Stock", "0")
}

func downtimesBeginAndEnd(t *testing.T, target Target) {
	p := newPlant(t, target)
	center := p.name("LATHE")
	p.apply(&manufacturingv1.DowntimeStarted{DowntimeId: p.name("D"), WorkCenterId: center, StartTime: at(8, 0), ReasonCode: p.name("SPINDLE"), Comment: "smoke"})
	entry := func(downtime string) map[string]any {
		t.Helper()
		return p.one("mrp.workcenter.productivity", where("x_mesh_downtime", p.name(downtime)), "workcenter_id", "loss_id", "date_start", "date_end", "description", "duration")
	}
	open := entry("D")
	expect(t, open, map[string]string{"date_start": "2026-01-05 08:00:00", "date_end": "false", "description": "smoke"})
	if name(open["loss_id"]) != p.name("SPINDLE") {
		t.Errorf("category %v", open["loss_id"])
	}
	p.refused(&manufacturingv1.DowntimeStarted{DowntimeId: p.name("D"), WorkCenterId: center, StartTime: at(9, 0)}, "is in Odoo already")
	p.refused(&manufacturingv1.DowntimeEnded{DowntimeId: p.name("D"), WorkCenterId: center, EndTime: at(7, 0)}, "began at 2026-01-05 08:00:00")
	p.apply(&manufacturingv1.DowntimeEnded{DowntimeId: p.name("D"), WorkCenterId: center, EndTime: at(9, 30)})
	expect(t, entry("D"), map[string]string{"date_end": "2026-01-05 09:30:00", "duration": "90"})
	p.refused(&manufacturingv1.DowntimeEnded{DowntimeId: p.name("D"), WorkCenterId: center, EndTime: at(10, 0)}, "ended at 2026-01-05 09:30:00")
	p.refused(&manufacturingv1.DowntimeEnded{DowntimeId: p.name("NONE"), WorkCenterId: center, EndTime: at(10, 0)}, "is not in Odoo")
	p.apply(&manufacturingv1.DowntimeStarted{DowntimeId: p.name("P"), WorkCenterId: center, StartTime: at(11, 0), Planned: true})
	if category := name(entry("P")["loss_id"]); category != "Planned maintenance" {
		t.Errorf("category %s", category)
	}
}

func maintenanceIsRequested(t *testing.T, target Target) {
	p := newPlant(t, target)
	request := &manufacturingv1.MaintenanceRequested{
		RequestId: p.name("M"), Title: p.name("Bearing is hot"), Kind: manufacturingv1.MaintenanceKind_MAINTENANCE_KIND_CORRECTIVE, WorkCenterId: p.name("LATHE"),
		Description: "smells too", Priority: manufacturingv1.MaintenancePriority_MAINTENANCE_PRIORITY_HIGH, ScheduledTime: at(14, 0),
	}
	if len(p.read("ir.model", where("model", "maintenance.request"), "id")) == 0 {
		p.refused(request, "install the app Maintenance")
		return
	}
	p.apply(request)
	expect(t, p.one("maintenance.request", where("name", request.GetTitle()), "maintenance_type", "priority", "schedule_date"),
		map[string]string{"maintenance_type": "corrective", "priority": "3", "schedule_date": "2026-01-05 14:00:00"})
}
