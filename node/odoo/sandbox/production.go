package sandbox

import (
	"fmt"
	"slices"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

func (x *applier) parts(name string) []*row {
	if found := of(x.home, x.find("mrp.production", "x_mesh_order", name)); len(found) > 0 {
		return found
	}
	return of(x.home, x.find("mrp.production", "name", name))
}

func closed(order *row) bool { return order.str("state") == "done" || order.str("state") == "cancel" }

func openPart(orders []*row) *row {
	for _, o := range slices.Backward(orders) {
		if !closed(o) {
			return o
		}
	}
	return nil
}

func lastDone(orders []*row) *row {
	for _, o := range slices.Backward(orders) {
		if o.str("state") == "done" {
			return o
		}
	}
	return nil
}

// createOrder makes a confirmed order.
func (x *applier) createOrder(e odoo.Effect, product *row, quantity *apd.Decimal, uom *row, values map[string]any) (*row, error) {
	house, err := x.warehouse(e)
	if err != nil {
		return nil, err
	}
	if !positive(quantity) {
		return nil, &fault{422, "odoo.exceptions.ValidationError", "The quantity to produce must be positive!"}
	}
	x.server.nextMO++
	all := map[string]any{
		"name": fmt.Sprintf("WH/MO/%05d", x.server.nextMO), "x_mesh_order": e.Order, "origin": e.Order, "state": "confirmed", "product_id": product.id,
		"product_qty": quantity, "product_uom_id": uom.id, "company_id": house.ref("company_id"), "location_dest_id": house.ref("lot_stock_id"),
		"group": int64(x.server.nextMO), "date_start": x.now, "create_date": x.now,
	}
	if b := x.one("mrp.bom", "product_tmpl_id", product.ref("product_tmpl_id")); b != nil {
		all["bom_id"] = b.id
	}
	for _, t := range x.table("stock.picking.type").rows {
		if t.ref("warehouse_id") == house.id {
			all["picking_type_id"] = t.id
		}
	}
	for name, value := range values {
		all[name] = value
	}
	return x.insert("mrp.production", all), nil
}

func (x *applier) unknownOrder(e odoo.Effect) error {
	if !x.may(odoo.CreateOrders) {
		return missing("Production order", e.Order, odoo.CreateOrders, "create and confirm it with this source document")
	}
	if e.Item == "" {
		return refuse("Production order %s is not in Odoo, and the event does not name what it makes: release the order at its source, "+
			"or create and confirm it in Odoo with this source document.", e.Order)
	}
	return nil
}

func (x *applier) release(e odoo.Effect) (odoo.Result, error) {
	product, err := x.item(e.Item, e.Quantity, e.Lot, "lot")
	if err != nil {
		return odoo.Result{}, err
	}
	uom, err := x.unit(e.Quantity)
	if err != nil {
		return odoo.Result{}, err
	}
	values := map[string]any{}
	if e.BillOfMaterials != "" {
		b, err := x.billOfMaterials(e.BillOfMaterials, product)
		if err != nil {
			return odoo.Result{}, err
		}
		values["bom_id"] = b.id
	}
	if e.Start != "" {
		values["date_start"] = e.Start
	}
	if e.End != "" {
		values["date_finished"] = e.End
	}
	orders, note := x.parts(e.Order), ""
	var order *row
	if len(orders) == 0 {
		quantity, err := x.amount(e.Quantity, nil)
		if err != nil {
			return odoo.Result{}, err
		}
		if order, err = x.createOrder(e, product, quantity, uom, values); err != nil {
			return odoo.Result{}, err
		}
	} else if order, note, err = x.revise(e, orders, product, values); err != nil {
		return odoo.Result{}, err
	}
	if order == nil {
		return odoo.Result{Model: "mrp.production", ID: orders[len(orders)-1].id, Note: note}, nil
	}
	if e.Lot != "" {
		lot, err := x.lot(product, e.Lot)
		if err != nil {
			return odoo.Result{}, err
		}
		x.set("mrp.production", order, map[string]any{"lot_producing_ids": []int64{lot.id}})
	}
	if e.WorkCenter != "" && x.one("mrp.workorder", "production_id", order.id) == nil {
		center, err := x.workCenter(e.WorkCenter)
		if err != nil {
			return odoo.Result{}, err
		}
		x.insert("mrp.workorder", map[string]any{"name": x.batch.WorkOrder, "production_id": order.id, "workcenter_id": center.id, "state": "ready"})
	}
	return odoo.Result{Model: "mrp.production", ID: order.id, Note: note}, nil
}

// revise: a release of a known order states its total anew.
func (x *applier) revise(e odoo.Effect, orders []*row, product *row, values map[string]any) (*row, string, error) {
	if made := orders[0].ref("product_id"); made != product.id {
		return nil, "", refuse("Order %s makes %s in Odoo, the event says %s: correct one of them.", e.Order, x.displayName("product.product", made), product.str("name"))
	}
	order := openPart(orders)
	if order == nil && lastDone(orders) == nil {
		return nil, "", refuse("Order %s is cancelled in Odoo: create it anew with this source document, or cancel it at its source.", e.Order)
	}
	uom := x.get("uom.uom", orders[0].ref("product_uom_id"))
	rest, err := x.amount(e.Quantity, uom)
	if err != nil {
		return nil, "", err
	}
	for _, o := range orders {
		if o.str("state") == "done" {
			rest = sub(rest, o.num("qty_produced"))
		}
	}
	switch {
	case !positive(rest):
		return order, "as much was produced already: nothing changed", nil
	case order == nil:
		delete(values, "bom_id")
		order, err = x.createOrder(e, product, rest, uom, values)
		return order, "continues an order that was done", err
	}
	values["product_qty"] = rest
	x.set("mrp.production", order, values)
	return order, "updated", nil
}

// workOrder is the order's for this operation at this work center.
func (x *applier) workOrder(e odoo.Effect, orders []*row) (work, order *row, err error) {
	center, err := x.workCenter(e.WorkCenter)
	if err != nil {
		return nil, nil, err
	}
	if order = openPart(orders); order == nil {
		order = lastDone(orders)
	}
	if order == nil {
		return nil, nil, refuse("Order %s is cancelled in Odoo: create it anew with this source document, or correct the event at its source.", e.Order)
	}
	if found := x.one("mrp.workorder", "production_id", order.id, "name", e.Operation, "workcenter_id", center.id); found != nil {
		return found, order, nil
	}
	for _, planned := range x.find("mrp.workorder", "production_id", order.id, "name", x.batch.WorkOrder, "workcenter_id", center.id, "state", "ready") {
		if x.one("mrp.workcenter.productivity", "workorder_id", planned.id) == nil {
			x.set("mrp.workorder", planned, map[string]any{"name": e.Operation})
			return planned, order, nil
		}
	}
	state := "ready"
	if order.str("state") == "done" {
		state = "done"
	}
	return x.insert("mrp.workorder", map[string]any{
		"name": e.Operation, "production_id": order.id, "workcenter_id": center.id, "state": state,
	}), order, nil
}

func (x *applier) report(e odoo.Effect) (odoo.Result, error) {
	orders := x.parts(e.Order)
	if len(orders) == 0 {
		order, err := x.orderOfReport(e)
		if err != nil {
			return odoo.Result{}, err
		}
		orders = append(orders, order)
	}
	work, order, err := x.workOrder(e, orders)
	if err != nil {
		return odoo.Result{}, err
	}
	entry, err := x.timeEntry(e, work, order)
	if err != nil {
		return odoo.Result{}, err
	}
	result := odoo.Result{Model: "mrp.workcenter.productivity", ID: entry.id}
	if closed(order) || work.str("state") == "done" {
		result.Note = "its work order was closed: only time and counts were added"
		return result, nil
	}
	values := map[string]any{"state": "progress"}
	if e.Completed != nil {
		quantity, err := x.amount(e.Completed, x.get("uom.uom", order.ref("product_uom_id")))
		if err != nil {
			return odoo.Result{}, err
		}
		values["qty_produced"] = add(work.num("qty_produced"), quantity)
	}
	x.set("mrp.workorder", work, values)
	x.set("mrp.production", order, map[string]any{"state": "progress"})
	return result, nil
}

// orderOfReport makes an order that its plant does not release.
func (x *applier) orderOfReport(e odoo.Effect) (*row, error) {
	if err := x.unknownOrder(e); err != nil {
		return nil, err
	}
	if e.OrderQuantity == nil {
		return nil, refuse("Production order %s is not in Odoo, and the event does not say how much it asks for: release the order at its source, "+
			"or create and confirm it in Odoo with this source document.", e.Order)
	}
	product, err := x.item(e.Item, e.OrderQuantity, "", "lot")
	if err != nil {
		return nil, err
	}
	uom, err := x.unit(e.OrderQuantity)
	if err != nil {
		return nil, err
	}
	quantity, err := x.amount(e.OrderQuantity, nil)
	if err != nil {
		return nil, err
	}
	return x.createOrder(e, product, quantity, uom, map[string]any{"date_start": e.Start})
}
