package capture

import (
	"context"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

var demands = kind{
	name: "demand", model: "sale.order", build: buildDemands, parts: []part{{model: "sale.order.line", parent: "order_id"}},
	fields: []string{"name", "x_mesh_demand", "state", "partner_id", "client_order_ref", "commitment_date", "warehouse_id", "order_line"},
	end: func(last proto.Message) proto.Message {
		m := proto.Clone(last)
		if demand, ok := m.(*manufacturingv1.DemandReceived); ok {
			demand.State = manufacturingv1.DemandState_DEMAND_STATE_CANCELLED
		}
		return m
	},
}

// buildDemands tells of confirmed sales orders, and of those that were cancelled after that.
func buildDemands(ctx context.Context, p *pass, rows []row) ([]thing, error) {
	lineIDs, partnerIDs, productIDs := map[int64]bool{}, map[int64]bool{}, map[int64]bool{}
	for _, r := range rows {
		partnerIDs[r.ref("partner_id")] = true
		for _, id := range r.refs("order_line") {
			lineIDs[id] = true
		}
	}
	lines, err := p.related(ctx, "sale.order.line", "id", lineIDs, "product_id", "product_uom_qty", "product_uom_id", "qty_delivered")
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		productIDs[l.ref("product_id")] = true
	}
	items, err := p.codesOf(ctx, "product.product", "default_code", productIDs)
	if err != nil {
		return nil, err
	}
	partners, err := p.related(ctx, "res.partner", "id", partnerIDs, "name", "ref", "x_mesh_customer")
	if err != nil {
		return nil, err
	}
	var things []thing
	for _, r := range rows {
		if r.text("state") != "sale" && r.text("state") != "cancel" {
			continue // a quotation
		}
		t, err := p.demand(ctx, r, partners[r.ref("partner_id")], lines, items)
		if err != nil {
			return nil, err
		}
		things = append(things, t)
	}
	return things, nil
}

func (p *pass) demand(ctx context.Context, r, customer row, lines map[int64]row, items map[int64]string) (thing, error) {
	t := p.thing(r)
	demand := &manufacturingv1.DemandReceived{
		DemandId: r.text("x_mesh_demand"), CustomerId: partnerID(customer, "customer"), State: manufacturingv1.DemandState_DEMAND_STATE_OPEN,
		DueTime: r.time("commitment_date"), CustomerReference: r.text("client_order_ref"),
	}
	if demand.DemandId == "" {
		demand.DemandId = r.text("name")
	}
	if demand.CustomerId == "" {
		t.leftOut = "customer " + customer.text("name") + " of order " + r.text("name") + " has no reference: give it one"
		return t, nil
	}
	var err error
	if demand.SiteId, err = p.siteOf(ctx, r.ref("warehouse_id")); err != nil {
		return t, err
	}
	ids, delivered := r.refs("order_line"), true
	slices.Sort(ids)
	for _, id := range ids {
		l := lines[id]
		item := items[l.ref("product_id")]
		if l == nil || l.ref("product_id") == 0 {
			continue // a section or a note
		}
		t.join(l, p.uid)
		quantity, err := p.quantity(ctx, l, "product_uom_qty", "product_uom_id")
		if err != nil {
			return t, err
		}
		if item == "" || quantity == nil {
			t.leftOut = "product " + l.label("product_id") + " of order " + r.text("name") + " has no internal reference, or its unit no code: give it one"
			return t, nil
		}
		ordered, done := l.number("product_uom_qty"), l.number("qty_delivered")
		delivered = delivered && ordered != nil && done != nil && done.Cmp(ordered) >= 0
		demand.Lines = append(demand.Lines, &manufacturingv1.DemandLine{LineId: strconv.FormatInt(id, 10), ItemId: item, Quantity: quantity})
	}
	switch {
	case r.text("state") == "cancel":
		demand.State = manufacturingv1.DemandState_DEMAND_STATE_CANCELLED
	case delivered && len(demand.Lines) > 0:
		demand.State = manufacturingv1.DemandState_DEMAND_STATE_FULFILLED
	}
	t.payload = demand
	return t, nil
}
