package odoo

import "fmt"

// What plantmesh adds to Odoo's database. docs/odoo.md lists it for the ERP team.

// Names of what provisioning adds.
const (
	ModelFence   = "x_mesh_fence"   // one row a stream and subject: the last offset applied
	ModelApplied = "x_mesh_applied" // one row an event applied: the journal
	ModelHold    = "x_mesh_hold"    // one row a quality hold

	ModelRegister = "x_mesh_register" // one row a server action
)

// formerAction is the one server action of version 1, which made all effects.
const formerAction = "plantmesh: apply events"

// field is a manual field.
type field struct {
	name, label, kind string
	help              string
	index             bool
}

// model is a manual model, or one of Odoo's that gets fields.
type model struct {
	name, label string
	own         bool // made by plantmesh, not by Odoo
	optional    bool // of an app that need not be installed
	order       string
	fields      []field
}

func schema() []model {
	return []model{
		{name: ModelFence, label: "Mesh: last event applied", own: true, order: "id", fields: []field{
			{name: "x_key", label: "Stream and subject", kind: "char"},
			// Digits, since Odoo's integers end at 2^31.
			{name: "x_seq", label: "Last offset", kind: "char"},
			{name: "x_incarnation", label: "Incarnation of the stream", kind: "char"},
		}},
		{name: ModelApplied, label: "Mesh: applied events", own: true, order: "id desc", fields: []field{
			{name: "x_event", label: "Event", kind: "char", help: "Source and id of the event"},
			{name: "x_type", label: "Type", kind: "char"},
			{name: "x_stream", label: "Stream", kind: "char"},
			{name: "x_offset", label: "Offset in the stream", kind: "char"},
			{name: "x_subject", label: "Subject", kind: "char", index: true},
			{name: "x_model", label: "Model of the record", kind: "char"},
			{name: "x_record", label: "Id of the record", kind: "integer"},
			{name: "x_note", label: "Note", kind: "char"},
		}},
		{name: ModelHold, label: "Mesh: quality holds", own: true, order: "id desc", fields: []field{
			{name: "x_name", label: "Name", kind: "char"},
			{name: "x_hold", label: "Hold", kind: "char", index: true},
			{name: "x_item", label: "Item", kind: "char", index: true},
			{name: "x_lot", label: "Lot", kind: "char"},
			{name: "x_site", label: "Site", kind: "char"},
			{name: "x_quantity", label: "Quantity held", kind: "float"},
			{name: "x_everything", label: "All of it", kind: "boolean"},
			{name: "x_open", label: "In place", kind: "boolean"},
			{name: "x_reason", label: "Reason", kind: "char"},
		}},
		{name: ModelRegister, label: "Mesh: server actions", own: true, order: "id", fields: []field{
			{name: "x_name", label: "Name", kind: "char"},
			{name: "x_action", label: "Id of the action", kind: "integer"},
			{name: "x_fingerprint", label: "Fingerprint of its code", kind: "char"},
		}},
		{name: "mrp.production", fields: []field{
			{name: "x_mesh_order", label: "Mesh: order", kind: "char", index: true, help: "Order of the plant; its parts share it"},
		}},
		{name: "mrp.workcenter.productivity", fields: []field{
			{name: "x_mesh_event", label: "Mesh: event", kind: "char", index: true, help: "Source and id of the event"},
			{name: "x_mesh_order", label: "Mesh: order", kind: "char"},
			{name: "x_mesh_completed", label: "Mesh: completed", kind: "float"},
			{name: "x_mesh_rejected", label: "Mesh: rejected", kind: "float"},
			{name: "x_mesh_review", label: "Mesh: for review", kind: "float"},
			{name: "x_mesh_unit", label: "Mesh: unit", kind: "char", help: "UN/CEFACT code of the quantities"},
			{name: "x_mesh_downtime", label: "Mesh: downtime", kind: "char", index: true},
			{name: "x_mesh_rework", label: "Mesh: rework", kind: "boolean"},
		}},
		{name: "uom.uom", fields: []field{{name: "x_mesh_code", label: "Mesh: code", kind: "char", index: true, help: "UN/CEFACT code, or one that the mesh defines"}}},
		{name: "mrp.bom", fields: []field{{name: "x_mesh_routing", label: "Mesh: routing", kind: "char"}}},
		{name: "mrp.bom.line", fields: []field{{name: "x_mesh_line", label: "Mesh: line", kind: "char"}}},
		{name: "mrp.routing.workcenter", fields: []field{{name: "x_mesh_operation", label: "Mesh: operation", kind: "char"}}},
		{name: "res.partner", fields: []field{
			{name: "x_mesh_supplier", label: "Mesh: supplier", kind: "char", index: true},
			{name: "x_mesh_customer", label: "Mesh: customer", kind: "char", index: true},
		}},
		{name: "stock.picking", fields: []field{
			{name: "x_mesh_transfer", label: "Mesh: transfer", kind: "char", index: true},
			{name: "x_mesh_shipment", label: "Mesh: shipment", kind: "char"},
			{name: "x_mesh_receipt", label: "Mesh: receipt", kind: "char"},
		}},
		{name: "sale.order", optional: true, fields: []field{{name: "x_mesh_demand", label: "Mesh: demand", kind: "char", index: true}}},
		{name: "purchase.order", optional: true, fields: []field{{name: "x_mesh_purchase", label: "Mesh: purchase order", kind: "char", index: true}}},
		{name: "purchase.order.line", optional: true, fields: []field{{name: "x_mesh_line", label: "Mesh: line", kind: "char"}}},
		{name: "account.move", optional: true, fields: []field{{name: "x_mesh_posting", label: "Mesh: posting", kind: "char", index: true}}},
		{name: "account.analytic.plan", optional: true, fields: []field{{name: "x_mesh_dimension", label: "Mesh: dimension", kind: "char"}}},
		{name: "account.analytic.account", optional: true, fields: []field{{name: "x_mesh_dimension", label: "Mesh: dimension", kind: "char"}}},
	}
}

// uniqueIndexes are made in SQL: manual fields cannot be unique.
var uniqueIndexes = []string{"x_mesh_fence_x_key_unique", "x_mesh_applied_x_event_unique"}

// indexCode runs once in Odoo, in an action or in the add-on.
func indexCode() string {
	return fmt.Sprintf(`# plantmesh indexes
env.cr.execute("CREATE UNIQUE INDEX IF NOT EXISTS %[1]s ON x_mesh_fence (x_key)")
env.cr.execute("CREATE UNIQUE INDEX IF NOT EXISTS %[2]s ON x_mesh_applied (x_event)")
env.cr.execute("SELECT count(*) FROM pg_indexes WHERE indexname IN ('%[1]s', '%[2]s')")
action = {'indexes': env.cr.fetchone()[0]}
`, uniqueIndexes[0], uniqueIndexes[1])
}
