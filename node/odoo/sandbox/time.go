package sandbox

import (
	"time"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// timeEntry books the time and the counts of a report.
func (x *applier) timeEntry(e odoo.Effect, work, order *row) (*row, error) {
	loss := x.get("mrp.workcenter.productivity.loss", x.reference(e.Loss))
	if loss == nil {
		return nil, valueError("External ID not found in the system: %s", e.Loss)
	}
	minutes, err := minutesBetween(e.Start, e.End)
	if err != nil {
		return nil, err
	}
	unit := ""
	counts := map[string]any{}
	for _, c := range []struct {
		name string
		q    *odoo.Quantity
	}{{"x_mesh_completed", e.Completed}, {"x_mesh_rejected", e.Rejected}, {"x_mesh_review", e.Review}} {
		if c.q == nil {
			continue
		}
		value, _, err := apd.NewFromString(c.q.Value)
		if err != nil {
			return nil, valueError("could not convert string to float: '%s'", c.q.Value)
		}
		counts[c.name] = value
		if unit == "" {
			unit = c.q.Unit
		}
	}
	values := map[string]any{
		"workorder_id": work.id, "production_id": order.id, "workcenter_id": work.ref("workcenter_id"), "loss_id": loss.id, "loss_type": loss.str("loss_type"),
		"company_id": order.ref("company_id"), "date_start": e.Start, "date_end": e.End, "duration": minutes, "description": e.Worker,
		"x_mesh_event": e.Event, "x_mesh_order": e.Order, "x_mesh_rework": e.Rework, "x_mesh_unit": unit,
	}
	for name, value := range counts {
		values[name] = value
	}
	x.set("mrp.workorder", work, map[string]any{"duration": add(work.num("duration"), minutes)})
	return x.insert("mrp.workcenter.productivity", values), nil
}

func minutesBetween(start, end string) (*apd.Decimal, error) {
	from, err := time.Parse(time.DateTime, start)
	if err != nil {
		return nil, valueError("time data '%s' does not match format", start)
	}
	to, err := time.Parse(time.DateTime, end)
	if err != nil {
		return nil, valueError("time data '%s' does not match format", end)
	}
	return round(div(apd.New(int64(to.Sub(from)/time.Second), 0), apd.New(60, 0))), nil
}
