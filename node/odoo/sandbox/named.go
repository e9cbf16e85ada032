package sandbox

import (
	"cmp"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// What an event names, found or made. Each follows the function of the same name in the Python under action/.

func (x *applier) unit(q *odoo.Quantity) (*row, error) {
	if q.Name != "" {
		found := x.find("uom.uom", "name", q.Name, "active", true)
		if len(found) != 1 {
			return nil, refuse("unit %q is mapped to %s, which is not in Odoo, or several times: correct odoo.units.", q.Unit, q.Name)
		}
		return found[0], nil
	}
	if q.UoM == "" {
		if u := x.one("uom.uom", "x_mesh_code", q.Unit); u != nil {
			return u, nil
		}
		return nil, refuse("unit %q has no counterpart in Odoo: correct it at the source, publish what it is (UnitChanged), or set it as Mesh: code of a unit in Odoo.", q.Unit)
	}
	u := x.get("uom.uom", x.reference(q.UoM))
	if u == nil {
		return nil, valueError("External ID not found in the system: %s", q.UoM)
	}
	return u, nil
}

// root is the unit that all of a dimension are made of.
func (x *tx) root(u *row) int64 {
	for u.ref("relative_uom_id") != 0 {
		u = x.get("uom.uom", u.ref("relative_uom_id"))
	}
	return u.id
}

// amount is a quantity in the unit `to`, or in its own if that is nil, rounded.
func (x *applier) amount(q *odoo.Quantity, to *row) (*apd.Decimal, error) {
	own, err := x.unit(q)
	if err != nil {
		return nil, err
	}
	value, _, err := apd.NewFromString(q.Value)
	if err != nil {
		return nil, valueError("could not convert string to float: '%s'", q.Value)
	}
	if to == nil || to == own {
		return round(value), nil
	}
	if x.root(own) != x.root(to) {
		return nil, refuse("A quantity in %s (%s) cannot be converted to %s: correct the unit of the item in Odoo, or of the event at its source.",
			own.str("name"), q.Unit, to.str("name"))
	}
	return convert(value, own, to), nil
}

func convert(value *apd.Decimal, own, to *row) *apd.Decimal {
	if own == to {
		return value
	}
	return round(div(mul(value, own.num("factor")), to.num("factor")))
}

func (x *applier) warehouse(e odoo.Effect) (*row, error) {
	found := first(x.home, x.houses(e.Warehouse))
	if found == nil {
		return nil, refuse("Warehouse %s is not in Odoo: create it, or map site %s to another one.", cmp.Or(e.Warehouse, "(any)"), e.Site)
	}
	return found, nil
}

// below tells whether a location is in another, or is that one.
func (x *tx) below(location, parent int64) bool {
	return x.in("stock.location", "location_id", location, parent)
}

// in tells whether a record is in another of its model, by the field that names the one above, or is that one.
func (x *tx) in(model, field string, id, parent int64) bool {
	for id != 0 && id != parent {
		id = x.get(model, id).ref(field)
	}
	return id == parent
}

func (x *applier) location(e odoo.Effect, name string) (*row, error) {
	house, err := x.warehouse(e)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return x.get("stock.location", house.ref("lot_stock_id")), nil
	}
	var found []*row
	for _, l := range x.table("stock.location").rows {
		named := l.str("name") == name || l.str("barcode") == name || l.str("complete_name") == name
		if named && l.str("usage") == "internal" && x.below(l.id, house.ref("view_location_id")) {
			found = append(found, l)
		}
	}
	switch {
	case len(found) > 1:
		return nil, refuse("Location %s is ambiguous in warehouse %s: give one of them that barcode.", name, house.str("name"))
	case len(found) == 1:
		return found[0], nil
	case !x.may(odoo.CreateLocations):
		return nil, missing("Location", name, odoo.CreateLocations, "create it in warehouse "+house.str("name"))
	}
	return x.makeLocation(name, x.get("stock.location", house.ref("lot_stock_id"))), nil
}

func (x *applier) quarantine(e odoo.Effect) (*row, error) {
	house, err := x.warehouse(e)
	if err != nil {
		return nil, err
	}
	for _, l := range x.find("stock.location", "name", x.batch.Quarantine, "usage", "internal") {
		if x.below(l.id, house.ref("view_location_id")) {
			return l, nil
		}
	}
	return x.makeLocation(x.batch.Quarantine, x.get("stock.location", house.ref("view_location_id"))), nil
}

func (x *applier) item(name string, q *odoo.Quantity, lot, tracking string) (*row, error) {
	found := x.find("product.product", "default_code", name)
	if len(found) > 1 {
		return nil, refuse("Item %s is the reference of several products in Odoo: keep it on one of them.", name)
	}
	if len(found) == 0 {
		if !x.may(odoo.CreateItems) {
			return nil, missing("Item", name, odoo.CreateItems, "create a product with this internal reference")
		}
		uom := x.get("uom.uom", x.reference("uom.product_uom_unit"))
		if q != nil {
			var err error
			if uom, err = x.unit(q); err != nil {
				return nil, err
			}
		}
		found = append(found, x.makeProduct(map[string]any{
			"name": name, "default_code": name, "type": "consu", "is_storable": true, "uom_id": uom.id, "tracking": "none",
		}))
	}
	product := found[0]
	if lot != "" && product.str("tracking") == "none" {
		if !x.may(odoo.CreateItems) {
			return nil, refuse("Item %s is not tracked by %s in Odoo, but the event names %s: turn on that tracking for the product.", name, tracking, lot)
		}
		x.set("product.product", product, map[string]any{"tracking": tracking, "is_storable": true})
	}
	return product, nil
}

// makeProduct fills in what Odoo does, and makes the template.
func (x *call) makeProduct(values map[string]any) *row {
	defaults := map[string]any{"type": "consu", "tracking": "none", "uom_id": x.reference("uom.product_uom_unit")}
	for name, value := range defaults {
		if empty(values[name]) {
			values[name] = value
		}
	}
	template := x.insert("product.template", map[string]any{"name": values["name"], "default_code": values["default_code"]})
	values["product_tmpl_id"] = template.id
	return x.insert("product.product", values)
}

func (x *applier) lot(product *row, name string) (*row, error) {
	if found := x.one("stock.lot", "name", name, "product_id", product.id); found != nil {
		return found, nil
	}
	if !x.may(odoo.CreateLots) {
		return nil, missing("Lot", name, odoo.CreateLots, "create it for product "+product.str("name"))
	}
	return x.insert("stock.lot", map[string]any{"name": name, "product_id": product.id}), nil
}

func (x *applier) workCenter(name string) (*row, error) {
	if found := x.centerNamed(name); found != nil {
		return found, nil
	}
	if !x.may(odoo.CreateWorkCenters) {
		return nil, missing("Work center", name, odoo.CreateWorkCenters, "create one with this code")
	}
	return x.insert("mrp.workcenter", map[string]any{"name": name, "code": name, "company_id": x.home}), nil
}

func (x *applier) billOfMaterials(name string, product *row) (*row, error) {
	for _, b := range x.find("mrp.bom", "code", name, "product_tmpl_id", product.ref("product_tmpl_id")) {
		if id := b.ref("product_id"); id == 0 || id == product.id {
			return b, nil
		}
	}
	return nil, refuse("Bill of materials %s of item %s is not in Odoo: create it with this reference.", name, product.str("default_code"))
}
