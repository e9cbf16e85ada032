package sandbox

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

func (x *applier) complete(e odoo.Effect) (odoo.Result, error) {
	name, tracking := e.Lot, "lot"
	if len(e.Serials) > 0 {
		name, tracking = e.Serials[0], "serial"
	}
	product, err := x.item(e.Item, e.Quantity, name, tracking)
	if err != nil {
		return odoo.Result{}, err
	}
	order, note, err := x.orderToComplete(e, product)
	if err != nil {
		return odoo.Result{}, err
	}
	quantity, err := x.amount(e.Quantity, x.get("uom.uom", order.ref("product_uom_id")))
	if err != nil {
		return odoo.Result{}, err
	}
	if !positive(quantity) {
		return odoo.Result{}, refuse("%s %s is less than Odoo's precision of quantities: raise the precision 'Product Unit' in Odoo.", e.Quantity.Value, e.Quantity.Unit)
	}
	lots, err := x.finishedLots(e, order, product)
	if err != nil {
		return odoo.Result{}, err
	}
	values := map[string]any{"lot_producing_ids": lots, "qty_producing": quantity}
	if e.Location != "" {
		target, err := x.location(e, e.Location)
		if err != nil {
			return odoo.Result{}, err
		}
		values["location_dest_id"] = target.id
	}
	x.set("mrp.production", order, values)
	if e.Partial && quantity.Cmp(order.num("product_qty")) < 0 {
		x.backorder(order, quantity)
	}
	x.markDone(order)
	if tracking != "serial" {
		if err := x.extendHolds(e, product, order); err != nil {
			return odoo.Result{}, err
		}
	}
	return odoo.Result{Model: "mrp.production", ID: order.id, Note: note}, nil
}

// orderToComplete is the open part of the order, or one that is made for goods beyond it.
func (x *applier) orderToComplete(e odoo.Effect, product *row) (*row, string, error) {
	orders := x.parts(e.Order)
	if len(orders) == 0 {
		if err := x.unknownOrder(e); err != nil {
			return nil, "", err
		}
	} else if made := orders[0].ref("product_id"); made != product.id {
		return nil, "", refuse("Order %s makes %s in Odoo, the event says %s: correct one of them.", e.Order, x.displayName("product.product", made), product.str("name"))
	}
	if order := openPart(orders); order != nil {
		return order, "", nil
	}
	quantity, err := x.amount(e.Quantity, nil)
	if err != nil {
		return nil, "", err
	}
	uom, err := x.unit(e.Quantity)
	if err != nil {
		return nil, "", err
	}
	note := ""
	if len(orders) > 0 {
		note = "beyond the ordered quantity"
	}
	order, err := x.createOrder(e, product, quantity, uom, nil)
	return order, note, err
}

func (x *applier) finishedLots(e odoo.Effect, order, product *row) ([]int64, error) {
	names := e.Serials
	switch product.str("tracking") {
	case "serial":
		if len(names) == 0 {
			return nil, refuse("Item %s is tracked by serial number in Odoo, and the event names none: correct it at its source.", e.Item)
		}
		quantity, err := x.amount(e.Quantity, x.get("uom.uom", product.ref("uom_id")))
		if err != nil {
			return nil, err
		}
		if quantity.Cmp(apd.New(int64(len(names)), 0)) != 0 {
			return nil, refuse("The event names %d serial numbers for %s %s of item %s: correct it at its source.", len(names), e.Quantity.Value, e.Quantity.Unit, e.Item)
		}
	case "lot":
		names = []string{e.Lot}
		if planned := order.ids("lot_producing_ids"); e.Lot == "" && len(planned) > 0 {
			names = []string{x.get("stock.lot", planned[0]).str("name")}
		}
		if names[0] == "" {
			return nil, refuse("Item %s is tracked by lot in Odoo, and the event names none: correct it at its source, or set the lot on order %s in Odoo.", e.Item, e.Order)
		}
	default:
		return nil, nil
	}
	var ids []int64
	for _, name := range names {
		lot, err := x.lot(product, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, lot.id)
	}
	return ids, nil
}

