// Package capture turns what changes in Odoo into canonical events in the streams of the site that faces it.
//
// Odoo has no feed of changes, only the time at which the transaction began that wrote a record last. Capture polls for records
// written since a while before the latest that it has seen, builds the whole of each thing anew, and records an event when
// that is not what it recorded last. The event and the note of it are one write of the log: a crash at any moment loses
// nothing and doubles nothing.
//
// DESIGN.md beside this file says why no change is missed.
package capture
