package sandbox

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// movement is goods going from one location to another.
type movement struct {
	product                *row
	lot                    int64
	quantity               *apd.Decimal // in the product's unit
	from, to               int64
	origin                 string
	order, rawOrder, scrap int64
	picking                int64
}

// move posts goods at once; a location may be left with less than nothing.
func (x *call) move(m movement) *row {
	x.put(m.product.id, m.lot, m.from, sub(new(apd.Decimal), m.quantity))
	x.put(m.product.id, m.lot, m.to, m.quantity)
	return x.withLine(x.insert("stock.move", map[string]any{
		"product_id": m.product.id, "lot_id": m.lot, "product_uom": m.product.ref("uom_id"), "product_uom_qty": m.quantity, "quantity": m.quantity,
		"location_id": m.from, "location_dest_id": m.to, "origin": m.origin, "reference": m.origin, "state": "done",
		"production_id": m.order, "raw_material_production_id": m.rawOrder, "scrap_id": m.scrap, "picking_id": m.picking,
	}))
}

// withLine gives a move the one line that says what it moves; the sandbox has a move for each lot.
func (x *call) withLine(m *row) *row {
	line := map[string]any{"move_id": m.id, "quantity": m.num("quantity"), "quantity_product_uom": m.num("quantity"), "product_uom_id": m.ref("product_uom")}
	for _, name := range []string{"product_id", "lot_id", "picking_id", "location_id", "location_dest_id"} {
		line[name] = m.ref(name)
	}
	x.insert("stock.move.line", line)
	return m
}

// put changes what a location holds.
func (x *call) put(product, lot, location int64, by *apd.Decimal) {
	quant := x.one("stock.quant", "product_id", product, "lot_id", lot, "location_id", location)
	if quant == nil {
		x.insert("stock.quant", map[string]any{"product_id": product, "lot_id": lot, "location_id": location, "quantity": by})
		return
	}
	total := add(quant.num("quantity"), by)
	if total.IsZero() {
		x.delete("stock.quant", quant)
		return
	}
	x.set("stock.quant", quant, map[string]any{"quantity": total})
}

// quants are the holdings of a product and lot in a location and below.
func (x *call) quants(product, lot, location int64) []*row {
	var out []*row
	for _, q := range x.find("stock.quant", "product_id", product, "lot_id", lot) {
		if x.below(q.ref("location_id"), location) {
			out = append(out, q)
		}
	}
	return out
}

func (x *applier) scrap(e odoo.Effect) (odoo.Result, error) {
	product, err := x.item(e.Item, e.Quantity, e.Lot, "lot")
	if err != nil {
		return odoo.Result{}, err
	}
	quantity, err := x.amount(e.Quantity, x.get("uom.uom", product.ref("uom_id")))
	if err != nil {
		return odoo.Result{}, err
	}
	if !positive(quantity) {
		return odoo.Result{}, refuse("You can only enter positive quantities.")
	}
	house, err := x.warehouse(e)
	if err != nil {
		return odoo.Result{}, err
	}
	source, err := x.location(e, e.Location)
	if err != nil {
		return odoo.Result{}, err
	}
	values := map[string]any{
		"product_id": product.id, "scrap_qty": quantity, "product_uom_id": product.ref("uom_id"), "origin": e.Event, "state": "done",
		"location_id": source.id, "company_id": house.ref("company_id"),
	}
	if e.Order != "" {
		values["origin"] = e.Order
		if orders := x.parts(e.Order); len(orders) > 0 {
			order := openPart(orders)
			if order == nil {
				order = orders[len(orders)-1]
			}
			if order.ref("product_id") == product.id || x.takes(order, product) {
				values["production_id"] = order.id
			}
		}
	}
	var lot int64
	if e.Lot != "" {
		l, err := x.lot(product, e.Lot)
		if err != nil {
			return odoo.Result{}, err
		}
		lot = l.id
		values["lot_id"] = lot
	} else if product.str("tracking") != "none" {
		return odoo.Result{}, refuse("Item %s is tracked by %s in Odoo, and the event names none: correct it at its source.", e.Item, product.str("tracking"))
	}
	if e.Reason != "" {
		tag := x.one("stock.scrap.reason.tag", "name", e.Reason)
		if tag == nil {
			tag = x.insert("stock.scrap.reason.tag", map[string]any{"name": e.Reason})
		}
		values["scrap_reason_tag_ids"] = []int64{tag.id}
	}
	record := x.insert("stock.scrap", values)
	x.set("stock.scrap", record, map[string]any{"name": fmt.Sprintf("SP/%05d", record.id)})
	x.postScrap(record, product, lot, quantity)
	return odoo.Result{Model: "stock.scrap", ID: record.id}, nil
}

func (x *call) postScrap(record, product *row, lot int64, quantity *apd.Decimal) {
	loss := x.one("stock.location", "name", "Inventory adjustment", "usage", "inventory")
	m := movement{product: product, lot: lot, quantity: quantity, from: record.ref("location_id"), to: loss.id, origin: record.str("origin"), scrap: record.id}
	if order := x.get("mrp.production", record.ref("production_id")); order != nil && order.ref("product_id") == product.id {
		m.order = order.id
	} else if order != nil { // as Odoo does: what tells it from consumption is that it has a scrap
		m.rawOrder = order.id
	}
	x.move(m)
}

// takes tells whether an order has a product among its materials, by its bill or by what was reported.
func (x *applier) takes(order, product *row) bool {
	return x.one("stock.move", "raw_material_production_id", order.id, "product_id", product.id) != nil ||
		order.ref("bom_id") != 0 && x.one("mrp.bom.line", "bom_id", order.ref("bom_id"), "product_id", product.id) != nil
}

// actionValidate is Odoo's button: it warns where stock is short, and does nothing then.
func (x *call) actionValidate(t *table, q *request) (any, error) {
	for _, id := range q.IDs {
		record := t.byID[id]
		if record == nil {
			return nil, missingError(t.name, id)
		}
		product, lot, quantity := x.get("product.product", record.ref("product_id")), record.ref("lot_id"), record.num("scrap_qty")
		if record.ref("location_id") == 0 {
			x.set(t.name, record, map[string]any{"location_id": x.table("stock.warehouse").rows[0].ref("lot_stock_id")})
		}
		held := new(apd.Decimal)
		for _, quant := range x.quants(product.id, lot, record.ref("location_id")) {
			held = add(held, quant.num("quantity"))
		}
		if held.Cmp(quantity) < 0 {
			return map[string]any{"type": "ir.actions.act_window", "res_model": "stock.warn.insufficient.qty.scrap", "target": "new"}, nil
		}
		x.postScrap(record, product, lot, quantity)
		x.set(t.name, record, map[string]any{"state": "done"})
	}
	return true, nil
}
