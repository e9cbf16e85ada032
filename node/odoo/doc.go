// Package odoo applies a mesh's events in Odoo, each exactly once and in order per subject.
//
// The [Applier] is a consumer's handler: it turns an event into an effect and hands it to a server action inside Odoo,
// which makes the effect and remembers the event in one transaction. The actions' code stands under action/; the
// applier puts it into Odoo and keeps it up to date. [Client] speaks JSON-2 or JSON-RPC, as Odoo's version asks for; versions.go says what an older Odoo calls otherwise. [Reader] reads back
// what was applied. DESIGN.md says how, docs/odoo.md what an ERP team sees.
package odoo
