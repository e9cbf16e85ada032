package mesh_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// simNode is a site of a simulation, and what its publisher knows.
type simNode struct {
	*node
	plan   *simSite
	full   atomic.Bool  // its disk
	scarce atomic.Bool  // its disk
	lie    atomic.Int32 // a simLie
	ahead  atomic.Int64 // of its clock, ns

	heads   []plantmesh.Head // on its disk, while it does not run
	readers map[plantmesh.StreamName]*simReader
	jobs    chan func(*running)
	ended   chan struct{} // closed when the publisher of this run has

	reading sync.RWMutex // held for reading by the publisher, while it looks things up
	closed  bool         // guarded by reading: the log is about to be

	mu    sync.Mutex // guards what follows
	run   int        // changes when the power goes: what is answered afterwards never was
	acked []simRecord
	open  []storage.Entry // refused, or with unknown outcome: published again
	seen  map[string]*eventv1.Event
}

// simRecord is what the site has acknowledged.
type simRecord struct {
	storage.Entry
	storage.Receipt
	copied bool // somebody else was said to have it durably
}

// do has the publisher do something, behind what it does.
func (n *simNode) do(job func(*running)) {
	if n.running != nil {
		n.jobs <- job
	}
}

// settled waits until the publisher has done everything. It is false if that takes too long.
func (n *simNode) settled() bool {
	done := make(chan struct{})
	n.do(func(*running) { close(done) })
	select {
	case <-done:
		return true
	case <-time.After(convergeWithin):
		return false
	}
}

// close ends the run of a site and of its publisher.
func (n *simNode) close() {
	n.reading.Lock()
	n.closed = true
	n.reading.Unlock()
	n.stop()
	close(n.jobs)
	<-n.ended
}

// published is a job: events in a few writes, some of them anew, as a client does that does not know what became of them.
func (n *simNode) published(step simStep) func(*running) {
	random := rand.New(rand.NewPCG(step.seed, 1))
	return func(r *running) {
		for left := step.amount; left > 0; {
			count := min(left, 1+random.IntN(10))
			left -= count
			var w storage.Write
			for range count {
				w.Entries = append(w.Entries, storage.Entry{Stream: n.own(random), Event: n.event(random.IntN(2000))})
			}
			n.write(r, w, random)
			if random.IntN(3) == 0 {
				pass(time.Duration(random.IntN(300)) * time.Millisecond)
			}
		}
	}
}

func (n *simNode) own(random *rand.Rand) plantmesh.StreamName {
	return plantmesh.StreamOf(n.site, simDomains[random.IntN(len(simDomains))])
}

// write records fresh events, with some that were recorded and some that may have been.
func (n *simNode) write(r *running, w storage.Write, random *rand.Rand) {
	fresh := len(w.Entries)
	n.mu.Lock()
	run := n.run
	var repeated []simRecord
	for range random.IntN(4) {
		if len(n.acked) > 0 {
			repeated = append(repeated, n.acked[random.IntN(len(n.acked))])
		}
	}
	again := min(len(n.open), 5)
	for _, e := range w.Entries {
		n.seen[e.Event.GetId()] = e.Event
	}
	w.Entries = append(w.Entries, n.open[:again]...)
	n.open = n.open[again:]
	n.mu.Unlock()
	unsure := len(w.Entries)
	repeated = n.kept(r, repeated)
	for _, a := range repeated {
		w.Entries = append(w.Entries, a.Entry)
	}
	full, scarce := n.full.Load(), n.scarceFor(2*time.Second)
	receipts, err := r.log.Append(n.Context(), w)
	switch {
	case err == nil && full && n.full.Load() && fresh > 0:
		n.Errorf("%s acknowledged events though its disk is full", n.site)
	case err == nil && scarce && n.scarce.Load() && fresh > 0:
		n.Errorf("%s acknowledged events though only the reserve of its disk is left", n.site)
	case err != nil && !errors.Is(err, plantmesh.ErrDiskReserve) && !errors.Is(err, plantmesh.ErrStorageFailed) && !errors.Is(err, plantmesh.ErrShuttingDown):
		n.Errorf("%s refuses a publish: %v", n.site, err)
	}
	for i := range repeated {
		if at := unsure + i; err == nil && (!receipts[at].Duplicate || receipts[at].Offset != repeated[i].Offset || receipts[at].Incarnation != repeated[i].Incarnation) {
			n.Errorf("%s: event %s is recorded at %+v, and published again is at %+v", n.site, w.Entries[at].Event.GetId(), repeated[i].Receipt, receipts[at])
		}
	}
	copied := err == nil && random.IntN(5) == 0 && n.isCopied(r, receipts[0])
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil || n.run != run {
		n.open = append(n.open, w.Entries[:unsure]...)
		return
	}
	for i := range w.Entries[:unsure] {
		if i < fresh && receipts[i].Duplicate {
			n.Errorf("%s: event %s is new, and called a duplicate of %+v", n.site, w.Entries[i].Event.GetId(), receipts[i])
		}
		n.acked = append(n.acked, simRecord{Entry: w.Entries[i], Receipt: receipts[i], copied: copied && i == 0})
	}
}

