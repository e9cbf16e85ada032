package sandbox

import (
	"fmt"
	"slices"

	"github.com/cockroachdb/apd/v3"
)

// Pickings that are planned: their moves say what is expected, lines of these what is moved.

func pickingName(picking *row) string { return fmt.Sprintf("WH/%05d", picking.id) }

// link has one move come behind another.
func (x *call) link(before int64, m *row) {
	if origin := x.get("stock.move", before); origin != nil {
		x.set("stock.move", origin, map[string]any{"move_dest_ids": append(slices.Clone(origin.ids("move_dest_ids")), m.id)})
	}
	if !contains(m.ids("move_orig_ids"), before) {
		x.set("stock.move", m, map[string]any{"move_orig_ids": append(slices.Clone(m.ids("move_orig_ids")), before)})
	}
}

// plannedMove is the open move of a product in a picking, made if it is not there.
func (x *call) plannedMove(picking, product *row) *row {
	for _, m := range x.find("stock.move", "picking_id", picking.id, "product_id", product.id) {
		if isOpen(m) {
			return m
		}
	}
	return x.insert("stock.move", map[string]any{
		"picking_id": picking.id, "product_id": product.id, "product_uom": product.ref("uom_id"), "product_uom_qty": new(apd.Decimal), "state": "assigned",
		"location_id": picking.ref("location_id"), "location_dest_id": picking.ref("location_dest_id"), "origin": picking.str("origin"),
	})
}

// addLine says what a move moves of one lot.
func (x *call) addLine(m *row, lot int64, quantity *apd.Decimal) {
	x.insert("stock.move.line", map[string]any{
		"move_id": m.id, "picking_id": m.ref("picking_id"), "product_id": m.ref("product_id"), "lot_id": lot, "quantity": quantity, "quantity_product_uom": quantity,
		"product_uom_id": m.ref("product_uom"), "location_id": m.ref("location_id"), "location_dest_id": m.ref("location_dest_id"),
	})
}

// settle moves what the lines of an open picking say. The rest waits in another one, if it is to come; otherwise it is cancelled.
func (x *call) settle(open *row, toCome bool) {
	var rest *row
	for _, m := range x.find("stock.move", "picking_id", open.id) {
		if !isOpen(m) {
			continue
		}
		moved := new(apd.Decimal)
		for _, l := range x.find("stock.move.line", "picking_id", open.id, "move_id", m.id) {
			moved = add(moved, l.num("quantity"))
			x.put(m.ref("product_id"), l.ref("lot_id"), open.ref("location_id"), sub(new(apd.Decimal), l.num("quantity")))
			x.put(m.ref("product_id"), l.ref("lot_id"), open.ref("location_dest_id"), l.num("quantity"))
			x.set("stock.move.line", l, map[string]any{"location_id": open.ref("location_id"), "location_dest_id": open.ref("location_dest_id")})
		}
		left := sub(m.num("product_uom_qty"), moved)
		if positive(left) && toCome {
			if rest == nil {
				rest = x.restOf(open, nil)
			}
			next := x.plannedMove(rest, x.get("product.product", m.ref("product_id")))
			x.set("stock.move", next, map[string]any{"product_uom_qty": add(next.num("product_uom_qty"), left)})
			for _, before := range m.ids("move_orig_ids") {
				x.link(before, next)
			}
		}
		state := "done"
		if !positive(moved) {
			state = "cancel"
		}
		x.set("stock.move", m, map[string]any{
			"state": state, "quantity": moved, "product_uom_qty": moved, "location_id": open.ref("location_id"), "location_dest_id": open.ref("location_dest_id"),
		})
	}
	x.set("stock.picking", open, map[string]any{"state": "done", "date_done": x.now})
}

// restOf waits for the rest of a picking.
func (x *call) restOf(open *row, values map[string]any) *row {
	all := map[string]any{"state": "assigned", "backorder_id": open.id}
	for _, name := range []string{"origin", "location_id", "location_dest_id", "picking_type_id"} {
		all[name] = open.values[name]
	}
	for name, v := range values {
		all[name] = v
	}
	rest := x.insert("stock.picking", all)
	x.set("stock.picking", rest, map[string]any{"name": pickingName(rest)})
	return rest
}

// reserve says of what is planned which lots it takes, if the product has some: the first that are there.
func (x *call) reserve(m *row, quantity *apd.Decimal) {
	for _, quant := range x.find("stock.quant", "product_id", m.ref("product_id"), "location_id", m.ref("location_id")) {
		if quant.ref("lot_id") == 0 || !positive(quantity) {
			continue
		}
		taken := quant.num("quantity")
		if taken.Cmp(quantity) > 0 {
			taken = quantity
		}
		x.addLine(m, quant.ref("lot_id"), taken)
		quantity = sub(quantity, taken)
	}
	if positive(quantity) {
		x.addLine(m, 0, quantity)
	}
}

// validatePicking is Odoo's button: it moves what is picked, and where nothing is, everything. It asks about the rest, unless the context says that
// it waits in a backorder or does not come.
func (x *call) validatePicking(t *table, q *request) (any, error) {
	var context struct {
		Skip bool    `json:"skip_backorder"`
		None []int64 `json:"picking_ids_not_to_backorder"`
	}
	_ = unmarshal(q.Context, &context) // what has other keys, or none, says nothing about it
	for _, id := range q.IDs {
		record := t.byID[id]
		if record == nil {
			return nil, missingError(t.name, id)
		}
		if !isOpen(record) {
			continue
		}
		moves := x.find("stock.move", "picking_id", id)
		picked, short := slices.ContainsFunc(moves, func(m *row) bool { return m.is("picked") }), false
		for _, m := range moves {
			quantity := m.num("product_uom_qty")
			if picked {
				quantity = m.num("quantity")
			}
			short = short || quantity.Cmp(m.num("product_uom_qty")) < 0
			if isOpen(m) && positive(quantity) && x.one("stock.move.line", "picking_id", id, "move_id", m.id) == nil {
				x.reserve(m, quantity)
			}
		}
		if short && !context.Skip {
			return map[string]any{"type": "ir.actions.act_window", "res_model": "stock.backorder.confirmation", "target": "new"}, nil
		}
		x.settle(record, !contains(context.None, id))
	}
	return true, nil
}
