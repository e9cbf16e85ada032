package consumer

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// ledger is what became of events: positions, counts and parked subjects, in memory as in the derived database. An event
// enters it once, in the same batch as the position that says so.
type ledger struct {
	owner *storage.Owner

	mu      sync.Mutex // guards what follows
	streams map[plantmesh.StreamName]*progress
	parked  map[subjectKey]*parked
	counts  *adminv1.ApplyCounts
}

// progress is how far one stream is dealt with.
type progress struct {
	incarnation plantmesh.Incarnation
	low         plantmesh.Offset              // everything up to here is dealt with
	ahead       map[plantmesh.Offset]struct{} // dealt with behind low, while something before is not
	stored      bool                          // the database holds a set of those ahead
}

// parked is a subject that is set aside.
type parked struct {
	record   *adminv1.ParkedSubject
	retrying bool // an attempt is under way or queued
}

func openLedger(owner *storage.Owner) (*ledger, error) {
	l := &ledger{owner: owner, streams: map[plantmesh.StreamName]*progress{}}
	err := owner.Update(func(tx *storage.Tx) (err error) {
		if l.counts, err = loadCounts(tx); err != nil {
			return err
		}
		if l.parked, err = loadParked(tx); err != nil {
			return err
		}
		for k, p := range l.parked {
			if p.record.GetIncarnation() != 0 {
				continue
			}
			position, err := tx.Position(k.stream)
			if err = errors.Join(err, renameHeld(tx, k)); err != nil {
				return err
			}
			p.record.Incarnation = uint64(position.Incarnation)
		}
		return nil
	})
	return l, err
}

// open begins a stream where an earlier run left it, or at a position. It returns a copy of its progress.
func (l *ledger) open(name plantmesh.StreamName, begin storage.Position) (progress, error) {
	p := progress{incarnation: begin.Incarnation, low: begin.Offset, ahead: map[plantmesh.Offset]struct{}{}}
	err := l.owner.View(func(tx *storage.Tx) error {
		position, err := tx.Position(name)
		if err != nil || position.Incarnation == 0 {
			return err
		}
		p.incarnation, p.low = position.Incarnation, position.Offset
		b, err := tx.Get([]byte(prefixAhead + string(name)))
		if err != nil {
			return err
		}
		p.stored = len(b) > 0
		p.ahead, err = decodeAhead(p.low, b)
		return err
	})
	if err != nil {
		return progress{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams[name] = &p
	mine := p
	mine.ahead = maps.Clone(p.ahead)
	return mine, nil
}

// settledUpTo tells whether everything up to a position is dealt with: applied, ignored or held back.
func (l *ledger) settledUpTo(name plantmesh.StreamName, at storage.Position) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.streams[name]
	return p.incarnation == at.Incarnation && p.low >= at.Offset
}

// jumped: a stream goes on elsewhere. Everything before is dealt with.
func jumped(name plantmesh.StreamName, to storage.Position) change {
	return func(l *ledger, w *writes) {
		p := l.streams[name]
		p.incarnation, p.low = to.Incarnation, to.Offset
		clear(p.ahead)
		w.streams[name] = struct{}{}
	}
}

// position is where a stream stands, and from where on its events are still needed: from the first that is held back.
func (l *ledger) position(name plantmesh.StreamName) Position {
	p := l.streams[name]
	at := Position{Stream: name, Incarnation: p.incarnation, Offset: p.low, KeptIncarnation: p.incarnation, Kept: p.low}
	for k, parked := range l.parked {
		i, first := plantmesh.Incarnation(parked.record.GetIncarnation()), plantmesh.Offset(parked.record.GetOffset())
		if k.stream == name && (i < at.KeptIncarnation || i == at.KeptIncarnation && first <= at.Kept) {
			at.KeptIncarnation, at.Kept = i, first-1
		}
	}
	return at
}

// isParked tells whether events of a subject are held back.
func (l *ledger) isParked(k subjectKey) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parked[k] != nil
}

// change is one entry: it changes the memory and notes what has to be written. It runs with the ledger locked.
type change func(l *ledger, w *writes)

// writes are what a group of changes has to write.
type writes struct {
	streams map[plantmesh.StreamName]struct{}
	parked  map[subjectKey]struct{}
	held    map[string]bool // key: true to put, false to delete
	records map[string][]byte
}

// apply makes changes in memory and commits them as one batch.
func (l *ledger) apply(changes []change) error {
	w := &writes{streams: map[plantmesh.StreamName]struct{}{}, parked: map[subjectKey]struct{}{}, held: map[string]bool{}, records: map[string][]byte{}}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, change := range changes {
		change(l, w)
	}
	return l.owner.Update(func(tx *storage.Tx) error { return l.write(tx, w) })
}

