// Package killrun kills the node that faces Odoo, again and again, while it applies a plant's work, and compares Odoo's tables with what
// that work must have come to, to the last unit.
//
// A model makes the work up from a seed, and reckons with it: what is in which place, what each order made, what every posting booked. It
// never asks plantmesh or Odoo. Two plants publish the work on nodes of their own; hq, a process like them, applies it. Meanwhile hq is
// killed (kill -9) at random moments, while an effect is under way in Odoo, between Odoo's commit and its reply, and as it starts; and its
// line to Odoo breaks.
//
//	ledger_test.go     exact figures, and their comparison
//	model_test.go      the model: what is told, and what must come of it
//	floor_test.go      orders, their material, their lots and holds
//	trade_test.go      transfers, shipments, purchases, counts, postings
//	opening_test.go    master data and opening stock
//	line_test.go       hq's line to Odoo, which breaks
//	node_test.go       hq as a process that is killed
//	killer_test.go     when it is
//	sites_test.go      the mesh, and how the work is told
//	books_test.go      what Odoo's tables say
//	fences_test.go     each event once: journal, fences, outcomes
//	reconciled_test.go what plantmesh odoo reconcile finds: nothing, and then what a person tampers with
//	killrun_test.go    the runs: on the sandbox, on a real Odoo
//
// `make test-odoo-kill` runs it on a real Odoo with two workers; PLANTMESH_KILL_EVENTS says how long, PLANTMESH_KILL_SEED repeats a run.
package killrun
