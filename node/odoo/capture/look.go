package capture

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
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

// Unclearly tells whether Odoo has a field in a way that the mesh has no word for.
func (t Thing) Unclearly(field string) bool { return slices.Contains(t.Unclear, field) }