func (l *ledger) write(tx *storage.Tx, w *writes) error {
	for name := range w.streams {
		if err := l.streams[name].write(tx, name); err != nil {
			return err
		}
	}
	for k := range w.parked {
		if err := l.writeParked(tx, k); err != nil {
			return err
		}
	}
	for key, put := range w.held {
		write := tx.Delete
		if put {
			write = func(key []byte) error { return tx.Put(key, nil) }
		}
		if err := write([]byte(key)); err != nil {
			return err
		}
	}
	for key, value := range w.records {
		if err := tx.Put([]byte(key), value); err != nil {
			return err
		}
	}
	b, err := proto.Marshal(l.counts)
	if err != nil {
		return fmt.Errorf("counts: %w", err)
	}
	return tx.Put([]byte(keyCounts), b)
}

func (l *ledger) writeParked(tx *storage.Tx, k subjectKey) error {
	p := l.parked[k]
	if p == nil {
		return tx.Delete(k.parkedKey())
	}
	b, err := proto.Marshal(p.record)
	if err != nil {
		return fmt.Errorf("parked subject %q: %w", k.subject, err)
	}
	return tx.Put(k.parkedKey(), b)
}

func (p *progress) write(tx *storage.Tx, name plantmesh.StreamName) error {
	if err := tx.SetPosition(name, storage.Position{Incarnation: p.incarnation, Offset: p.low}); err != nil {
		return err
	}
	key := []byte(prefixAhead + string(name))
	if len(p.ahead) > 0 {
		p.stored = true
		return tx.Put(key, encodeAhead(p.low, p.ahead))
	}
	if !p.stored {
		return nil
	}
	p.stored = false
	return tx.Delete(key)
}

// deal notes that an event is dealt with.
func (p *progress) deal(o plantmesh.Offset) {
	p.ahead[o] = struct{}{}
	for {
		next := p.low + 1
		if _, ok := p.ahead[next]; !ok {
			return
		}
		delete(p.ahead, next)
		p.low = next
	}
}

// settled: an event that came from the log is dealt with.
func settled(s plantmesh.StreamName, o plantmesh.Offset, how disposition) change {
	return func(l *ledger, w *writes) {
		l.streams[s].deal(o)
		w.streams[s] = struct{}{}
		how.count(l.counts)
	}
}

// held: an event that came from the log is set aside, behind others of its subject or, with a reason, as the first.
func held(k subjectKey, at storage.Position, first *adminv1.ParkedSubject) change {
	return func(l *ledger, w *writes) {
		l.streams[k.stream].deal(at.Offset)
		w.streams[k.stream] = struct{}{}
		w.held[string(k.heldKey(at))] = true
		w.parked[k] = struct{}{}
		if first != nil {
			l.parked[k] = &parked{record: first}
		}
		l.parked[k].record.Events++
		l.counts.Parked++
	}
}

// released: an event that was held back is dealt with after all.
func released(k subjectKey, at storage.Position, how disposition) change {
	return func(l *ledger, w *writes) {
		w.held[string(k.heldKey(at))] = false
		w.parked[k] = struct{}{}
		if l.parked[k].record.Events--; l.parked[k].record.Events == 0 {
			delete(l.parked, k)
		}
		l.counts.Parked--
		how.count(l.counts)
	}
}

// reparked: an attempt at a parked subject met another, or the same, fault.
func reparked(k subjectKey, record *adminv1.ParkedSubject) change {
	return func(l *ledger, w *writes) {
		p := l.parked[k]
		record.Events, record.Since = p.record.GetEvents(), p.record.GetSince()
		p.record, p.retrying = record, false
		w.parked[k] = struct{}{}
	}
}

// deferred: an attempt at a parked subject met a passing fault.
func deferred(k subjectKey, until time.Time) change {
	return func(l *ledger, w *writes) {
		p := l.parked[k]
		p.record.RetryTime, p.retrying = timestamppb.New(until), false
		w.parked[k] = struct{}{}
	}
}

// retried: a delivery is repeated.
func retried(l *ledger, _ *writes) { l.counts.Retries++ }

// disposition is what became of an event that is not parked.
type disposition int

const (
	applied disposition = iota
	duplicate
	ignored
)

func (d disposition) count(c *adminv1.ApplyCounts) {
	switch d {
	case duplicate:
		c.Duplicates++
		fallthrough
	case applied:
		c.Applied++
	case ignored:
		c.Ignored++
	}
}
