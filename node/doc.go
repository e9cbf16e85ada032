// Package node is what a site runs: it wires the log, the mesh, the door for clients, the adapters and Odoo together, and
// takes them down in the right order.
package node
