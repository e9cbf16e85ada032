package sandbox

import (
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// define makes the record of a model that has a value in a field, or changes it.
func (x *applier) define(model, field, value string, values map[string]any) *row {
	values[field] = value
	if found := x.one(model, field, value); found != nil {
		x.set(model, found, values)
		return found
	}
	return x.insert(model, values)
}

// money is an amount in the company's currency.
func (x *applier) money(e odoo.Effect, what string, m *odoo.Money) (*apd.Decimal, error) {
	house, err := x.warehouse(e)
	if err != nil {
		return nil, err
	}
	own := x.displayName("res.currency", x.get("res.company", house.ref("company_id")).ref("currency_id"))
	if m.Currency != own {
		return nil, refuse("The %s of %s is in %s, the company keeps its books in %s: correct it at its source.", what, e.Subject, m.Currency, own)
	}
	return number(m.Amount)
}

func number(s string) (*apd.Decimal, error) {
	d, _, err := apd.NewFromString(s)
	if err != nil {
		return nil, valueError("could not convert string to float: '%s'", s)
	}
	return d, nil
}

// sizeUnit works out how large a unit is that a person makes.
func (x *call) sizeUnit(values map[string]any) {
	values["factor"], values["rounding"] = apd.New(1, 0), apd.New(1, -precision)
	of, _ := values["relative_uom_id"].(int64)
	times, _ := values["relative_factor"].(*apd.Decimal)
	if reference := x.get("uom.uom", of); reference != nil && times != nil {
		values["factor"] = mul(times, reference.num("factor"))
	}
}

func (x *applier) defineUnit(e odoo.Effect) (odoo.Result, error) {
	values := map[string]any{"name": e.Name, "active": !e.Retired, "factor": apd.New(1, 0), "relative_factor": apd.New(1, 0), "rounding": apd.New(1, -precision)}
	if e.Quantity != nil {
		reference, err := x.unit(e.Quantity)
		if err != nil {
			return odoo.Result{}, err
		}
		factor, err := number(e.Quantity.Value)
		if err != nil {
			return odoo.Result{}, err
		}
		values["relative_uom_id"], values["relative_factor"], values["factor"] = reference.id, factor, mul(factor, reference.num("factor"))
	}
	return odoo.Result{Model: "uom.uom", ID: x.define("uom.uom", "x_mesh_code", e.Code, values).id}, nil
}

func (x *applier) defineItem(e odoo.Effect) (odoo.Result, error) {
	base, err := x.unit(e.Quantity)
	if err != nil {
		return odoo.Result{}, err
	}
	values := map[string]any{
		"name": e.Name, "default_code": e.Item, "type": "consu", "is_storable": e.ItemKind == "stocked", "tracking": "none", "uom_id": base.id,
		"barcode": e.Barcode, "purchase_ok": e.Purchased, "sale_ok": e.Sold, "active": !e.Retired,
	}
	switch e.ItemKind {
	case "service":
		values["type"] = "service"
	case "stocked":
		values["tracking"] = e.Tracking
	}
	for field, m := range map[string]*odoo.Money{"standard_price": e.Cost, "list_price": e.Price} {
		if m == nil {
			continue
		}
		if values[field], err = x.money(e, map[string]string{"standard_price": "cost", "list_price": "price"}[field], m); err != nil {
			return odoo.Result{}, err
		}
	}
	if e.Category != "" {
		parent := int64(0)
		for name := range strings.SplitSeq(e.Category, " / ") {
			found := x.one("product.category", "name", name, "parent_id", parent)
			if found == nil {
				found = x.insert("product.category", map[string]any{"name": name, "parent_id": parent})
			}
			parent = found.id
		}
		values["categ_id"] = parent
	}
	found := x.one("product.product", "default_code", e.Item)
	if found == nil {
		found = x.makeProduct(values)
	} else {
		x.set("product.product", found, values)
	}
	return odoo.Result{Model: "product.product", ID: found.id}, nil
}

func (x *applier) defineBill(e odoo.Effect) (odoo.Result, error) {
	product, err := x.item(e.Item, e.Quantity, "", "lot")
	if err != nil {
		return odoo.Result{}, err
	}
	quantity, err := x.amount(e.Quantity, nil)
	if err != nil {
		return odoo.Result{}, err
	}
	made, err := x.unit(e.Quantity)
	if err != nil {
		return odoo.Result{}, err
	}
	values := map[string]any{
		"type": "normal", "product_tmpl_id": product.ref("product_tmpl_id"), "product_qty": quantity, "product_uom_id": made.id, "active": !e.Retired,
	}
	if e.ForSite {
		house, err := x.warehouse(e)
		if err != nil {
			return odoo.Result{}, err
		}
		values["picking_type_id"] = x.pickingType(house, "mrp_operation")
	}
	bill := x.define("mrp.bom", "code", e.BillOfMaterials, values)
	var kept []int64
	for _, c := range e.Components {
		material, err := x.item(c.Item, c.Quantity, "", "lot")
		if err != nil {
			return odoo.Result{}, err
		}
		own, err := x.unit(c.Quantity)
		if err != nil {
			return odoo.Result{}, err
		}
		amount, err := x.amount(c.Quantity, nil)
		if err != nil {
			return odoo.Result{}, err
		}
		values := map[string]any{"bom_id": bill.id, "x_mesh_line": c.Line, "product_id": material.id, "product_qty": amount, "product_uom_id": own.id, "operation_id": int64(0)}
		if c.Operation != "" {
			operation := x.one("mrp.routing.workcenter", "bom_id", bill.id, "x_mesh_operation", c.Operation)
			if operation == nil {
				return odoo.Result{}, refuse("Operation %s of bill of materials %s is not in Odoo: publish its routing (RoutingChanged).", c.Operation, e.BillOfMaterials)
			}
			values["operation_id"] = operation.id
		}
		line := x.one("mrp.bom.line", "bom_id", bill.id, "x_mesh_line", c.Line)
		if line == nil {
			line = x.insert("mrp.bom.line", values)
		} else {
			x.set("mrp.bom.line", line, values)
		}
		kept = append(kept, line.id)
	}
	for _, line := range x.find("mrp.bom.line", "bom_id", bill.id) {
		if !contains(kept, line.id) {
			x.delete("mrp.bom.line", line)
		}
	}
	x.set("mrp.bom", bill, map[string]any{"bom_line_ids": kept})
	return odoo.Result{Model: "mrp.bom", ID: bill.id}, nil
}

func contains(ids []int64, id int64) bool {
	for _, other := range ids {
		if other == id {
			return true
		}
	}
	return false
}

func (x *applier) defineRouting(e odoo.Effect) (odoo.Result, error) {
	bill := x.one("mrp.bom", "code", e.BillOfMaterials)
	if bill == nil {
		return odoo.Result{}, refuse("Bill of materials %s is not in Odoo: publish it (BillOfMaterialsChanged), or create it with this reference.", e.BillOfMaterials)
	}
	var kept []int64
	for _, o := range e.Operations {
		center, err := x.workCenter(o.WorkCenter)
		if err != nil {
			return odoo.Result{}, err
		}
		values := map[string]any{"bom_id": bill.id, "x_mesh_operation": o.Operation, "name": o.Name, "workcenter_id": center.id, "sequence": int64(o.Sequence)}
		if o.Minutes != "" {
			if values["time_cycle_manual"], err = number(o.Minutes); err != nil {
				return odoo.Result{}, err
			}
		}
		step := x.one("mrp.routing.workcenter", "bom_id", bill.id, "x_mesh_operation", o.Operation)
		if step == nil {
			step = x.insert("mrp.routing.workcenter", values)
		} else {
			x.set("mrp.routing.workcenter", step, values)
		}
		kept = append(kept, step.id)
	}
	for _, step := range x.find("mrp.routing.workcenter", "bom_id", bill.id) {
		if !contains(kept, step.id) {
			x.delete("mrp.routing.workcenter", step)
		}
	}
	x.set("mrp.bom", bill, map[string]any{"x_mesh_routing": e.Routing})
	return odoo.Result{Model: "mrp.bom", ID: bill.id}, nil
}

func (x *applier) defineWorkCenter(e odoo.Effect) (odoo.Result, error) {
	values := map[string]any{"name": e.Name, "active": !e.Retired, "time_efficiency": apd.New(100, 0)}
	var err error
	if e.Efficiency != "" {
		if values["time_efficiency"], err = number(e.Efficiency); err != nil {
			return odoo.Result{}, err
		}
	}
	if e.Cost != nil {
		if values["costs_hour"], err = x.money(e, "cost", e.Cost); err != nil {
			return odoo.Result{}, err
		}
	}
	values["code"] = e.WorkCenter
	found := x.centerNamed(e.WorkCenter)
	if found == nil {
		values["company_id"] = x.home
		return odoo.Result{Model: "mrp.workcenter", ID: x.insert("mrp.workcenter", values).id}, nil
	}
	if code := found.str("code"); code != "" && code != e.WorkCenter { // by its name it is known here: both stay
		values["name"], values["code"] = found.str("name"), code
	}
	x.set("mrp.workcenter", found, values)
	return odoo.Result{Model: "mrp.workcenter", ID: found.id}, nil
}

func (x *applier) definePartner(e odoo.Effect) (odoo.Result, error) {
	values := map[string]any{
		"name": e.Name, "ref": e.Partner.ID, "is_company": true, "vat": e.TaxNumber, "email": e.Email, "phone": e.Phone, "street": e.Street,
		"zip": e.PostalCode, "city": e.City, "active": !e.Retired, "country_id": int64(0),
	}
	if e.Country != "" {
		country := x.one("res.country", "code", e.Country)
		if country == nil {
			return odoo.Result{}, refuse("Country %s is not in Odoo: correct it at its source.", e.Country)
		}
		values["country_id"] = country.id
	}
	if e.Currency != "" && e.Role == "supplier" {
		currency := x.one("res.currency", "name", e.Currency)
		if currency == nil {
			return odoo.Result{}, refuse("Currency %s is not active in Odoo: activate it, or correct it at its source.", e.Currency)
		}
		values["property_purchase_currency_id"] = currency.id
	}
	return odoo.Result{Model: "res.partner", ID: x.define("res.partner", "x_mesh_"+e.Role, e.Partner.ID, values).id}, nil
}
