package sandbox

import (
	"slices"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// transit is the place between two warehouses.
func (x *applier) transit(e odoo.Effect) (int64, error) {
	here, err := x.warehouse(e)
	if err != nil {
		return 0, err
	}
	there, err := x.otherWarehouse(e)
	switch {
	case err != nil:
		return 0, err
	case there == here:
		return 0, refuse("Both sites of transfer %s are warehouse %s in Odoo: map them to different ones (odoo.sites).", e.Transfer, here.str("name"))
	case there.ref("company_id") != here.ref("company_id"):
		return 0, refuse("Warehouses %s and %s belong to different companies: book transfer %s between these by hand, as a sale and a purchase, and discard the event.",
			here.str("name"), there.str("name"), e.Transfer)
	}
	return x.one("stock.location", "usage", "transit").id, nil
}

// otherWarehouse is the one at the other end of a transfer, of whichever company.
func (x *applier) otherWarehouse(e odoo.Effect) (*row, error) {
	company, err := x.companyOf(e.OtherCompany, e.OtherWarehouse, e.Site)
	if err != nil {
		return nil, err
	}
	found := first(company, x.houses(e.OtherWarehouse))
	if found == nil {
		return nil, refuse("Warehouse %s is not in Odoo: create it, or map its site to another one.", e.OtherWarehouse)
	}
	return found, nil
}

func (x *applier) transferOut(e odoo.Effect) (odoo.Result, error) {
	between, err := x.transit(e)
	if err != nil {
		return odoo.Result{}, err
	}
	house, err := x.warehouse(e)
	if err != nil {
		return odoo.Result{}, err
	}
	source, err := x.location(e, e.Location)
	if err != nil {
		return odoo.Result{}, err
	}
	all, err := x.pieces(e.Materials)
	if err != nil {
		return odoo.Result{}, err
	}
	record := x.picking(all, source.id, between, map[string]any{"origin": e.Transfer, "x_mesh_transfer": e.Transfer, "picking_type_id": x.pickingType(house, "outgoing")})
	return odoo.Result{Model: "stock.picking", ID: record.id}, x.expectTransfer(e, between, record)
}

// expectTransfer has the other end wait for what left, in one open receipt.
func (x *applier) expectTransfer(e odoo.Effect, between int64, record *row) error {
	there, err := x.otherWarehouse(e)
	if err != nil {
		return err
	}
	var open *row
	for _, p := range x.find("stock.picking", "x_mesh_transfer", e.Transfer, "location_id", between) {
		if isOpen(p) {
			open = p
		}
	}
	if open == nil {
		open = x.insert("stock.picking", map[string]any{
			"state": "assigned", "origin": e.Transfer, "x_mesh_transfer": e.Transfer, "picking_type_id": x.pickingType(there, "incoming"),
			"location_id": between, "location_dest_id": there.ref("lot_stock_id"),
		})
		x.set("stock.picking", open, map[string]any{"name": pickingName(open)})
	}
	for _, sent := range x.find("stock.move", "picking_id", record.id) {
		m := x.plannedMove(open, x.get("product.product", sent.ref("product_id")))
		x.set("stock.move", m, map[string]any{"product_uom_qty": add(m.num("product_uom_qty"), sent.num("quantity"))})
		x.link(sent.id, m)
	}
	return nil
}

func isOpen(picking *row) bool {
	return picking.str("state") != "done" && picking.str("state") != "cancel"
}

// sentAs are the pickings by which a transfer leaves: the mesh's own, or what a person sent, which has the name of its first picking.
func (x *applier) sentAs(transfer string, between int64) []*row {
	if own := x.find("stock.picking", "x_mesh_transfer", transfer, "location_dest_id", between); len(own) > 0 {
		return own
	}
	return x.withRest(x.find("stock.picking", "name", transfer, "x_mesh_transfer", "", "location_dest_id", between))
}

// withRest adds the pickings in which the rest of others waits, or waited.
func (x *applier) withRest(all []*row) []*row {
	for i := 0; i < len(all); i++ {
		for _, p := range x.table("stock.picking").rows {
			if p.ref("backorder_id") == all[i].id && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

// expectedOf are the pickings in which a transfer arrives.
func (x *applier) expectedOf(transfer string, between int64, sent []*row) []*row {
	all := x.find("stock.picking", "x_mesh_transfer", transfer, "location_id", between)
	for _, p := range sent {
		for _, m := range x.find("stock.move", "picking_id", p.id) {
			for _, next := range m.ids("move_dest_ids") {
				if in := x.get("stock.picking", x.get("stock.move", next).ref("picking_id")); in != nil && in.ref("location_id") == between && !slices.Contains(all, in) {
					all = append(all, in)
				}
			}
		}
	}
	return x.withRest(all)
}

// underWay is how much of a product and lot left, and did not arrive.
func (x *applier) underWay(left, arrived []*row, p piece) *apd.Decimal {
	rest := new(apd.Decimal)
	sum := func(pickings []*row, total func(a, b *apd.Decimal) *apd.Decimal) {
		for _, picking := range pickings {
			for _, l := range x.find("stock.move.line", "picking_id", picking.id, "product_id", p.product.id, "lot_id", p.lotID()) {
				if picking.str("state") == "done" {
					rest = total(rest, l.num("quantity"))
				}
			}
		}
	}
	sum(left, add)
	sum(arrived, sub)
	return rest
}

func (x *applier) transferIn(e odoo.Effect) (odoo.Result, error) {
	between, err := x.transit(e)
	if err != nil {
		return odoo.Result{}, err
	}
	sent := x.sentAs(e.Transfer, between)
	left := slices.DeleteFunc(slices.Clone(sent), func(p *row) bool { return p.str("state") != "done" })
	if len(left) == 0 {
		return odoo.Result{}, refuse("Transfer %s has not left in Odoo yet: its dispatch has to be applied first, or validated there.", e.Transfer)
	}
	expected := x.expectedOf(e.Transfer, between, sent)
	all, err := x.pieces(e.Materials)
	if err != nil {
		return odoo.Result{}, err
	}
	if err := x.checkUnderWay(e, left, expected, all); err != nil {
		return odoo.Result{}, err
	}
	house, err := x.warehouse(e)
	if err != nil {
		return odoo.Result{}, err
	}
	target, err := x.location(e, e.Location)
	if err != nil {
		return odoo.Result{}, err
	}
	ready := slices.DeleteFunc(expected, func(p *row) bool { return !isOpen(p) })
	if len(ready) == 0 {
		record := x.picking(all, between, target.id, map[string]any{"origin": e.Transfer, "x_mesh_transfer": e.Transfer, "picking_type_id": x.pickingType(house, "incoming")})
		return odoo.Result{Model: "stock.picking", ID: record.id}, nil
	}
	if is := x.get("stock.warehouse", x.get("stock.picking.type", ready[0].ref("picking_type_id")).ref("warehouse_id")); is != house {
		return odoo.Result{}, refuse("Transfer %s is for warehouse %s in Odoo, the receipt is of %s: correct it at its source, or map its site to that warehouse.",
			e.Transfer, is.str("name"), house.str("name"))
	}
	toCome := e.Partial || slices.ContainsFunc(sent, isOpen)
	x.set("stock.picking", ready[0], map[string]any{"location_dest_id": target.id, "x_mesh_transfer": e.Transfer})
	for _, p := range all {
		x.addLine(x.plannedMove(ready[0], p.product), p.lotID(), p.quantity)
	}
	x.settle(ready[0], toCome)
	for _, other := range ready[1:] {
		if !toCome {
			x.set("stock.picking", other, map[string]any{"state": "cancel"})
		}
	}
	return odoo.Result{Model: "stock.picking", ID: ready[0].id}, nil
}

// checkUnderWay refuses a receipt of more than is under way, by item and lot.
func (x *applier) checkUnderWay(e odoo.Effect, left, expected []*row, all []piece) error {
	arrived := map[[2]int64]*apd.Decimal{}
	for _, p := range all {
		key := [2]int64{p.product.id, p.lotID()}
		said := p.quantity
		if before := arrived[key]; before != nil {
			said = add(before, said)
		}
		arrived[key] = said
		if rest := x.underWay(left, expected, p); said.Cmp(rest) > 0 {
			lot := ""
			if p.lot != nil {
				lot = " lot " + p.lot.str("name")
			}
			return refuse("Transfer %s has %s of %s%s under way, the receipt says %s: correct one of them at its source, or adjust the stock and discard the event.",
				e.Transfer, rest.Text('f'), p.product.str("name"), lot, said.Text('f'))
		}
	}
	return nil
}
