package capture

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// What goes from warehouse to warehouse is two pickings in Odoo: one into transit, and one out of it, whose moves come behind the moves of the
// first. Each end may be a person's or the mesh's, which has its own name for a transfer that it sent. What it moved is not told.
var pickingFields = []string{"name", "state", "picking_type_id", "backorder_id", "date_done", "x_mesh_transfer"}

var dispatches = kind{
	name: "transfer-dispatches", model: "stock.picking", fields: pickingFields, since: "date_done",
	only: []any{[]any{"state", "=", "done"}, []any{"x_mesh_transfer", "=", false}, []any{"location_dest_id.usage", "=", "transit"}, []any{"location_id.usage", "=", "internal"}},
	build: func(ctx context.Context, p *pass, rows []row) ([]thing, error) {
		return p.transfers(ctx, rows, "move_dest_ids", func(j journey) proto.Message {
			return &manufacturingv1.TransferDispatched{
				TransferId: j.transfer, FromSiteId: j.here, ToSiteId: j.there, Materials: j.materials, DispatchTime: j.picking.time("date_done"),
			}
		})
	},
}

var receipts = kind{
	name: "transfer-receipts", model: "stock.picking", fields: pickingFields, since: "date_done",
	only: []any{[]any{"state", "=", "done"}, []any{"location_id.usage", "=", "transit"}, []any{"location_dest_id.usage", "=", "internal"}},
	build: func(ctx context.Context, p *pass, rows []row) ([]thing, error) {
		return p.transfers(ctx, rows, "move_orig_ids", func(j journey) proto.Message {
			return &manufacturingv1.TransferReceived{
				TransferId: j.transfer, FromSiteId: j.there, ToSiteId: j.here, Materials: j.materials, ReceiveTime: j.picking.time("date_done"), Partial: j.partial,
			}
		})
	},
}

// journey is one picking of a transfer.
type journey struct {
	picking     row
	transfer    string
	here, there string // sites
	materials   []*manufacturingv1.ShippedMaterial
	partial     bool // the rest of it waits in a picking behind this one
}

// transfers tells of pickings that are done; link is the field by which their moves name those at the other end.
func (p *pass) transfers(ctx context.Context, rows []row, link string, event func(journey) proto.Message) ([]thing, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := map[int64]bool{}
	for _, r := range rows {
		ids[r.id()] = true
	}
	ends, err := p.otherEnds(ctx, ids, link)
	if err != nil {
		return nil, err
	}
	goods, err := p.goods(ctx, ids)
	if err != nil {
		return nil, err
	}
	rest, err := p.related(ctx, "stock.picking", "backorder_id", maps.Clone(ids), "backorder_id", "state")
	if err != nil {
		return nil, err
	}
	open := map[int64]bool{}
	for _, r := range rest {
		open[r.ref("backorder_id")] = open[r.ref("backorder_id")] || r.text("state") != "cancel"
	}
	var things []thing
	for _, r := range rows {
		t := p.thing(r)
		j := journey{picking: r, materials: goods[r.id()].materials, partial: open[r.id()]}
		other := ends[r.id()]
		if other == nil && link == "move_orig_ids" {
			if other, err = p.sentByMesh(ctx, r); err != nil {
				return nil, err
			}
		}
		if j.here, err = p.siteOfType(ctx, r.ref("picking_type_id")); err != nil {
			return nil, err
		}
		if j.there, err = p.siteOfType(ctx, other.ref("picking_type_id")); err != nil {
			return nil, err
		}
		first := r // what the whole journey is called: its first picking at the site that it leaves
		if link == "move_orig_ids" {
			first = other
		}
		if first != nil {
			if j.transfer, err = p.journeyOf(ctx, first); err != nil {
				return nil, err
			}
		}
		named := "transfer " + r.text("name")
		switch {
		case other == nil:
			t.leftOut = named + " goes through transit, but no transfer is linked to it at the other end: plan both together, by a route, or set its Mesh: transfer to what a plant sent"
		case j.here == "" || j.there == "":
			t.leftOut = "a warehouse of " + named + " belongs to no site, or to several: name it under odoo.sites"
		case j.here == j.there:
			continue // within a site
		case goods[r.id()].problem != "":
			t.leftOut = goods[r.id()].problem + " of " + named
		case len(j.materials) == 0:
			continue
		default:
			t.payload = event(j)
		}
		things = append(things, t)
	}
	return p.ofPeople(ctx, things)
}

// ofPeople leaves out the pickings that events of the mesh completed: their records are in its journal.
func (p *pass) ofPeople(ctx context.Context, things []thing) ([]thing, error) {
	has, err := p.columns(ctx, odoo.ModelApplied)
	if err != nil || has == nil {
		return things, err
	}
	var subjects []string
	for _, t := range things {
		if t.payload != nil {
			subjects = append(subjects, p.subject(t.payload))
		}
	}
	if len(subjects) == 0 {
		return things, nil
	}
	made := map[string]bool{}
	err = p.pages(ctx, odoo.ModelApplied, []any{[]any{"x_subject", "in", subjects}, []any{"x_model", "=", p.kind.model}}, []string{"x_record"}, func(rows []row) error {
		for _, r := range rows {
			made[strconv.FormatInt(whole(r["x_record"]), 10)] = true
		}
		return nil
	})
	return slices.DeleteFunc(things, func(t thing) bool { return t.payload != nil && made[t.key] }), err
}

