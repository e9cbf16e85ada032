package sandbox

import (
	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// goods are what an effect is about, found or made.
type goods struct {
	product  *row
	lot      int64
	quantity *apd.Decimal // in the product's unit
	place    *row         // nil: the effect names none
}

// goods finds them. An item that is tracked needs a lot, unless any will do.
func (x *applier) goods(e odoo.Effect, anyLot bool) (g goods, err error) {
	if g.product, err = x.item(e.Item, e.Quantity, e.Lot, "lot"); err != nil {
		return goods{}, err
	}
	switch tracking := g.product.str("tracking"); {
	case e.Lot != "":
		lot, err := x.lot(g.product, e.Lot)
		if err != nil {
			return goods{}, err
		}
		g.lot = lot.id
	case tracking != "none" && !anyLot:
		return goods{}, refuse("Item %s is tracked by %s in Odoo, and the event names none: correct it at its source.", e.Item, tracking)
	}
	if e.Location != "" {
		if g.place, err = x.location(e, e.Location); err != nil {
			return goods{}, err
		}
	}
	g.quantity, err = x.amount(e.Quantity, x.get("uom.uom", g.product.ref("uom_id")))
	return g, err
}

// from is where the goods come from: the place that the effect names, or another one.
func (g goods) from(other int64) int64 {
	if g.place != nil {
		return g.place.id
	}
	return other
}

func (x *applier) consume(e odoo.Effect) (odoo.Result, error) {
	orders := x.parts(e.Order)
	if len(orders) == 0 {
		return odoo.Result{}, refuse("Production order %s is not in Odoo: release it at its source, or create and confirm it in Odoo with this source document.", e.Order)
	}
	g, err := x.goods(e, false)
	if err != nil {
		return odoo.Result{}, err
	}
	if !positive(g.quantity) {
		return odoo.Result{}, refuse("%s %s is less than Odoo's precision of quantities: raise the precision 'Product Unit' in Odoo.", e.Quantity.Value, e.Quantity.Unit)
	}
	production := x.one("stock.location", "name", "Production", "usage", "production").id
	if order := openPart(orders); order != nil {
		x.unreserve(order.id, g.product.id)
		used := x.withLine(x.insert("stock.move", map[string]any{
			"product_id": g.product.id, "lot_id": g.lot, "product_uom": g.product.ref("uom_id"), "quantity": g.quantity, "picked": true, "state": "confirmed",
			"location_id": g.from(order.ref("location_dest_id")), "location_dest_id": production, "origin": order.str("name"), "raw_material_production_id": order.id,
		}))
		return odoo.Result{Model: "stock.move", ID: used.id}, nil
	}
	order := lastDone(orders)
	if order == nil {
		return odoo.Result{}, refuse("Order %s is cancelled in Odoo: create it anew with this source document, or correct the event at its source.", e.Order)
	}
	done := x.move(movement{
		product: g.product, lot: g.lot, quantity: g.quantity, from: g.from(order.ref("location_dest_id")), to: production,
		origin: order.str("name"), rawOrder: order.id,
	})
	return odoo.Result{Model: "stock.move", ID: done.id, Note: "the order was done already"}, nil
}

// postConsumption takes out of stock what was reported for an order, and returns of which products that was.
func (x *call) postConsumption(order *row) map[int64]bool {
	reported := map[int64]bool{}
	for _, used := range x.find("stock.move", "raw_material_production_id", order.id, "state", "confirmed", "picked", true) {
		x.put(used.ref("product_id"), used.ref("lot_id"), used.ref("location_id"), sub(new(apd.Decimal), used.num("quantity")))
		x.put(used.ref("product_id"), used.ref("lot_id"), used.ref("location_dest_id"), used.num("quantity"))
		x.set("stock.move", used, map[string]any{"state": "done"})
		reported[used.ref("product_id")] = true
	}
	return reported
}

func (x *applier) reserve(e odoo.Effect) (odoo.Result, error) {
	g, err := x.goods(e, true)
	if err != nil {
		return odoo.Result{}, err
	}
	if e.Order == "" {
		return odoo.Result{}, refuse("No open delivery of item %s for demand %s is in Odoo: confirm its sales order.", e.Item, e.Demand)
	}
	order := openPart(x.parts(e.Order))
	if order == nil {
		return odoo.Result{}, refuse("Production order %s is not open in Odoo: release it at its source, or create and confirm it in Odoo with this source document.", e.Order)
	}
	source := g.from(order.ref("location_dest_id"))
	x.unreserve(order.id, g.product.id)
	free, held := new(apd.Decimal), []*row{}
	for _, q := range x.table("stock.quant").rows {
		if q.ref("product_id") == g.product.id && (g.lot == 0 || q.ref("lot_id") == g.lot) && x.below(q.ref("location_id"), source) {
			free, held = add(free, sub(q.num("quantity"), q.num("reserved_quantity"))), append(held, q)
		}
	}
	if free.Cmp(g.quantity) < 0 {
		return odoo.Result{}, refuse("Only %s of %s %s is free in %s: correct the stock in Odoo, or the reservation at its source.",
			free.Text('f'), g.quantity.Text('f'), g.product.str("name"), x.get("stock.location", source).str("complete_name"))
	}
	var first *row
	for left := g.quantity; first == nil || positive(left); {
		take := left
		var quant *row
		for _, q := range held {
			if rest := sub(q.num("quantity"), q.num("reserved_quantity")); positive(rest) && positive(left) {
				quant, take = q, least(left, rest)
				break
			}
		}
		values := map[string]any{"product_id": g.product.id, "quantity": take, "state": "assigned", "location_id": source, "raw_material_production_id": order.id}
		if quant != nil {
			x.set("stock.quant", quant, map[string]any{"reserved_quantity": add(quant.num("reserved_quantity"), take)})
			values["lot_id"], values["location_id"] = quant.ref("lot_id"), quant.ref("location_id")
		}
		if kept := x.insert("stock.move", values); first == nil {
			first = kept
		}
		left = sub(left, take)
	}
	return odoo.Result{Model: "stock.move", ID: first.id}, nil
}

// unreserve frees what is reserved of a product for an order; of product 0, everything.
func (x *call) unreserve(order, product int64) {
	for _, kept := range x.find("stock.move", "raw_material_production_id", order, "state", "assigned") {
		if product != 0 && kept.ref("product_id") != product {
			continue
		}
		if q := x.one("stock.quant", "product_id", kept.ref("product_id"), "lot_id", kept.ref("lot_id"), "location_id", kept.ref("location_id")); q != nil {
			x.set("stock.quant", q, map[string]any{"reserved_quantity": sub(q.num("reserved_quantity"), kept.num("quantity"))})
		}
		x.delete("stock.move", kept)
	}
}

func (x *applier) close(e odoo.Effect) (odoo.Result, error) {
	orders := x.parts(e.Order)
	if len(orders) == 0 {
		return odoo.Result{}, refuse("Production order %s is not in Odoo: release it at its source, or skip the event.", e.Order)
	}
	result := odoo.Result{Model: "mrp.production", ID: orders[len(orders)-1].id, Note: "it was closed already"}
	for _, order := range orders {
		if closed(order) {
			continue
		}
		x.unreserve(order.id, 0)
		x.postConsumption(order)
		for _, work := range x.find("mrp.workorder", "production_id", order.id) {
			if work.str("state") != "done" {
				x.set("mrp.workorder", work, map[string]any{"state": "cancel"})
			}
		}
		x.set("mrp.production", order, map[string]any{"state": "cancel"})
		result.ID, result.Note = order.id, e.Comment
	}
	return result, nil
}
