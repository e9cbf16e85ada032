package sandbox

import "github.com/cockroachdb/apd/v3"

// seed fills a new database as Odoo's own data files do: one company with one warehouse, units, categories of time.
func (x *tx) seed() {
	company := x.insert("res.company", map[string]any{"name": "My Company", "currency_id": x.insert("res.currency", map[string]any{"name": "USD"}).id})
	for code, name := range map[string]string{"AT": "Austria", "DE": "Germany", "US": "United States"} {
		x.insert("res.country", map[string]any{"code": code, "name": name})
	}
	x.external("base.group_user", "res.groups", x.insert("res.groups", map[string]any{"name": "Role / User"}))
	x.external("base.group_system", "res.groups", x.insert("res.groups", map[string]any{"name": "Role / Administrator"}))
	x.insert("res.users", map[string]any{"name": "OdooBot", "login": "__system__"})
	x.external("base.user_admin", "res.users", x.insert("res.users", map[string]any{
		"name": "Administrator", "login": "admin", "company_id": company.id, "company_ids": []int64{company.id},
	}))
	for _, u := range unitsOfMeasure {
		values := map[string]any{"name": u.label, "factor": mustDecimal(u.factor), "relative_factor": mustDecimal(u.factor), "rounding": apd.New(1, -precision)}
		if u.root != "" {
			values["relative_uom_id"], values["relative_factor"] = x.reference("uom."+u.root), mustDecimal(u.factor)
		}
		x.external("uom."+u.name, "uom.uom", x.insert("uom.uom", values))
	}
	for _, l := range []struct{ id, name, kind string }{
		{"mrp.block_reason0", "Material Availability", "availability"},
		{"mrp.block_reason1", "Equipment Failure", "availability"},
		{"mrp.block_reason2", "Setup and Adjustments", "availability"},
		{"mrp.block_reason4", "Reduced Speed", "performance"},
		{"mrp.block_reason5", "Process Defect", "quality"},
		{"mrp.block_reason7", "Fully Productive Time", "productive"},
	} {
		x.external(l.id, "mrp.workcenter.productivity.loss", x.insert("mrp.workcenter.productivity.loss", map[string]any{"name": l.name, "loss_type": l.kind}))
	}
	x.insert("stock.location", map[string]any{"name": "Production", "complete_name": "Production", "usage": "production"})
	x.insert("stock.location", map[string]any{"name": "Inventory adjustment", "complete_name": "Inventory adjustment", "usage": "inventory"})
	x.insert("stock.location", map[string]any{"name": "transit", "complete_name": "transit", "usage": "transit", "company_id": company.id})
	for _, usage := range []string{"customer", "supplier"} {
		x.insert("stock.location", map[string]any{"name": usage, "complete_name": usage, "usage": usage})
	}
	view := x.insert("stock.location", map[string]any{"name": "WH", "complete_name": "WH", "usage": "view", "company_id": company.id})
	stock := x.makeLocation("Stock", view)
	house := x.insert("stock.warehouse", map[string]any{"name": "My Company", "code": "WH", "view_location_id": view.id, "lot_stock_id": stock.id, "company_id": company.id})
	x.pickingTypes(house)
}

// pickingTypes are those of a warehouse that something asks for.
func (x *tx) pickingTypes(house *row) {
	for code, name := range map[string]string{"mrp_operation": "Manufacturing", "incoming": "Receipts", "outgoing": "Delivery Orders"} {
		x.insert("stock.picking.type", map[string]any{"name": name, "code": code, "warehouse_id": house.id})
	}
}

// pickingType is a warehouse's own.
func (x *tx) pickingType(house *row, code string) int64 {
	return x.one("stock.picking.type", "warehouse_id", house.id, "code", code).id
}

// unitsOfMeasure are Odoo's, each with its size in the root of its dimension; a root comes first.
var unitsOfMeasure = []struct{ name, label, factor, root string }{
	{"product_uom_unit", "Units", "1", ""},
	{"product_uom_dozen", "Dozens", "12", "product_uom_unit"},
	{"product_uom_hour", "Hours", "1", ""},
	{"product_uom_millimeter", "mm", "1", ""},
	{"product_uom_cm", "cm", "10", "product_uom_millimeter"},
	{"product_uom_meter", "m", "1000", "product_uom_millimeter"},
	{"product_uom_km", "km", "1000000", "product_uom_millimeter"},
	{"product_uom_inch", "in", "25.4", "product_uom_millimeter"},
	{"product_uom_foot", "ft", "304.8", "product_uom_millimeter"},
	{"product_uom_yard", "yd", "914.4", "product_uom_millimeter"},
	{"product_uom_mile", "mi", "1609344", "product_uom_millimeter"},
	{"product_uom_square_meter", "m²", "1", ""},
	{"product_uom_square_foot", "ft²", "0.092903", "product_uom_square_meter"},
	{"product_uom_milliliter", "ml", "1", ""},
	{"product_uom_litre", "L", "1000", "product_uom_milliliter"},
	{"product_uom_cubic_meter", "m³", "1000000", "product_uom_milliliter"},
	{"product_uom_floz", "fl oz (US)", "29.5735", "product_uom_milliliter"},
	{"product_uom_qt", "qt (US)", "946.352", "product_uom_milliliter"},
	{"product_uom_gal", "gal (US)", "3785.408", "product_uom_milliliter"},
	{"product_uom_cubic_inch", "in³", "16.3871", "product_uom_milliliter"},
	{"product_uom_cubic_foot", "ft³", "28316.9088", "product_uom_milliliter"},
	{"product_uom_gram", "g", "1", ""},
	{"product_uom_kgm", "kg", "1000", "product_uom_gram"},
	{"product_uom_ton", "Ton", "1000000", "product_uom_gram"},
	{"product_uom_oz", "oz", "28.3495", "product_uom_gram"},
	{"product_uom_lb", "lb", "453.592", "product_uom_gram"},
	{"product_uom_kwh", "KWH", "1", ""},
}

func (x *tx) external(id, model string, r *row) {
	module, name := cutExternal(id)
	x.insert("ir.model.data", map[string]any{"module": module, "name": name, "model": model, "res_id": r.id})
}

// reference finds a record by its external id; 0 if there is none.
func (x *tx) reference(id string) int64 {
	module, name := cutExternal(id)
	if r := x.one("ir.model.data", "name", name, "module", module); r != nil {
		return r.ref("res_id")
	}
	return 0
}

func cutExternal(id string) (module, name string) {
	for i := range id {
		if id[i] == '.' {
			return id[:i], id[i+1:]
		}
	}
	return "", id
}

func (x *tx) makeLocation(name string, parent *row) *row {
	return x.insert("stock.location", map[string]any{
		"name": name, "complete_name": parent.str("complete_name") + "/" + name, "usage": "internal",
		"location_id": parent.id, "company_id": parent.ref("company_id"),
	})
}

// mustDecimal reads a number that stands in this package.
func mustDecimal(s string) *apd.Decimal {
	d, _, err := apd.NewFromString(s)
	if err != nil {
		panic("sandbox: " + err.Error())
	}
	return d
}
