package storage

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
)

const (
	// maxGroupBytes ends a group: more would leave the memtable no room, and the waiting no share.
	maxGroupBytes = 2 << 20
	// pipelineDepth is how many groups may be applied and not yet synced: one that is being synced, one that waits for the
	// next sync while the third is built. More would make groups smaller, not faster.
	pipelineDepth = 1
	// hangAfterFailure is how long Close waits for the appender after a failure: Pebble makes a write wait while it cannot
	// flush, and on a disk that has failed it never can.
	hangAfterFailure = 2 * time.Second
)

// appender takes the writes of all callers and records them in groups. One goroutine builds and applies, another waits
// for the disk and answers, so that a group is built while the one before is being synced.
type appender struct {
	log     *Log
	writers map[plantmesh.StreamName]*writer // owned by the building goroutine
	dup     dupCache                         // owned by the building goroutine
	applied chan *group
	ended   sync.WaitGroup

	mu      sync.Mutex
	waiting []*Pending
	bytes   int // of all that is submitted and not answered
	closed  bool
	held    bool                                           // nothing is taken until Release
	refused bool                                           // it never will be
	writes  map[plantmesh.StreamName]plantmesh.Incarnation // what the building goroutine has begun to write to
	above   map[plantmesh.StreamName]plantmesh.Incarnation // a new one has to be above this
	filling map[plantmesh.StreamName]chan struct{}         // streams that are being recovered; closed when they are not
	arrived chan struct{}                                  // holds one token while something waits
}

// writer is one of the site's own streams as the appender sees it: what is applied, durable or not yet.
type writer struct {
	stream *stream
	head   headRecord
}

// group is what one batch records.
type group struct {
	writes   []*Pending
	refused  []error       // one for each write
	batch    *pebble.Batch // nil if there is nothing to write
	progress []progress
}

func (a *appender) start(l *Log) {
	a.log, a.writers, a.writes = l, map[plantmesh.StreamName]*writer{}, map[plantmesh.StreamName]plantmesh.Incarnation{}
	a.above = map[plantmesh.StreamName]plantmesh.Incarnation{}
	a.filling = map[plantmesh.StreamName]chan struct{}{}
	a.applied, a.arrived = make(chan *group, pipelineDepth), make(chan struct{}, 1)
	a.ended.Go(a.build)
	a.ended.Go(a.acknowledge)
}

// stop refuses new writes and those that are held, waits until all others are answered, and ends the goroutines. It returns false if they
// do not end because the log has failed and they hang in the storage engine.
func (a *appender) stop() bool {
	a.refuse()
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	a.signal()
	return endUnlessHung(&a.ended, a.log.failed)
}

// endUnlessHung waits for goroutines. It returns false if they do not end after a failure.
func endUnlessHung(group *sync.WaitGroup, failed <-chan struct{}) bool {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		group.Wait()
	}()
	select {
	case <-ended:
		return true
	case <-failed:
	}
	select {
	case <-ended:
		return true
	case <-time.After(hangAfterFailure):
		return false
	}
}

func (a *appender) signal() {
	select {
	case a.arrived <- struct{}{}:
	default:
	}
}

func (a *appender) submit(p *Pending) error {
	if err := a.log.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.refused {
		return fmt.Errorf("append: %w", plantmesh.ErrShuttingDown)
	}
	if a.bytes > 0 && a.bytes+p.bytes > a.log.opts.MaxPendingBytes {
		return fmt.Errorf("append: %w: %d bytes wait for the disk; send slower, or raise max_pending_bytes (%d)",
			plantmesh.ErrTooManyPending, a.bytes, a.log.opts.MaxPendingBytes)
	}
	a.bytes += p.bytes
	a.waiting = append(a.waiting, p)
	a.signal()
	return nil
}

// whileOpen runs a function that reads the log, which is not closed meanwhile; false if it is closed already.
func (a *appender) whileOpen(read func()) bool {
	a.mu.Lock()
	open := !a.closed
	if open {
		a.ended.Add(1)
	}
	a.mu.Unlock()
	if open {
		defer a.ended.Done()
		read()
	}
	return open
}

// take waits for writes and returns as many as fit a group, oldest first; nil at the end.
func (a *appender) take() []*Pending {
	for {
		a.mu.Lock()
		if n := a.fit(); n > 0 && !a.held {
			taken := a.waiting[:n:n]
			if a.waiting = a.waiting[n:]; len(a.waiting) == 0 {
				a.waiting = nil
			} else {
				a.signal()
			}
			a.mu.Unlock()
			return taken
		}
		closed := a.closed
		a.mu.Unlock()
		if closed {
			return nil
		}
		<-a.arrived
	}
}

func (a *appender) fit() int {
	bytes := 0
	for i, p := range a.waiting {
		if bytes += p.bytes; bytes > maxGroupBytes && i > 0 {
			return i
		}
	}
	return len(a.waiting)
}

// build is the goroutine that assigns offsets. It is the only one that writes the site's own streams.
func (a *appender) build() {
	defer close(a.applied)
	for writes := a.take(); writes != nil; writes = a.take() {
		g := &group{writes: writes, refused: make([]error, len(writes))}
		if err := a.apply(g); err != nil {
			a.log.fail(&failure{dir: a.log.dir, cause: err})
		}
		a.applied <- g
	}
}

// apply fills a group and hands its batch to Pebble, which begins to write it and makes it visible to the appender.
func (a *appender) apply(g *group) error {
	if a.log.failure() != nil {
		return nil //nolint:nilerr // whoever waits is told by the failure itself
	}
	if err := a.fill(g); err != nil {
		return err
	}
	if g.batch == nil {
		return nil
	}
	return a.log.db.ApplyNoSyncWait(g.batch, pebble.Sync)
}

// acknowledge is the goroutine that waits for the disk. Groups come in the order applied, so whoever is told that its
// event is a duplicate is told after the original is durable.
func (a *appender) acknowledge() {
	for g := range a.applied {
		err := a.sync(g)
		if err == nil {
			a.log.publish(g.progress)
		}
		bytes := 0
		for i, p := range g.writes {
			bytes += p.bytes
			p.resolve(errors.Join(err, g.refused[i]))
		}
		a.mu.Lock()
		a.bytes -= bytes
		a.mu.Unlock()
	}
}

// sync waits until a group is on disk. What the log noted meanwhile counts: Pebble is not told of the disk's errors.
func (a *appender) sync(g *group) error {
	if f := a.log.failure(); f != nil {
		return f
	}
	if g.batch == nil {
		return nil
	}
	err := g.batch.SyncWait()
	if err == nil {
		err = g.batch.Close()
	}
	if err != nil {
		a.log.fail(&failure{dir: a.log.dir, cause: err})
	}
	return a.log.Err()
}
