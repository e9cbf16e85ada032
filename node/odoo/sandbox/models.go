package sandbox

import "strings"

// models are Odoo's own that the sandbox has, with the fields that plantmesh and the contract suite use. A field is
// `name kind`, where a kind with a dot is a many2one to that model and one in brackets a many2many.
var models = []struct{ name, label, fields string }{
	{"ir.model", "Models", "name char, model char, order char"},
	{"ir.model.fields", "Fields", "name char, model char, model_id ir.model, field_description char, ttype char, help char, index boolean, copied boolean, state char"},
	{"ir.model.access", "Model Access", "name char, model_id ir.model, group_id res.groups, perm_read boolean, perm_write boolean, perm_create boolean, perm_unlink boolean"},
	{"ir.model.data", "Model Data", "module char, name char, model char, res_id integer"},
	{"ir.actions.server", "Server Actions", "name char, model_id ir.model, state char, code char, group_ids [res.groups]"},
	{"res.groups", "Access Groups", "name char"},
	{"res.users", "User", "name char, login char, company_id res.company, company_ids [res.company]"},
	{"res.company", "Companies", "name char, currency_id res.currency"},
	{"res.currency", "Currency", "name char"},
	{"res.country", "Country", "name char, code char"},
	{"res.partner", "Contact", "name char, ref char, is_company boolean, vat char, email char, phone char, street char, zip char, city char, country_id res.country, property_purchase_currency_id res.currency, active boolean"},
	{"uom.uom", "Product Unit of Measure", "name char, factor float, rounding float, relative_uom_id uom.uom, relative_factor float, active boolean"},
	{"product.category", "Product Category", "name char, parent_id product.category"},
	{"product.template", "Product", "name char, default_code char"},
	{"product.product", "Product Variant", "name char, default_code char, type char, is_storable boolean, tracking char, uom_id uom.uom, product_tmpl_id product.template, categ_id product.category, barcode char, standard_price float, list_price float, purchase_ok boolean, sale_ok boolean, active boolean"},
	{"stock.warehouse", "Warehouse", "name char, code char, view_location_id stock.location, lot_stock_id stock.location, company_id res.company"},
	{"stock.location", "Inventory Locations", "active boolean, name char, complete_name char, usage char, barcode char, location_id stock.location, company_id res.company"},
	{"stock.picking.type", "Picking Type", "name char, code char, warehouse_id stock.warehouse"},
	{"stock.lot", "Lot/Serial", "name char, product_id product.product"},
	{"stock.quant", "Quants", "product_id product.product, lot_id stock.lot, location_id stock.location, quantity float, reserved_quantity float"},
	{"stock.move", "Stock Move", "product_id product.product, lot_id stock.lot, picking_id stock.picking, move_orig_ids [stock.move], move_dest_ids [stock.move], picked boolean, product_uom uom.uom, product_uom_qty float, quantity float, location_id stock.location, location_dest_id stock.location, origin char, reference char, state char, production_id mrp.production, raw_material_production_id mrp.production, scrap_id stock.scrap"},
	{"stock.move.line", "Product Moves", "move_id stock.move, product_id product.product, lot_id stock.lot, picking_id stock.picking, quantity float, quantity_product_uom float, product_uom_id uom.uom, location_id stock.location, location_dest_id stock.location"},
	{"stock.picking", "Transfer", "name char, state char, origin char, picking_type_id stock.picking.type, backorder_id stock.picking, date_done char, location_id stock.location, location_dest_id stock.location, expected float"},
	{"sale.order", "Sales Order", "name char, state char, client_order_ref char, partner_id res.partner, commitment_date char, warehouse_id stock.warehouse, order_line [sale.order.line]"},
	{"sale.order.line", "Sales Order Line", "order_id sale.order, product_id product.product, product_uom_qty float, product_uom_id uom.uom, qty_delivered float"},
	{"purchase.order", "Purchase Order", "name char, state char, partner_id res.partner, partner_ref char, picking_type_id stock.picking.type, currency_id res.currency, amount_untaxed float, order_line [purchase.order.line], company_id res.company"},
	{"purchase.order.line", "Purchase Order Line", "order_id purchase.order, product_id product.product, product_qty float, product_uom_id uom.uom, price_unit float, date_planned char, qty_received float"},
	{"stock.scrap", "Scrap", "name char, origin char, product_id product.product, scrap_qty float, product_uom_id uom.uom, lot_id stock.lot, location_id stock.location, production_id mrp.production, scrap_reason_tag_ids [stock.scrap.reason.tag], state char, company_id res.company"},
	{"stock.scrap.reason.tag", "Scrap Reason Tag", "name char"},
	{"mrp.workcenter", "Work Center", "name char, code char, costs_hour float, time_efficiency float, active boolean, company_id res.company"},
	{"mrp.workcenter.productivity.loss", "Workcenter Productivity Losses", "name char, loss_type char"},
	{"mrp.bom", "Bill of Material", "code char, type char, product_tmpl_id product.template, product_id product.product, product_qty float, product_uom_id uom.uom, picking_type_id stock.picking.type, bom_line_ids [mrp.bom.line], active boolean"},
	{"mrp.bom.line", "Bill of Material Line", "product_id product.product, product_qty float, product_uom_id uom.uom, operation_id mrp.routing.workcenter, bom_id mrp.bom, sequence integer"},
	{"mrp.routing.workcenter", "Work Center Usage", "name char, bom_id mrp.bom, workcenter_id mrp.workcenter, sequence integer, time_cycle_manual float"},
	{"mrp.production", "Manufacturing Order", "name char, origin char, state char, product_id product.product, product_qty float, product_uom_id uom.uom, qty_producing float, qty_produced float, bom_id mrp.bom, date_start char, date_finished char, picking_type_id stock.picking.type, lot_producing_ids [stock.lot], company_id res.company, location_dest_id stock.location, backorder_sequence integer, group integer"},
	{"mrp.workorder", "Work Order", "name char, production_id mrp.production, workcenter_id mrp.workcenter, state char, qty_produced float, duration float"},
	{"mrp.workcenter.productivity", "Workcenter Productivity Log", "workorder_id mrp.workorder, production_id mrp.production, workcenter_id mrp.workcenter, loss_id mrp.workcenter.productivity.loss, loss_type char, date_start char, date_end char, duration float, description char, company_id res.company"},
	{"account.account", "Account", "name char, code char, account_type char, company_ids [res.company]"},
	{"account.journal", "Journal", "name char, code char, type char, company_id res.company"},
	{"account.analytic.plan", "Analytic Plans", "name char, parent_id account.analytic.plan"},
	{"account.analytic.account", "Analytic Account", "name char, code char, plan_id account.analytic.plan, active boolean"},
	{"account.move", "Journal Entry", "name char, state char, date char, ref char, move_type char, journal_id account.journal, amount_total float, company_id res.company"},
	{"account.move.line", "Journal Item", "move_id account.move, account_id account.account, currency_id res.currency, amount_currency float, debit float, credit float, analytic_distribution json"},
	{"maintenance.request", "Maintenance Request", "name char, maintenance_type char, priority char, schedule_date char, description char"},
}

func fieldOf(spec string) field {
	switch spec {
	case "char", "text", "datetime", "selection":
		return field{kind: char}
	case "boolean":
		return field{kind: boolean}
	case "integer":
		return field{kind: integer}
	case "float":
		return field{kind: float}
	case "json":
		return field{kind: shares}
	}
	if target, ok := strings.CutPrefix(spec, "["); ok {
		return field{kind: many2many, target: strings.TrimSuffix(target, "]")}
	}
	return field{kind: many2one, target: spec}
}

// define makes the tables of Odoo's own models.
func (x *tx) define() {
	for _, m := range models {
		t := newTable(m.name, m.label)
		x.tables[m.name] = t
		for spec := range strings.SplitSeq(m.fields, ", ") {
			name, kind, _ := strings.Cut(spec, " ")
			t.addField(name, fieldOf(kind))
		}
		t.addField("create_date", field{kind: char})
		t.addField("write_date", field{kind: char})
		t.addField("write_uid", field{kind: many2one, target: "res.users"})
	}
	for _, m := range models {
		x.insert("ir.model", map[string]any{"model": m.name, "name": m.label})
	}
}
