// Package replay proves what became of the events that were recorded in a span of time, such as an outage: every one that has an effect in
// Odoo is applied there, parked, given up by somebody, or still waits for its turn. Nothing else may have become of any.
//
// The proof does not rest on what the node believes: that an event is applied is what the journal in Odoo says, which is written in the
// transaction of the effect.
package replay
