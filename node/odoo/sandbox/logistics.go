package sandbox

import (
	"cmp"
	"fmt"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// piece is what a line of an event moves of one lot.
type piece struct {
	product  *row
	lot      *row // nil: none
	quantity *apd.Decimal
	line     string
}

func (p piece) lotID() int64 {
	if p.lot == nil {
		return 0
	}
	return p.lot.id
}

func (x *applier) pieces(materials []odoo.Material) (all []piece, err error) {
	for _, m := range materials {
		first, tracking := m.Lot, "lot"
		if len(m.Serials) > 0 {
			first, tracking = m.Serials[0], "serial"
		}
		product, err := x.item(m.Item, m.Quantity, first, tracking)
		if err != nil {
			return nil, err
		}
		quantity, err := x.amount(m.Quantity, x.get("uom.uom", product.ref("uom_id")))
		switch {
		case err != nil:
			return nil, err
		case !positive(quantity):
			return nil, refuse("%s %s is less than Odoo's precision of quantities: raise the precision 'Product Unit' in Odoo.", m.Quantity.Value, m.Quantity.Unit)
		case product.str("tracking") != "none" && first == "":
			return nil, refuse("Item %s is tracked by %s in Odoo, and the event names none: correct it at its source.", m.Item, product.str("tracking"))
		case first == "":
			all = append(all, piece{product: product, quantity: quantity, line: m.Line})
			continue
		case len(m.Serials) > 0 && quantity.Cmp(apd.New(int64(len(m.Serials)), 0)) != 0:
			return nil, refuse("The event names %d serial numbers for %s %s of item %s: correct it at its source.", len(m.Serials), m.Quantity.Value, m.Quantity.Unit, m.Item)
		case len(m.Serials) > 0:
			quantity = apd.New(1, 0)
		}
		names := m.Serials
		if len(names) == 0 {
			names = []string{m.Lot}
		}
		for _, name := range names {
			lot, err := x.lot(product, name)
			if err != nil {
				return nil, err
			}
			all = append(all, piece{product: product, lot: lot, quantity: quantity, line: m.Line})
		}
	}
	return all, nil
}

// picking moves pieces at once, in a picking of their own.
func (x *applier) picking(all []piece, from, to int64, values map[string]any) *row {
	values["state"], values["date_done"], values["location_id"], values["location_dest_id"] = "done", x.now, from, to
	record := x.insert("stock.picking", values)
	x.set("stock.picking", record, map[string]any{"name": pickingName(record)})
	for _, p := range all {
		x.move(movement{product: p.product, lot: p.lotID(), quantity: p.quantity, from: from, to: to, origin: record.str("origin"), picking: record.id})
	}
	return record
}

func (x *applier) partner(id, role string) (*row, error) {
	if found := x.one("res.partner", "x_mesh_"+role, id); found != nil {
		return found, nil
	}
	if found := x.one("res.partner", "ref", id); found != nil && id != "" {
		return found, nil
	}
	return nil, refuse("%s %s is not in Odoo: publish it as master data, or create it with this reference.", map[string]string{"customer": "Customer", "supplier": "Supplier"}[role], id)
}

// fulfil moves pieces through an open picking. What is missing waits in another one, if more is to come.
func (x *applier) fulfil(e odoo.Effect, open *row, all []piece, values map[string]any) *row {
	left := open.num("expected")
	for _, p := range all {
		left = sub(left, p.quantity)
		x.move(movement{
			product: p.product, lot: p.lotID(), quantity: p.quantity, from: open.ref("location_id"), to: open.ref("location_dest_id"),
			origin: open.str("origin"), picking: open.id,
		})
	}
	values["state"] = "done"
	x.set("stock.picking", open, values)
	if e.Partial && positive(left) {
		x.restOf(open, map[string]any{"expected": left})
	}
	return open
}

func (x *applier) shipment(e odoo.Effect) (odoo.Result, error) {
	all, err := x.pieces(e.Materials)
	if err != nil {
		return odoo.Result{}, err
	}
	source, err := x.location(e, e.Location)
	if err != nil {
		return odoo.Result{}, err
	}
	customers, note := x.one("stock.location", "usage", "customer").id, ""
	if sale := x.saleOrder(e.Demand); sale != nil {
		if sale.str("state") == "draft" {
			x.confirmSale(sale, source.id, customers)
		}
		x.deliver("sale.order.line", "qty_delivered", sale.ids("order_line"), all)
		if open := x.one("stock.picking", "origin", sale.str("name"), "state", "assigned"); open != nil {
			record := x.fulfil(e, open, all, map[string]any{"x_mesh_shipment": e.Document})
			return odoo.Result{Model: "stock.picking", ID: record.id}, nil
		}
		note = "beyond what was ordered"
	}
	if _, err := x.partner(e.PartnerID, "customer"); err != nil {
		return odoo.Result{}, err
	}
	record := x.picking(all, source.id, customers, map[string]any{"origin": cmp.Or(e.Demand, e.Document), "x_mesh_shipment": e.Document})
	return odoo.Result{Model: "stock.picking", ID: record.id, Note: note}, nil
}

func (x *applier) saleOrder(demand string) *row {
	if demand == "" {
		return nil
	}
	for _, field := range []string{"x_mesh_demand", "name", "client_order_ref"} {
		for _, found := range x.find("sale.order", field, demand) {
			if found.str("state") != "cancel" {
				return found
			}
		}
	}
	return nil
}

// deliver counts pieces for the lines of an order, by line or else by item.
func (x *applier) deliver(model, field string, lines []int64, all []piece) {
	for _, p := range all {
		var line *row
		for _, id := range lines {
			if l := x.get(model, id); l.ref("product_id") == p.product.id && (line == nil || l.str("x_mesh_line") == p.line) {
				line = l
			}
		}
		if line != nil {
			x.set(model, line, map[string]any{field: add(line.num(field), p.quantity)})
		}
	}
}

func (x *applier) confirmSale(sale *row, from, to int64) {
	name := fmt.Sprintf("S%05d", sale.id)
	expected := new(apd.Decimal)
	for _, id := range sale.ids("order_line") {
		line := x.get("sale.order.line", id)
		expected = add(expected, line.num("product_uom_qty"))
		x.set("sale.order.line", line, map[string]any{"order_id": sale.id})
	}
	x.set("sale.order", sale, map[string]any{"name": name, "state": "sale"})
	x.insert("stock.picking", map[string]any{"origin": name, "state": "assigned", "location_id": from, "location_dest_id": to, "expected": expected})
}
