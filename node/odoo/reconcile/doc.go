// Package reconcile compares what the mesh knows with what Odoo has: stock by site, item and lot, orders, transfers under way, postings and
// master data; and with what the plants counted.
//
// What Odoo should have is worked out from the events alone, as far as Odoo has their effects: an event that waits for its turn, or is parked,
// makes no difference. What Odoo takes by a bill of materials is Odoo's to say, and is taken from there. So is the unit of an item.
//
// Both sides are read while work goes on. A difference counts only if it is the same when both are read a second time.
package reconcile
