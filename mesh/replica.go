package mesh

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// slowAfter is how long a replica may wait for blocks that its source has, before its status says so.
const slowAfter = 10 * time.Second

// replicas is the table of streams that come from peers. It outlives the links. The zero value is ready.
type replicas struct {
	mu    sync.Mutex
	table map[plantmesh.StreamName]*replica
}

// of returns the entry of a stream, making it if needed.
func (t *replicas) of(name plantmesh.StreamName) *replica {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.table == nil {
		t.table = map[plantmesh.StreamName]*replica{}
	}
	r, ok := t.table[name]
	if !ok {
		r = &replica{stream: name, state: adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED}
		t.table[name] = r
	}
	return r
}

func (t *replicas) names() []plantmesh.StreamName {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.table))
}

// replica is what is known of one replicated stream besides what the log knows.
type replica struct {
	stream plantmesh.StreamName // set once

	mu     sync.Mutex // guards what follows
	link   string
	state  adminv1.ReplicaState
	reason string
	err    error            // why it is stalled, as it is known to errors.Is
	held   plantmesh.Offset // durable here, as far as this run appended it
	source plantmesh.Offset // the source's head
	time   time.Time        // its recording time
	opens  time.Time        // while it is scheduled: when
	moved  time.Time        // when the replica began to be behind, or came on since
}

// heard notes the source's head.
func (r *replica) heard(source plantmesh.Offset, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held >= r.source && source > r.source {
		r.moved = time.Now()
	}
	r.source, r.time = source, at
}

// receiving notes that the source accepted to send what follows on an offset.
func (r *replica) receiving(link string, held plantmesh.Offset) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link, r.state, r.reason, r.err = link, adminv1.ReplicaState_REPLICA_STATE_CATCHING_UP, "", nil
	r.held, r.moved = held, time.Now()
}

// holds notes what became durable.
func (r *replica) holds(held plantmesh.Offset) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held, r.moved = held, time.Now()
}

// waits notes why no blocks come. Without a link the reason may be empty: the link's own is shown then. It tells whether
// the reason is news.
func (r *replica) waits(state adminv1.ReplicaState, link, reason string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := r.reason != reason || r.state != state
	r.link, r.state, r.reason, r.err = link, state, reason, nil
	return news
}

// scheduled notes that the stream is outside of its window.
func (r *replica) scheduled(opens time.Time) {
	r.waits(adminv1.ReplicaState_REPLICA_STATE_SCHEDULED, "", closedReason(opens))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opens = opens
}

// unlinked notes the end of the link. A stall outlives it: the next link will meet it again.
func (r *replica) unlinked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link = ""
	if r.state != adminv1.ReplicaState_REPLICA_STATE_STALLED {
		r.state, r.reason = adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED, ""
	}
}

// status is a snapshot without what the log knows.
func (r *replica) status() Replica {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Replica{Stream: r.stream, Link: r.link, State: r.state, SourceOffset: r.source, Reason: r.reason, Err: r.err}
	if r.state == adminv1.ReplicaState_REPLICA_STATE_SCHEDULED {
		s.Opens = r.opens
	}
	if idle := time.Since(r.moved); r.state == adminv1.ReplicaState_REPLICA_STATE_CATCHING_UP && idle > slowAfter {
		s.Reason = fmt.Sprintf("nothing came for %s though the source holds more: the line is slow, or the peer stuck", idle.Round(time.Second))
	}
	return s
}

func (r *replica) durable() plantmesh.Offset {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held
}

func (r *replica) sourceTime() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.time
}
