// Package odootest is the contract between plantmesh and Odoo: one suite that the sandbox and a real Odoo 19 have to pass
// alike, so that what is proved on the sandbox holds in an ERP.
package odootest