// backorder splits what is not produced now into a part of its own, and names both as Odoo does.
func (x *call) backorder(order *row, now *apd.Decimal) {
	sequence := max(order.ref("backorder_sequence"), 1)
	base := order.str("name")
	if order.ref("backorder_sequence") > 0 {
		base = base[:strings.LastIndexByte(base, '-')]
	}
	rest := map[string]any{}
	for name, value := range order.values {
		rest[name] = value
	}
	for _, name := range []string{"lot_producing_ids", "qty_producing", "qty_produced"} {
		delete(rest, name)
	}
	rest["name"], rest["backorder_sequence"] = fmt.Sprintf("%s-%03d", base, sequence+1), sequence+1
	rest["product_qty"], rest["state"] = sub(order.num("product_qty"), now), "confirmed"
	part := x.insert("mrp.production", rest)
	for _, work := range x.find("mrp.workorder", "production_id", order.id) {
		state := "ready"
		if work.num("qty_produced").Cmp(order.num("product_qty")) >= 0 {
			state = "cancel"
		}
		x.insert("mrp.workorder", map[string]any{
			"name": work.str("name"), "production_id": part.id, "workcenter_id": work.ref("workcenter_id"), "state": state,
		})
	}
	x.set("mrp.production", order, map[string]any{
		"name": fmt.Sprintf("%s-%03d", base, sequence), "backorder_sequence": sequence, "product_qty": now,
	})
}

// markDone posts what an order is producing: goods in, components out, work orders closed.
func (x *call) markDone(order *row) {
	quantity := order.num("qty_producing")
	production := x.one("stock.location", "name", "Production", "usage", "production")
	product := x.get("product.product", order.ref("product_id"))
	uom := x.get("uom.uom", order.ref("product_uom_id"))
	in := convert(quantity, uom, x.get("uom.uom", product.ref("uom_id")))
	lots := order.ids("lot_producing_ids")
	m := movement{product: product, from: production.id, to: order.ref("location_dest_id"), origin: order.str("name"), order: order.id}
	if product.str("tracking") == "serial" {
		for _, lot := range lots {
			m.lot, m.quantity = lot, apd.New(1, 0)
			x.move(m)
		}
	} else {
		if len(lots) > 0 {
			m.lot = lots[0]
		}
		m.quantity = in
		x.move(m)
	}
	x.unreserve(order.id, 0)
	reported := x.postConsumption(order)
	if b := x.get("mrp.bom", order.ref("bom_id")); b != nil {
		for _, id := range b.ids("bom_line_ids") {
			line := x.get("mrp.bom.line", id)
			if reported[line.ref("product_id")] {
				continue
			}
			used := div(mul(line.num("product_qty"), quantity), b.num("product_qty"))
			if own := x.get("uom.uom", line.ref("product_uom_id")); own != nil {
				used = convert(used, own, x.get("uom.uom", x.get("product.product", line.ref("product_id")).ref("uom_id")))
			}
			used = round(used)
			x.move(movement{
				product: x.get("product.product", line.ref("product_id")), quantity: used,
				from: order.ref("location_dest_id"), to: production.id, origin: order.str("name"), rawOrder: order.id,
			})
		}
	}
	for _, work := range x.find("mrp.workorder", "production_id", order.id) {
		if state := work.str("state"); state != "done" && state != "cancel" {
			x.set("mrp.workorder", work, map[string]any{"state": "done"})
		}
	}
	x.set("mrp.production", order, map[string]any{"state": "done", "qty_produced": quantity, "date_finished": x.now})
}

// buttonMarkDone is Odoo's button: it asks what to do with a rest, and does nothing until it is told.
func (x *call) buttonMarkDone(t *table, q *request) (any, error) {
	for _, id := range q.IDs {
		order := t.byID[id]
		if order == nil {
			return nil, missingError(t.name, id)
		}
		if closed(order) {
			continue
		}
		quantity := order.num("qty_producing")
		if quantity.IsZero() {
			x.set(t.name, order, map[string]any{"qty_producing": order.num("product_qty")})
		} else if quantity.Cmp(order.num("product_qty")) < 0 {
			return map[string]any{"type": "ir.actions.act_window", "res_model": "mrp.production.backorder", "name": "You produced less than the initial demand", "target": "new"}, nil
		}
		x.markDone(order)
	}
	return true, nil
}
