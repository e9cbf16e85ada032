package main

import "context"

// The systems, in the order of the table.
const (
	plantmeshName = "plantmesh"
	alwaysName    = "jetstream_always"
	defaultName   = "jetstream_default"
)

// system starts servers of one kind.
type system interface {
	name() string
	// start runs a server in a process of its own and returns when it answers.
	start(ctx context.Context, s place) (node, error)
}

// place says where a server runs and what it mirrors.
type place struct {
	dir      string // folder of the mesh: certificates, and a folder for each site
	site     string
	upstream string // host:port of the site that it mirrors; empty: it mirrors none
	compress bool   // the stream is to take little disk
	label    string // what it is started for
}

// node is a running server with one stream: the one that plant-a records, here or mirrored.
type node interface {
	process() *process
	// upstream is the host:port that a mirror of this node is given.
	upstream() string
	// publisher has at most window requests unanswered.
	publisher(ctx context.Context, window int) (publisher, error)
	// count is how many events the node holds.
	count(ctx context.Context) (uint64, error)
	// deliver calls fn for every event from the first, in order, until ctx ends.
	deliver(ctx context.Context, fn func()) error
	// stop ends the process, which has time to do so in order.
	stop() error
}

// publisher publishes without waiting for answers. Used by one goroutine.
type publisher interface {
	send(ctx context.Context, events []event) (answer, error)
	close() error
}

// answer waits until what was sent is acknowledged. Answers are waited for in the order sent.
type answer func(ctx context.Context) error

// origin is the site that records.
const origin = "plant-a"
