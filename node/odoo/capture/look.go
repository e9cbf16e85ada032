package capture

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// lookRows is how many records one call reads to look at all of them.
const lookRows = 500

// Thing is what Odoo has of one thing of master data.
type Thing struct {
	// Payload is the event that would tell of it.
	Payload proto.Message
	Record  string    // model and id of its root record
	Changed time.Time // when it was written last, to the second; zero: not known
	By      string    // who wrote it last, as Odoo names users
	// Unfit says why the payload is not the whole of it; empty: it is.
	Unfit string
	// Unclear are fields of the payload that Odoo has in a way that the mesh has no word for.
	Unclear []string
}

// masterData is looked at in this order.
var masterData = []kind{units, items, bills, routings, workCenters, suppliers, customers, dimensions}

// MasterData reads all that the mesh has names for, archived or not, and tells nobody of it. Models that are not installed have nothing.
func MasterData(ctx context.Context, config odoo.Config, site plantmesh.SiteID, caller Caller) ([]Thing, error) {
	c := &Capture{config: config, site: site, odoo: patient{caller}}
	var all []Thing
	seen := lookups{}
	for _, k := range masterData {
		p := &pass{Capture: c, kind: k, context: seen, look: true}
		has, err := p.columns(ctx, k.model)
		if err != nil {
			return nil, err
		}
		if has == nil {
			continue
		}
		err = p.pages(ctx, k.model, nil, slices.Concat(k.fields, k.looked), func(rows []row) error {
			things, err := k.build(ctx, p, rows)
			for _, t := range things {
				if t.payload != nil {
					all = append(all, t.present(k.model))
				}
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		seen = p.context
	}
	return all, nil
}

// patient repeats what fails in a way that passes; only reads go through it.
type patient struct{ Caller }

func (p patient) Call(ctx context.Context, model, method string, args odoo.Args, out any) error {
	return odoo.Repeat(ctx, func() error { return p.Caller.Call(ctx, model, method, args, out) })
}

func (t thing) present(model string) Thing {
	at, _ := time.Parse(time.DateTime, t.changed) // none is zero
	return Thing{Payload: t.payload, Record: model + " " + t.key, Changed: at, By: t.by, Unfit: t.leftOut, Unclear: t.unclear}
}

// units are those with a code of the mesh. They are looked at, not told.
var units = kind{
	name: "units", model: "uom.uom", fields: []string{"name", "x_mesh_code", "relative_uom_id", "relative_factor", "active"},
	build: func(ctx context.Context, p *pass, rows []row) ([]thing, error) {
		var things []thing
		for _, r := range rows {
			if r.text("x_mesh_code") == "" {
				continue
			}
			t := p.thing(r)
			unit := &manufacturingv1.UnitChanged{UnitId: r.text("x_mesh_code"), Name: r.text("name"), Retired: !r.yes("active")}
			if r.ref("relative_uom_id") != 0 {
				one, err := p.quantity(ctx, r, "relative_factor", "relative_uom_id")
				if err != nil {
					return nil, err
				}
				if one == nil {
					t.leftOut = "unit " + r.label("relative_uom_id") + " that unit " + r.text("name") + " is made of has no code: set its Mesh: code"
				}
				unit.ReferenceUnit, unit.Factor = one.GetUnit(), one.GetValue()
			}
			t.payload = unit
			things = append(things, t)
		}
		return things, nil
	},
}

// dimensions are the values of financial dimensions. They are looked at, not told.
var dimensions = kind{
	name: "dimensions", model: "account.analytic.account", fields: []string{"name", "code", "plan_id", "x_mesh_dimension", "active"},
	build: func(_ context.Context, p *pass, rows []row) ([]thing, error) {
		var things []thing
		for _, r := range rows {
			if r.text("x_mesh_dimension") == "" || r.text("code") == "" {
				continue
			}
			t := p.thing(r)
			t.payload = &manufacturingv1.FinancialDimensionChanged{
				DimensionId: r.text("x_mesh_dimension"), DimensionName: r.label("plan_id"), ValueId: r.text("code"), Name: r.text("name"), Retired: !r.yes("active"),
			}
			things = append(things, t)
		}
		return things, nil
	},
}

// Unclearly tells whether Odoo has a field in a way that the mesh has no word for.
func (t Thing) Unclearly(field string) bool { return slices.Contains(t.Unclear, field) }
