package capture

import (
	"context"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// Odoo's own units mean what a standard says, and nothing is told of them.
var units = kind{
	name: "units", model: "uom.uom", build: buildUnits, end: retire, fields: []string{"name", "x_mesh_code", "relative_uom_id", "relative_factor", "active"},
}

func buildUnits(ctx context.Context, p *pass, rows []row) ([]thing, error) {
	if p.context.units == nil {
		if err := p.readUnits(ctx); err != nil {
			return nil, err
		}
	}
	has, err := p.columns(ctx, p.kind.model)
	if err != nil {
		return nil, err
	}
	var things []thing
	for _, r := range rows {
		t := p.thing(r)
		named := "unit " + r.text("name")
		unit := &manufacturingv1.UnitChanged{UnitId: r.text("x_mesh_code"), Name: r.text("name"), Retired: !r.yes("active")}
		if r.ref("relative_uom_id") != 0 {
			unit.ReferenceUnit, unit.Factor = p.context.units[r.ref("relative_uom_id")], plain(r.number("relative_factor"))
		}
		switch {
		case p.context.standard[r.id()]:
			continue
		case unit.GetUnitId() == "":
			t.nameless = true
		case !has["relative_factor"]:
			t.leftOut = named + " is in a category, as before Odoo 19: what it is made of is not captured"
		case r.ref("relative_uom_id") != 0 && unit.GetReferenceUnit() == "":
			t.leftOut = named + " is made of " + r.label("relative_uom_id") + ", which has no code: set its Mesh: code"
		}
		if !t.nameless && (t.leftOut == "" || p.look) {
			t.payload = unit
		}
		things = append(things, t)
	}
	return things, nil
}
