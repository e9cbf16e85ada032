// Package sandbox is an Odoo that fits into a process: it speaks the parts of JSON-2 and JSON-RPC that plantmesh uses, with
// Odoo's errors, its dialogs that answer HTTP 200 without an effect, and transactions that leave all or nothing. Demo and
// tests need no other.
//
// The server action that plantmesh provisions is recognized by its version marker, and its effects are made natively.
// The same contract suite, odootest, passes here and on a real Odoo 19.
package sandbox
