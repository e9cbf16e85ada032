package capture

import (
	"context"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/cockroachdb/apd/v3"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

var orders = kind{
	name: "production-orders", model: "mrp.production", build: buildOrders, worked: true, unheld: []string{"reason", "comment", "work_center_id"},
	fields: []string{
		"name", "x_mesh_order", "backorder_sequence", "state", "product_id", "product_qty", "product_uom_id", "bom_id", "lot_producing_ids", "date_start",
		"date_finished", "picking_type_id",
	},
	end: func(last proto.Message) proto.Message {
		released, ok := last.(*manufacturingv1.ProductionOrderReleased)
		if !ok {
			return last
		}
		return &manufacturingv1.ProductionOrderClosed{OrderId: released.GetOrderId(), Reason: manufacturingv1.CloseReason_CLOSE_REASON_CANCELLED, Comment: "deleted in Odoo, or moved to another plant"}
	},
}

// splitName is how Odoo numbers the parts of an order.
var splitName = regexp.MustCompile(`-\d{3,}$`)

// orderOf is the order that a record is, or is a part of.
func orderOf(r row) string {
	if order := r.text("x_mesh_order"); order != "" {
		return order
	}
	if n := r.number("backorder_sequence"); n != nil && n.Sign() > 0 {
		return splitName.ReplaceAllString(r.text("name"), "")
	}
	return r.text("name")
}

// buildOrders tells of whole orders: Odoo splits one when a part of it is done.
func buildOrders(ctx context.Context, p *pass, rows []row) ([]thing, error) {
	var named []string
	known := map[string]bool{}
	for _, r := range rows {
		if name := orderOf(r); !known[name] {
			known[name] = true
			named = append(named, name)
		}
	}
	has, err := p.columns(ctx, p.kind.model)
	if err != nil {
		return nil, err
	}
	parts := map[string][]row{}
	for _, name := range named {
		domain := []any{"|", []any{"name", "=", name}, []any{"name", "=like", escapeLike(name) + "-%"}}
		if has["x_mesh_order"] {
			domain = append([]any{"|", []any{"x_mesh_order", "=", name}}, domain...)
		}
		err := p.pages(ctx, p.kind.model, domain, p.kind.fields, func(rows []row) error {
			for _, r := range rows {
				if orderOf(r) == name {
					parts[name] = append(parts[name], r)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var things []thing
	items, err := p.codes(ctx, "product.product", "default_code", parts, "product_id")
	if err != nil {
		return nil, err
	}
	bills, err := p.codes(ctx, "mrp.bom", "code", parts, "bom_id")
	if err != nil {
		return nil, err
	}
	lots, err := p.lots(ctx, parts)
	if err != nil {
		return nil, err
	}
	for _, name := range named {
		if len(parts[name]) == 0 {
			continue // deleted meanwhile
		}
		t, err := p.order(ctx, name, parts[name], items, bills, lots)
		if err != nil {
			return nil, err
		}
		things = append(things, t)
	}
	return things, nil
}

func escapeLike(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

func (p *pass) order(ctx context.Context, name string, parts []row, items, bills, lots map[int64]string) (thing, error) {
	t := thing{key: name, byMesh: true}
	total, open, cancelled := new(apd.Decimal), row(nil), 0
	for _, r := range parts {
		t.records = append(t.records, r.id())
		t.join(r, p.uid)
		switch r.text("state") {
		case "cancel":
			cancelled++
			continue
		case "draft":
			continue
		case "done":
		default:
			if open == nil {
				open = r
			}
		}
		if n := r.number("product_qty"); n != nil {
			if _, err := apd.BaseContext.Add(total, total, n); err != nil {
				return t, err
			}
		}
	}
	var err error
	if t.target, err = p.siteOfType(ctx, parts[0].ref("picking_type_id")); err != nil {
		return t, err
	}
	if t.target == "" && (open != nil || cancelled == len(parts)) {
		t.leftOut = "the warehouse of operation type " + parts[0].label("picking_type_id") + " belongs to no site, or to several: name it under odoo.sites"
		return t, nil
	}
	if cancelled == len(parts) {
		t.payload = &manufacturingv1.ProductionOrderClosed{OrderId: name, Reason: manufacturingv1.CloseReason_CLOSE_REASON_CANCELLED}
		return t, nil
	}
	if open == nil {
		return t, nil // not released yet, or done: the plant knows
	}
	quantity, err := p.quantity(ctx, open, "product_qty", "product_uom_id")
	switch {
	case err != nil:
		return t, err
	case quantity == nil:
		t.leftOut = "unit " + open.label("product_uom_id") + " of order " + name + " has no code: set its Mesh: code"
		return t, nil
	case items[open.ref("product_id")] == "":
		t.leftOut = "product " + open.label("product_id") + " of order " + name + " has no internal reference: give it one"
		return t, nil
	}
	total.Reduce(total)
	quantity.Value = plain(total)
	released := &manufacturingv1.ProductionOrderReleased{
		OrderId: name, ItemId: items[open.ref("product_id")], Quantity: quantity, BillOfMaterialsId: bills[open.ref("bom_id")],
	}
	if ids := open.refs("lot_producing_ids"); len(ids) == 1 {
		released.LotId = lots[ids[0]]
	}
	released.PlannedStartTime, released.PlannedEndTime = open.time("date_start"), open.time("date_finished")
	if open.text("state") != "confirmed" || len(parts) > 1 { // started: its dates are what happens now, not the plan
		if err := p.keepPlan(released); err != nil {
			return t, err
		}
	}
	t.payload = released
	return t, nil
}

// keepPlan puts the plan that was told last in the place of what an order that runs has.
func (p *pass) keepPlan(now *manufacturingv1.ProductionOrderReleased) error {
	var s state
	found, err := p.load(p.prefix("told", p.kind.name)+now.GetOrderId(), &s)
	if err != nil || !found {
		return err
	}
	last, err := s.message()
	if before, ok := last.(*manufacturingv1.ProductionOrderReleased); ok {
		now.PlannedStartTime, now.PlannedEndTime, now.LotId = before.GetPlannedStartTime(), before.GetPlannedEndTime(), before.GetLotId()
	}
	return err
}

// codes are the names that the mesh has for related records.
func (p *pass) codes(ctx context.Context, model, field string, parts map[string][]row, relation string) (map[int64]string, error) {
	ids := map[int64]bool{}
	for _, all := range parts {
		for _, r := range all {
			ids[r.ref(relation)] = true
		}
	}
	return p.codesOf(ctx, model, field, ids)
}

func (p *pass) lots(ctx context.Context, parts map[string][]row) (map[int64]string, error) {
	ids := map[int64]bool{}
	for _, all := range parts {
		for _, r := range all {
			for _, id := range r.refs("lot_producing_ids") {
				ids[id] = true
			}
		}
	}
	return p.codesOf(ctx, "stock.lot", "name", ids)
}

func (p *pass) codesOf(ctx context.Context, model, field string, ids map[int64]bool) (map[int64]string, error) {
	rows, err := p.related(ctx, model, "id", ids, field)
	out := map[int64]string{}
	for id, r := range rows {
		out[id] = r.text(field)
	}
	return out, err
}
