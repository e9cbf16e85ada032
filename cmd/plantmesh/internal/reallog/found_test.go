package reallog_test

import (
	"fmt"
	"strconv"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// found is what Odoo's tables say.
func (b *books) found() ledger {
	b.t.Helper()
	l := ledger{}
	orders := b.orders(l)
	b.materials(l, orders)
	b.work(l, orders)
	b.stock(l)
	scrapped := sums{}
	// The move says what was lost: Odoo computes the quantity on some scrap orders anew, as 1, when their order is split.
	for _, r := range b.read("stock.move", []any{is("state", "=", "done"), is("scrap_id", "!=", false)}, "origin", "quantity") {
		scrapped.add(text(r["origin"]), b.number(r, "quantity"))
	}
	scrapped.into(l, tableScrapped)
	for about, n := range map[string]int{
		"products": b.count("product.product", is("default_code", "!=", false)), "bills of materials": b.count("mrp.bom"), "their lines": b.count("mrp.bom.line"),
		"operations": b.count("mrp.routing.workcenter"), "work centers": b.count("mrp.workcenter"), "lots": b.count("stock.lot"),
	} {
		l.set(tableRecords, about, strconv.Itoa(n))
	}
	return l
}

// orders reads manufacturing orders, adds up the parts of each, and returns whose part each is.
func (b *books) orders(l ledger) map[int64]string {
	b.t.Helper()
	names, produced, open, all := map[int64]string{}, sums{}, sums{}, sums{}
	for _, r := range b.read("mrp.production", []any{}, "x_mesh_order", "state", "product_qty", "qty_produced") {
		name := text(r["x_mesh_order"])
		names[integer(r["id"])] = name
		switch r["state"] {
		case "done":
			produced.add(name, b.number(r, "qty_produced"))
			all.add("made", b.number(r, "qty_produced"))
		case "confirmed", "progress", "to_close":
			open.add(name, b.number(r, "product_qty"))
		default:
			b.t.Errorf("order %q is %v", name, r["state"])
		}
	}
	for _, name := range names {
		state := "done"
		if open[name] != nil {
			state = "open"
		}
		l.set(tableOrders, name, fmt.Sprintf("%s, %s, %s", state, produced.of(name), open.of(name)))
	}
	l.set(tableTotals, "made", all.of("made"))
	l.set(tableTotals, "orders", strconv.Itoa(len(l[tableOrders])))
	return names
}

// materials reads what went into orders, and what waits in open ones.
func (b *books) materials(l ledger, orders map[int64]string) {
	b.t.Helper()
	moves := map[int64]string{}
	for _, r := range b.read("stock.move", []any{is("raw_material_production_id", "!=", false), is("location_dest_id.usage", "=", "production")}, "raw_material_production_id") {
		order, _ := related(r["raw_material_production_id"])
		moves[integer(r["id"])] = orders[order]
	}
	consumed, set := sums{}, sums{}
	for _, r := range b.read("stock.move.line", []any{is("location_dest_id.usage", "=", "production")}, "move_id", "product_id", "state", "picked", "quantity_product_uom") {
		id, _ := related(r["move_id"])
		about, quantity := moves[id]+", "+b.ref(r["product_id"]), b.number(r, "quantity_product_uom")
		switch {
		case r["state"] == "done":
			consumed.add(about, quantity)
		case r["picked"] == true:
			set.add(about, quantity)
		}
	}
	consumed.into(l, tableConsumed)
	set.into(l, tableSet)
}

// work reads work orders' times, and the time entries with their counts.
func (b *books) work(l ledger, orders map[int64]string) {
	b.t.Helper()
	minutes := sums{}
	for _, r := range b.read("mrp.workorder", []any{is("duration", ">", 0)}, "production_id", "name", "workcenter_id", "duration") {
		order, _ := related(r["production_id"])
		_, center := related(r["workcenter_id"])
		minutes.add(fmt.Sprintf("%s, %s, %s", orders[order], text(r["name"]), center), b.number(r, "duration"))
	}
	for about, sum := range minutes {
		v, err := sum.Float64()
		if err != nil {
			b.t.Fatal(err)
		}
		l.set(tableTime, about, decimal(v))
	}
	reports, unreported, counts := 0, 0, sums{}
	byLoss := map[string]string{"Fully Productive Time": "ACTIVITY_PRODUCTION", "Setup and Adjustments": "ACTIVITY_SETUP", "Equipment Failure": "ACTIVITY_BREAKDOWN"}
	activities := map[string]int{}
	for _, r := range b.read("mrp.workcenter.productivity", []any{}, "x_mesh_event", "loss_id", "x_mesh_completed", "x_mesh_rejected", "x_mesh_review") {
		if text(r["x_mesh_event"]) == "" {
			unreported++
			continue
		}
		reports++
		_, loss := related(r["loss_id"])
		activities[byLoss[loss]]++
		counts.add("completed", b.number(r, "x_mesh_completed"))
		counts.add("rejected", b.number(r, "x_mesh_rejected"))
		counts.add("for review", b.number(r, "x_mesh_review"))
	}
	counts.into(l, tableTotals)
	l.set(tableTotals, "reports", strconv.Itoa(reports))
	l.set(tableTotals, "time entries that nobody reported", strconv.Itoa(unreported))
	for about, n := range activities {
		l.set(tableActivities, about, strconv.Itoa(n))
	}
}

// stock reads what is in stock by item and lot.
func (b *books) stock(l ledger) {
	b.t.Helper()
	stock := sums{}
	for _, r := range b.read("stock.quant", []any{is("location_id.usage", "=", "internal"), is("quantity", "!=", 0)}, "product_id", "lot_id", "quantity") {
		_, lot := related(r["lot_id"])
		stock.add(b.ref(r["product_id"])+", "+lot, b.number(r, "quantity"))
	}
	stock.into(l, tableStock)
}

// journal is how often each event was applied, by source and id.
func (b *books) journal() map[string]int {
	b.t.Helper()
	applied, err := odoo.NewReader(b.client).Applied(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	times := map[string]int{}
	for _, a := range applied {
		times[a.Event]++
	}
	return times
}