// sentByMesh is the picking by which the mesh sent what a person received without a link to it: its name for the transfer says so.
func (p *pass) sentByMesh(ctx context.Context, r row) (row, error) {
	has, err := p.columns(ctx, p.kind.model)
	if err != nil || !has["x_mesh_transfer"] {
		return nil, err
	}
	transfer, err := p.journeyOf(ctx, r)
	if err != nil {
		return nil, err
	}
	var sent row
	err = p.pages(ctx, p.kind.model, []any{[]any{"x_mesh_transfer", "=", transfer}, []any{"location_dest_id.usage", "=", "transit"}, []any{"state", "=", "done"}}, pickingFields,
		func(rows []row) error {
			if sent == nil {
				sent = rows[0]
			}
			return nil
		})
	return sent, err
}

// otherEnds are the pickings at the other end of transit; of several the first.
func (p *pass) otherEnds(ctx context.Context, pickings map[int64]bool, link string) (map[int64]row, error) {
	moves, err := p.related(ctx, "stock.move", "picking_id", maps.Clone(pickings), "picking_id", link)
	if err != nil {
		return nil, err
	}
	linked := map[int64]bool{}
	for _, m := range moves {
		for _, id := range m.refs(link) {
			linked[id] = true
		}
	}
	others, err := p.related(ctx, "stock.move", "id", linked, "picking_id")
	if err != nil {
		return nil, err
	}
	ids := map[int64]bool{}
	for _, m := range others {
		ids[m.ref("picking_id")] = true
	}
	ends, err := p.related(ctx, "stock.picking", "id", ids, pickingFields...)
	if err != nil {
		return nil, err
	}
	all := map[int64]row{}
	for _, id := range slices.Sorted(maps.Keys(moves)) {
		for _, next := range moves[id].refs(link) {
			end := ends[others[next].ref("picking_id")]
			at := moves[id].ref("picking_id")
			if end != nil && (all[at] == nil || end.id() < all[at].id()) {
				all[at] = end
			}
		}
	}
	return all, nil
}

// journeyOf is what the mesh calls the transfer of a picking, or of the one that it is the rest of: by its own name, or else by that of the first.
func (p *pass) journeyOf(ctx context.Context, r row) (string, error) {
	for r.text("x_mesh_transfer") == "" && r.ref("backorder_id") != 0 {
		before, err := p.related(ctx, "stock.picking", "id", map[int64]bool{r.ref("backorder_id"): true}, pickingFields...)
		if err != nil {
			return "", err
		}
		if before[r.ref("backorder_id")] == nil {
			break
		}
		r = before[r.ref("backorder_id")]
	}
	return cmp.Or(r.text("x_mesh_transfer"), r.text("name")), nil
}

// moved are the goods of a picking.
type moved struct {
	materials []*manufacturingv1.ShippedMaterial
	problem   string
}

// goods are what pickings moved, by item, lot and unit.
func (p *pass) goods(ctx context.Context, pickings map[int64]bool) (map[int64]moved, error) {
	lines, err := p.related(ctx, "stock.move.line", "picking_id", maps.Clone(pickings), "picking_id", "product_id", "lot_id", "quantity", "product_uom_id")
	if err != nil {
		return nil, err
	}
	products := map[int64]bool{}
	for _, l := range lines {
		products[l.ref("product_id")] = true
	}
	items, err := p.related(ctx, "product.product", "id", products, "default_code", "tracking")
	if err != nil {
		return nil, err
	}
	all := map[int64]moved{}
	for _, id := range slices.Sorted(maps.Keys(lines)) {
		l := lines[id]
		at := l.ref("picking_id")
		m := all[at]
		if n := l.number("quantity"); n == nil || n.Sign() <= 0 {
			continue
		}
		item := items[l.ref("product_id")]
		quantity, err := p.quantity(ctx, l, "quantity", "product_uom_id")
		if err != nil {
			return nil, err
		}
		if item.text("default_code") == "" || quantity == nil {
			m.problem = "product " + l.label("product_id") + " has no internal reference, or its unit no code: give it one; it is"
			all[at] = m
			continue
		}
		material := &manufacturingv1.ShippedMaterial{ItemId: item.text("default_code"), Quantity: quantity}
		switch item.text("tracking") {
		case "serial":
			material.SerialIds = []string{l.label("lot_id")}
		case "lot":
			material.LotId = l.label("lot_id")
		}
		m.materials = append(m.materials, material)
		all[at] = m
	}
	return all, nil
}
