// Package demo is `plantmesh demo`: five sites on loopback, each a process of its own, fed with a factory's events while
// one is cut off and another is killed, then scenes with events of their own, and a verdict on whether anything was lost,
// doubled or reordered.
//
//	options.go, demo.go    what was asked for, and the run from first to last
//	folder.go              where the sites live, and what dead demos left
//	sites.go, wire.go, pace.go    the processes, and the lines between them
//	generator.go, input.go the events: made up, or a file of a real factory
//	feed.go                how they are dropped
//	scenes.go, kill.go, partition.go    what goes wrong meanwhile
//	scene.go               the scenes: how they are chosen, played and judged
//	recovery.go, parking.go, thinline.go    those behind the feed
//	facts.go, history.go   what they publish, and where it must be found
//	watch.go, progress.go  where everything stands, and how it is shown
//	erp.go, pulse.go       Odoo, and whether it is there
//	evidence.go            what is there in the end
//	verdict.go, replicas.go, inodoo.go    what it means: at the plants, at the other sites, in Odoo
//	report.go              how it is said
package demo