// scarceFor is scarce, seen by a log that looks at its disk now and then.
func (n *simNode) scarceFor(d time.Duration) bool {
	if !n.scarce.Load() {
		return false
	}
	pass(d)
	return n.scarce.Load()
}

// kept are those that the log still has. One that was recorded keeps its id until it is trimmed.
func (n *simNode) kept(r *running, all []simRecord) (kept []simRecord) {
	n.reading.RLock()
	defer n.reading.RUnlock()
	if n.closed {
		return nil
	}
	for _, a := range all {
		off, err := r.log.LookupOf(a.Receipt.Stream, a.Incarnation, a.Event.GetSource(), a.Event.GetId())
		if err == nil && off != a.Offset {
			n.Errorf("%s: event %s was recorded at %+v, and is found at %d", n.site, a.Event.GetId(), a.Receipt, off)
		}
		if err == nil {
			kept = append(kept, a)
		}
	}
	return kept
}

// isCopied waits a little for a second copy.
func (n *simNode) isCopied(r *running, at storage.Receipt) bool {
	ctx, cancel := context.WithTimeout(n.Context(), 3*time.Second)
	defer cancel()
	err := r.mesh.WaitCopies(ctx, at.Stream, at.Incarnation, at.Offset, 2)
	if err != nil && !errors.Is(err, plantmesh.ErrCopiesMissing) {
		n.Errorf("%s: waiting for copies: %v", n.site, err)
	}
	return err == nil
}

// conflicting is a job: an id that is recorded comes again with other content.
func (n *simNode) conflicting(seed uint64) func(*running) {
	return func(r *running) {
		n.mu.Lock()
		var one []simRecord
		if len(n.acked) > 0 {
			one = append(one, n.acked[seed%uint64(len(n.acked))])
		}
		n.mu.Unlock()
		for _, a := range n.kept(r, one) {
			other, ok := proto.Clone(a.Event).(*eventv1.Event)
			if !ok {
				n.Error("an event is no event")
				return
			}
			other.Subject += "-other"
			_, err := r.log.Append(n.Context(), storage.Write{Entries: []storage.Entry{{Stream: a.Entry.Stream, Event: other}}})
			var conflict *plantmesh.ConflictError
			if errors.As(err, &conflict) && conflict.Offset != a.Offset {
				n.Errorf("%s: event %s is recorded at %d, the conflict names %d", n.site, a.Event.GetId(), a.Offset, conflict.Offset)
			}
			if err == nil {
				n.Errorf("%s: event %s was recorded with other content", n.site, a.Event.GetId())
			}
		}
	}
}

// again is a job: whatever is open, until it is recorded.
func (n *simNode) again(r *running) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 1000 {
		n.mu.Lock()
		left := len(n.open)
		n.mu.Unlock()
		if left == 0 {
			return
		}
		n.write(r, storage.Write{}, random)
	}
	n.Errorf("%s: what was refused is not recorded after many attempts", n.site)
}
