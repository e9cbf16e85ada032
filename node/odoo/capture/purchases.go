package capture

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

var purchases = kind{
	name: "purchase-orders", model: "purchase.order", build: buildPurchases, parts: []part{{model: "purchase.order.line", parent: "order_id"}}, worked: true,
	fields: []string{"name", "x_mesh_purchase", "state", "partner_id", "partner_ref", "picking_type_id", "currency_id", "order_line"},
	end: func(last proto.Message) proto.Message {
		m := proto.Clone(last)
		if order, ok := m.(*manufacturingv1.PurchaseOrderIssued); ok {
			order.State = manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_CANCELLED
		}
		return m
	},
}

// buildPurchases tells of confirmed purchase orders, and of those that were cancelled after that.
func buildPurchases(ctx context.Context, p *pass, rows []row) ([]thing, error) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r row) bool {
		return !slices.Contains([]string{"purchase", "done", "cancel"}, r.text("state")) // a request for quotation
	})
	lineIDs, partnerIDs, productIDs := map[int64]bool{}, map[int64]bool{}, map[int64]bool{}
	for _, r := range rows {
		partnerIDs[r.ref("partner_id")] = true
		for _, id := range r.refs("order_line") {
			lineIDs[id] = true
		}
	}
	lines, err := p.related(ctx, "purchase.order.line", "id", lineIDs,
		"product_id", "product_qty", "product_uom_id", "price_unit", "date_planned", "qty_received", "x_mesh_line")
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
	partners, err := p.related(ctx, "res.partner", "id", partnerIDs, "name", "ref", "x_mesh_supplier")
	if err != nil {
		return nil, err
	}
	var things []thing
	for _, r := range rows {
		t, err := p.purchase(ctx, r, partners[r.ref("partner_id")], lines, items)
		if err != nil {
			return nil, err
		}
		things = append(things, t)
	}
	return things, nil
}

func (p *pass) purchase(ctx context.Context, r, supplier row, lines map[int64]row, items map[int64]string) (thing, error) {
	t := p.thing(r)
	order := &manufacturingv1.PurchaseOrderIssued{
		PurchaseOrderId: cmp.Or(r.text("x_mesh_purchase"), r.text("name")), SupplierId: partnerID(supplier, "supplier"),
		State: manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_ISSUED, SupplierReference: r.text("partner_ref"),
	}
	if order.SupplierId == "" {
		t.leftOut = "supplier " + supplier.text("name") + " of order " + r.text("name") + " has no reference: give it one"
		return t, nil
	}
	var err error
	if order.SiteId, err = p.siteOfType(ctx, r.ref("picking_type_id")); err != nil {
		return t, err
	}
	if order.SiteId == "" {
		t.leftOut = "the warehouse of order " + r.text("name") + " belongs to no site, or to several: name it under odoo.sites"
		return t, nil
	}
	ids, received := r.refs("order_line"), true
	slices.Sort(ids)
	for _, id := range ids {
		l := lines[id]
		if l == nil || l.ref("product_id") == 0 {
			continue // a section or a note
		}
		t.join(l, p.uid)
		ordered, arrived := l.number("product_qty"), l.number("qty_received")
		if ordered == nil || ordered.Sign() <= 0 {
			continue // nothing of it is ordered any more
		}
		quantity, err := p.quantity(ctx, l, "product_qty", "product_uom_id")
		if err != nil {
			return t, err
		}
		if items[l.ref("product_id")] == "" || quantity == nil {
			t.leftOut = "product " + l.label("product_id") + " of order " + r.text("name") + " has no internal reference, or its unit no code: give it one"
			return t, nil
		}
		received = received && arrived != nil && arrived.Cmp(ordered) >= 0
		line := &manufacturingv1.PurchaseOrderLine{LineId: idIn(l, "x_mesh_line"), ItemId: items[l.ref("product_id")], Quantity: quantity, DueTime: l.time("date_planned")}
		if price := l.number("price_unit"); price != nil && !price.IsZero() {
			line.UnitPrice = &manufacturingv1.Money{Amount: plain(price), Currency: r.label("currency_id")}
		}
		order.Lines = append(order.Lines, line)
	}
	switch {
	case r.text("state") == "cancel":
		order.State = manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_CANCELLED
	case received && len(order.Lines) > 0:
		order.State = manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_RECEIVED
	}
	t.payload = order
	return t, nil
}
