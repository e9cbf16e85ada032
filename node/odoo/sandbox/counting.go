package sandbox

import (
	"cmp"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// corrected is where goods come from, or go to, when stock is corrected.
func (x *applier) corrected(e odoo.Effect) (g goods, place, loss int64, err error) {
	if g, err = x.goods(e, false); err != nil {
		return goods{}, 0, 0, err
	}
	if g.place == nil {
		if g.place, err = x.location(e, ""); err != nil {
			return goods{}, 0, 0, err
		}
	}
	return g, g.place.id, x.one("stock.location", "name", "Inventory adjustment", "usage", "inventory").id, nil
}

func (x *applier) adjust(e odoo.Effect) (odoo.Result, error) {
	g, place, loss, err := x.corrected(e)
	if err != nil {
		return odoo.Result{}, err
	}
	m := movement{product: g.product, lot: g.lot, quantity: g.quantity, from: place, to: loss, origin: "Adjustment " + e.Document + ": " + e.Reason}
	if e.Direction == "increase" {
		m.from, m.to = loss, place
	}
	return odoo.Result{Model: "stock.move", ID: x.move(m).id}, nil
}

func (x *applier) count(e odoo.Effect) (odoo.Result, error) {
	g, place, loss, err := x.corrected(e)
	if err != nil {
		return odoo.Result{}, err
	}
	known, quant := new(apd.Decimal), int64(0)
	if q := x.one("stock.quant", "product_id", g.product.id, "lot_id", g.lot, "location_id", place); q != nil {
		known, quant = q.num("quantity"), q.id
	}
	m := movement{product: g.product, lot: g.lot, quantity: sub(g.quantity, known), from: loss, to: place, origin: "Count " + e.Document}
	switch m.quantity.Sign() {
	case 0:
		return odoo.Result{Model: "stock.quant", ID: quant, Note: "as counted: nothing changed"}, nil
	case -1:
		m.quantity, m.from, m.to = sub(known, g.quantity), place, loss
	}
	return odoo.Result{Model: "stock.move", ID: x.move(m).id, Note: "it was " + known.Text('f')}, nil
}

// down begins a downtime of a work center.
func (x *applier) down(e odoo.Effect) (odoo.Result, error) {
	center, err := x.workCenter(e.WorkCenter)
	if err != nil {
		return odoo.Result{}, err
	}
	if x.one("mrp.workcenter.productivity", "x_mesh_downtime", e.Document, "workcenter_id", center.id) != nil {
		return odoo.Result{}, refuse("Downtime %s of work center %s is in Odoo already: give the new one an id of its own.", e.Document, e.WorkCenter)
	}
	loss := x.get("mrp.workcenter.productivity.loss", x.reference("mrp.block_reason1"))
	if why := cmp.Or(e.Reason, map[bool]string{true: "Planned maintenance"}[e.Planned]); why != "" {
		if loss = x.one("mrp.workcenter.productivity.loss", "name", why); loss == nil {
			loss = x.insert("mrp.workcenter.productivity.loss", map[string]any{"name": why, "loss_type": "availability"})
		}
	}
	entry := x.insert("mrp.workcenter.productivity", map[string]any{
		"workcenter_id": center.id, "loss_id": loss.id, "loss_type": loss.str("loss_type"), "date_start": e.Start, "description": e.Comment,
		"x_mesh_event": e.Event, "x_mesh_downtime": e.Document,
	})
	return odoo.Result{Model: "mrp.workcenter.productivity", ID: entry.id}, nil
}

// up ends it.
func (x *applier) up(e odoo.Effect) (odoo.Result, error) {
	center, err := x.workCenter(e.WorkCenter)
	if err != nil {
		return odoo.Result{}, err
	}
	entry := x.one("mrp.workcenter.productivity", "x_mesh_downtime", e.Document, "workcenter_id", center.id)
	if entry == nil {
		return odoo.Result{}, refuse("Downtime %s of work center %s is not in Odoo: enter it by hand, and skip the event.", e.Document, e.WorkCenter)
	}
	if end := entry.str("date_end"); end != "" {
		return odoo.Result{}, refuse("Downtime %s ended at %s in Odoo already: correct it there, or skip the event.", e.Document, end)
	}
	if begin := entry.str("date_start"); begin > e.End {
		return odoo.Result{}, refuse("Downtime %s began at %s in Odoo, the event says it ended at %s: correct one of them.", e.Document, begin, e.End)
	}
	minutes, err := minutesBetween(entry.str("date_start"), e.End)
	if err != nil {
		return odoo.Result{}, err
	}
	values := map[string]any{"date_end": e.End, "duration": minutes}
	if e.Comment != "" {
		values["description"] = e.Comment
		if before := entry.str("description"); before != "" {
			values["description"] = before + "; " + e.Comment
		}
	}
	x.set("mrp.workcenter.productivity", entry, values)
	return odoo.Result{Model: "mrp.workcenter.productivity", ID: entry.id}, nil
}

func (x *applier) request(e odoo.Effect) (odoo.Result, error) {
	record := x.insert("maintenance.request", map[string]any{
		"name": e.Title, "maintenance_type": e.Maintenance, "priority": e.Priority, "schedule_date": e.Start, "description": e.Comment,
	})
	return odoo.Result{Model: "maintenance.request", ID: record.id}, nil
}
