package sandbox

import (
	"cmp"
	"fmt"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

func (x *applier) purchase(e odoo.Effect) (odoo.Result, error) {
	order := x.one("purchase.order", "x_mesh_purchase", e.Purchase)
	if e.State == "cancelled" {
		if order == nil {
			return odoo.Result{}, refuse("Purchase order %s is not in Odoo: skip the event.", e.Purchase)
		}
		x.set("purchase.order", order, map[string]any{"state": "cancel"})
		x.closeReceipts(order)
		return odoo.Result{Model: "purchase.order", ID: order.id}, nil
	}
	supplier, err := x.partner(e.PartnerID, "supplier")
	if err != nil {
		return odoo.Result{}, err
	}
	house, err := x.warehouse(e)
	if err != nil {
		return odoo.Result{}, err
	}
	switch {
	case order == nil:
		order = x.insert("purchase.order", map[string]any{
			"x_mesh_purchase": e.Purchase, "partner_id": supplier.id, "partner_ref": e.Reference, "state": "draft",
			"picking_type_id": x.pickingType(house, "incoming"), "company_id": house.ref("company_id"), "currency_id": x.get("res.company", house.ref("company_id")).ref("currency_id"),
		})
		x.set("purchase.order", order, map[string]any{"name": fmt.Sprintf("P%05d", order.id)})
	case order.str("state") == "cancel":
		return odoo.Result{}, refuse("Purchase order %s is cancelled in Odoo: create it anew, or cancel it at its source.", order.str("name"))
	case order.ref("partner_id") != supplier.id:
		return odoo.Result{}, refuse("Purchase order %s is of %s in Odoo, the event says %s: correct one of them.",
			order.str("name"), x.displayName("res.partner", order.ref("partner_id")), supplier.str("name"))
	}
	expected, err := x.orderLines(e, order)
	if err != nil {
		return odoo.Result{}, err
	}
	x.expectReceipt(e, order, expected)
	return odoo.Result{Model: "purchase.order", ID: order.id}, nil
}

// orderLines makes, changes and removes lines; it returns how much is expected in all.
func (x *applier) orderLines(e odoo.Effect, order *row) (*apd.Decimal, error) {
	expected, untaxed := new(apd.Decimal), new(apd.Decimal)
	var kept []int64
	for _, l := range e.OrderLines {
		product, err := x.item(l.Item, l.Quantity, "", "lot")
		if err != nil {
			return nil, err
		}
		quantity, err := x.amount(l.Quantity, nil)
		if err != nil {
			return nil, err
		}
		own, err := x.amount(l.Quantity, x.get("uom.uom", product.ref("uom_id")))
		if err != nil {
			return nil, err
		}
		unit, err := x.unit(l.Quantity)
		if err != nil {
			return nil, err
		}
		values := map[string]any{"order_id": order.id, "x_mesh_line": l.Line, "product_id": product.id, "product_qty": quantity, "product_uom_id": unit.id}
		if l.Due != "" {
			values["date_planned"] = l.Due
		}
		if l.Price != nil {
			price, err := number(l.Price.Amount)
			if err != nil {
				return nil, err
			}
			values["price_unit"], untaxed = price, add(untaxed, mul(price, quantity))
		}
		line := x.one("purchase.order.line", "order_id", order.id, "x_mesh_line", l.Line)
		if line == nil {
			line = x.insert("purchase.order.line", values)
		} else {
			x.set("purchase.order.line", line, values)
		}
		kept, expected = append(kept, line.id), add(expected, own)
	}
	for _, line := range x.find("purchase.order.line", "order_id", order.id) {
		if !contains(kept, line.id) {
			x.delete("purchase.order.line", line)
		}
	}
	x.set("purchase.order", order, map[string]any{"order_line": kept, "amount_untaxed": untaxed})
	return expected, nil
}

// expectReceipt confirms an order: what did not arrive yet is expected in an open receipt.
func (x *applier) expectReceipt(e odoo.Effect, order *row, expected *apd.Decimal) {
	for _, record := range x.find("stock.picking", "origin", order.str("name"), "state", "done") {
		for _, m := range x.find("stock.move", "picking_id", record.id) {
			expected = sub(expected, m.num("quantity"))
		}
	}
	x.closeReceipts(order)
	house, err := x.warehouse(e)
	if err == nil && positive(expected) {
		x.insert("stock.picking", map[string]any{
			"origin": order.str("name"), "state": "assigned", "location_id": x.one("stock.location", "usage", "supplier").id,
			"location_dest_id": house.ref("lot_stock_id"), "expected": expected,
		})
	}
	x.set("purchase.order", order, map[string]any{"state": "purchase"})
}

func (x *applier) closeReceipts(order *row) {
	for _, open := range x.find("stock.picking", "origin", order.str("name"), "state", "assigned") {
		x.set("stock.picking", open, map[string]any{"state": "cancel"})
	}
}

func (x *applier) goodsIn(e odoo.Effect) (odoo.Result, error) {
	note := ""
	var order, open *row
	if e.Purchase != "" {
		if order = x.one("purchase.order", "x_mesh_purchase", e.Purchase); order == nil || order.str("state") != "purchase" {
			return odoo.Result{}, refuse("Purchase order %s is not in Odoo, or not confirmed: publish it, or create and confirm it.", e.Purchase)
		}
		open, note = x.one("stock.picking", "origin", order.str("name"), "state", "assigned"), "beyond what was ordered"
	} else if _, err := x.partner(e.PartnerID, "supplier"); err != nil {
		return odoo.Result{}, err
	}
	all, err := x.pieces(e.Materials)
	if err != nil {
		return odoo.Result{}, err
	}
	target, err := x.location(e, e.Location)
	if err != nil {
		return odoo.Result{}, err
	}
	if order != nil {
		for _, p := range all {
			line := x.one("purchase.order.line", "order_id", order.id, "x_mesh_line", p.line)
			if p.line != "" && line != nil && line.ref("product_id") != p.product.id {
				return odoo.Result{}, refuse("Line %s of %s is of %s, the receipt says %s: correct it at its source.",
					p.line, order.str("name"), x.displayName("product.product", line.ref("product_id")), p.product.str("name"))
			}
		}
		x.deliver("purchase.order.line", "qty_received", order.ids("order_line"), all)
	}
	values := map[string]any{"x_mesh_receipt": e.Document}
	if open != nil {
		x.set("stock.picking", open, map[string]any{"location_dest_id": target.id})
		return odoo.Result{Model: "stock.picking", ID: x.fulfil(e, open, all, values).id}, nil
	}
	values["origin"] = cmp.Or(e.Purchase, e.Document)
	record := x.picking(all, x.one("stock.location", "usage", "supplier").id, target.id, values)
	return odoo.Result{Model: "stock.picking", ID: record.id, Note: note}, nil
}
