// Package reallog takes a factory's real production log through a mesh of real nodes into a real Odoo, and compares Odoo's tables with
// what the log says. It begins with an empty database: everything the log needs, from units to lots, is set up by events.
//
//	factory_test.go   the log, and the master data that it implies
//	story_test.go     the events: master data first, then the log's, in the order of time
//	ledger_test.go    what must be in Odoo in the end, reckoned from the log alone
//	sites_test.go     the nodes: shop, which publishes, and hq, which faces Odoo
//	books_test.go     how Odoo's tables are read
//	found_test.go     what is in them
//	reallog_test.go   the comparison
//
// `make test-odoo-log` runs it; it needs the log of ../shared/data beside this checkout, and says so where that is missing.
package reallog
