// Package odoo applies a mesh's events in Odoo, each exactly once and in order per subject.
//
// The [Applier] is a consumer's handler: it turns an event into an effect and hands it to code inside Odoo,
// which makes the effect and remembers the event in one transaction. That code stands under action/. The applier puts it into Odoo as
// server actions and keeps these up to date, or uses the add-on that [AddonFor] makes of it. [Client] speaks JSON-2 or JSON-RPC, as Odoo's version asks for; versions.go says what an older Odoo calls otherwise. [Reader] reads back
// what was applied. DESIGN.md says how, docs/odoo.md what an ERP team sees.
package odoo
