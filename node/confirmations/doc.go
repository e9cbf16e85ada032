// Package confirmations follows what becomes of a site's own events in the ERP. The node that faces it tells of every event what came of it:
// ErpApplied or ErpRejected, in its stream of the domain mesh. An event whose type asks for that within a time (confirm_within in the catalog)
// and is not told of by then is overdue; one that the ERP refused is rejected until it is applied, or given up.
//
// A [Follower] reads the site's own streams and those of outcomes, and keeps how far it read with what it waits for, in one write: a restart
// goes on where it was. Its memory is bounded: what waits is named up to a number, behind which it does not read on; what is told of events that
// it has not read yet is kept as runs of offsets.
//
// Events from before outcomes were followed for the first time are not asked for.
package confirmations
