package consumer

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"google.golang.org/protobuf/proto"

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
	tries   map[subjectKey]try // of subjects whose event is delivered again
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
	var positions map[plantmesh.StreamName]storage.Position
	err := owner.Update(func(tx *storage.Tx) (err error) {
		if l.counts, err = loadCounts(tx); err != nil {
			return err
		}
		if l.parked, err = loadParked(tx); err != nil {
			return err
		}
		if l.tries, err = loadTries(tx); err != nil {
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
		positions, err = tx.Positions()
		return err
	})
	for name := range positions { // so that it is known what is still needed before anything is read
		if err == nil {
			_, err = l.open(name, storage.Position{})
		}
	}
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
	held    map[string]bool   // key: true to put, false to delete
	records map[string][]byte // key: value to put, nil to delete
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
		if value == nil {
			if err := tx.Delete([]byte(key)); err != nil {
				return err
			}
			continue
		}
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
