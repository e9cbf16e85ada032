package sandbox

import (
	"cmp"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// held is what a hold is about.
type held struct {
	product *row
	lot     int64
	source  *row // where the goods belong
	target  *row // quarantine
}

func (x *applier) held(e odoo.Effect) (h held, err error) {
	if h.product, err = x.item(e.Item, e.Quantity, e.Lot, "lot"); err != nil {
		return held{}, err
	}
	if e.Lot != "" {
		lot, err := x.lot(h.product, e.Lot)
		if err != nil {
			return held{}, err
		}
		h.lot = lot.id
	}
	if h.source, err = x.location(e, e.Location); err != nil {
		return held{}, err
	}
	h.target, err = x.quarantine(e)
	return h, err
}

func (x *applier) hold(e odoo.Effect) (odoo.Result, error) {
	h, err := x.held(e)
	if err != nil {
		return odoo.Result{}, err
	}
	if x.one(odoo.ModelHold, "x_hold", e.Hold, "x_open", true) != nil {
		return odoo.Result{}, refuse("Hold %s is in place already: release it first, or give the new one an id of its own.", e.Hold)
	}
	quants := x.quants(h.product.id, h.lot, h.source.id)
	left := new(apd.Decimal)
	if e.Quantity != nil {
		if left, err = x.amount(e.Quantity, x.get("uom.uom", h.product.ref("uom_id"))); err != nil {
			return odoo.Result{}, err
		}
	} else {
		for _, q := range quants {
			if positive(q.num("quantity")) {
				left = add(left, q.num("quantity"))
			}
		}
	}
	total := left
	for _, q := range quants {
		if take := least(left, q.num("quantity")); positive(take) {
			x.move(movement{product: h.product, lot: h.lot, quantity: take, from: q.ref("location_id"), to: h.target.id, origin: "Hold " + e.Hold})
			left = sub(left, take)
		}
	}
	if positive(left) {
		x.move(movement{product: h.product, lot: h.lot, quantity: left, from: h.source.id, to: h.target.id, origin: "Hold " + e.Hold})
	}
	record := x.insert(odoo.ModelHold, map[string]any{
		"x_name": e.Hold, "x_hold": e.Hold, "x_item": e.Item, "x_lot": e.Lot, "x_site": e.Site, "x_quantity": total,
		"x_everything": e.Quantity == nil, "x_open": true, "x_reason": e.Reason,
	})
	return odoo.Result{Model: odoo.ModelHold, ID: record.id}, nil
}

// extendHolds: goods of a lot that is held as a whole go on into quarantine when they are made.
func (x *applier) extendHolds(e odoo.Effect, product, order *row) error {
	lots := order.ids("lot_producing_ids")
	if len(lots) == 0 {
		return nil
	}
	lot := x.get("stock.lot", lots[0])
	for _, hold := range x.table(odoo.ModelHold).rows {
		if !hold.is("x_open") || !hold.is("x_everything") || hold.str("x_item") != e.Item || hold.str("x_lot") != lot.str("name") || hold.str("x_site") != e.Site {
			continue
		}
		target, err := x.quarantine(e)
		if err != nil {
			return err
		}
		quantity := convert(order.num("qty_produced"), x.get("uom.uom", order.ref("product_uom_id")), x.get("uom.uom", product.ref("uom_id")))
		x.move(movement{product: product, lot: lot.id, quantity: quantity, from: order.ref("location_dest_id"), to: target.id, origin: "Hold " + hold.str("x_hold")})
		x.set(odoo.ModelHold, hold, map[string]any{"x_quantity": add(hold.num("x_quantity"), quantity)})
		return nil
	}
	return nil
}

func (x *applier) unhold(e odoo.Effect) (odoo.Result, error) {
	record := x.one(odoo.ModelHold, "x_hold", e.Hold, "x_open", true)
	if record == nil {
		return odoo.Result{}, refuse("Hold %s is not in place in Odoo: move the material back by hand, and skip the event.", e.Hold)
	}
	if record.str("x_item") != e.Item || record.str("x_lot") != e.Lot {
		return odoo.Result{}, refuse("Hold %s is of item %s lot %s, the release says item %s lot %s: correct it at its source.",
			e.Hold, record.str("x_item"), cmp.Or(record.str("x_lot"), "-"), e.Item, cmp.Or(e.Lot, "-"))
	}
	h, err := x.held(e)
	if err != nil {
		return odoo.Result{}, err
	}
	quantity := record.num("x_quantity")
	if e.Quantity != nil {
		if quantity, err = x.amount(e.Quantity, x.get("uom.uom", h.product.ref("uom_id"))); err != nil {
			return odoo.Result{}, err
		}
	}
	if quantity.Cmp(record.num("x_quantity")) > 0 {
		return odoo.Result{}, refuse("Hold %s holds %s, the release asks for %s.", e.Hold, record.num("x_quantity").Text('f'), quantity.Text('f'))
	}
	there := new(apd.Decimal)
	for _, q := range x.quants(h.product.id, h.lot, h.target.id) {
		there = add(there, q.num("quantity"))
	}
	if there.Cmp(quantity) < 0 {
		return odoo.Result{}, refuse("Location %s has %s of %s, hold %s should release %s: somebody moved it by hand. Move it back, or skip the event.",
			h.target.str("complete_name"), there.Text('f'), h.product.str("name"), e.Hold, quantity.Text('f'))
	}
	if positive(quantity) {
		x.move(movement{product: h.product, lot: h.lot, quantity: quantity, from: h.target.id, to: h.source.id, origin: "Release of hold " + e.Hold})
	}
	rest := sub(record.num("x_quantity"), quantity)
	x.set(odoo.ModelHold, record, map[string]any{"x_quantity": rest, "x_open": e.Quantity != nil && positive(rest)})
	return odoo.Result{Model: odoo.ModelHold, ID: record.id}, nil
}
