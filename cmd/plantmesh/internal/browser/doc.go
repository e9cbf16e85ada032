// Package browser looks at the console of a real node with a real browser, Chromium: what somebody sees who filters differences, downloads them
// and follows a parked event.
//
//	node_test.go      the node, its Odoo (the sandbox), and what differs and is parked there
//	chromium_test.go  the browser, and what it must not do: ask anybody but the console, complain
//	console_test.go   the walk through the pages
//
// `make test-browser` runs it; PLANTMESH_SCREENSHOTS=folder keeps a picture of each page, on a wide and on a narrow screen, light and dark.
package browser
