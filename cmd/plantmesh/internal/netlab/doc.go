// Package netlab runs real nodes on real networks and breaks both: every site is a process in a network namespace of its
// own, all joined by one bridge. It needs Linux, root, and ip and tc of iproute2; `make test-net` runs its tests.
//
//	lab.go, namespace.go   the sites' machines and the switch between them
//	line.go                what happens to a site's line: pulled, thin, deaf in one direction, dropping large frames
//	proxy.go               what a kernel without netem cannot do: delay, stalls, connections that go silent
//	site.go, look.go       a node, as a process, and what its status says
//	load.go                events published all the time
//	whole.go               whether in the end anything is lost, doubled or reordered
//
// The kernel drops, delays and cuts; the nodes know nothing of it. Tests wait for conditions, and fail only when one does
// not come about for minutes.
package netlab
