package storage_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// check opens what a power cut left and holds it against what was known around the cut.
func (p powerCut) check(t *testing.T) {
	l, err := storage.Open("log", crashOptions(p.disk))
	if err != nil {
		t.Errorf("%v: open: %v", p, err)
		return
	}
	err = errors.Join(p.survived(t, l), l.Close())
	if err != nil {
		t.Errorf("%v: %v", p, err)
	}
}

func (p powerCut) survived(t *testing.T, l *storage.Log) error {
	value, err := l.Cursor(crashCursor)
	if err != nil {
		return err
	}
	writes, _ := strconv.Atoi(string(value)) // none: 0
	if writes < p.before.acked || writes > p.after.submitted {
		return fmt.Errorf("%d writes are there, %d were acknowledged and %d submitted", writes, p.before.acked, p.after.submitted)
	}
	for _, s := range ownStreams {
		var due []fact // what so many writes made of the stream: all of each or nothing
		for _, f := range p.after.facts[s] {
			if f.write <= writes {
				due = append(due, f)
			}
		}
		if err := p.holds(t, l, s, due); err != nil {
			return fmt.Errorf("after %d writes: %s: %w", writes, s, err)
		}
		if err := findsIDs(l, s, due); err != nil {
			return fmt.Errorf("after %d writes: %s: %w", writes, s, err)
		}
	}
	if err := p.replicaHolds(t, l); err != nil {
		return fmt.Errorf("%s: %w", copied, err)
	}
	return p.goesOn(t, l)
}

// holds compares a stream with the events that are due, from where it begins.
func (p powerCut) holds(t *testing.T, l *storage.Log, s plantmesh.StreamName, due []fact) error {
	head, err := l.Head(s)
	if len(due) == 0 {
		if !errors.Is(err, plantmesh.ErrUnknownStream) {
			return fmt.Errorf("it is there, %+v, %w", head, err)
		}
		return nil
	}
	if err != nil || head.Offset != plantmesh.Offset(len(due)) {
		return fmt.Errorf("head %+v, %w, want offset %d", head, err, len(due))
	}
	begin, err := l.Earliest(s, 0)
	if err != nil || begin < p.before.trimmed[s] || begin > max(1, p.after.trimAsked[s]) {
		return fmt.Errorf("it begins at %d, %w; trimmed to %d, asked for %d", begin, err, p.before.trimmed[s], p.after.trimAsked[s])
	}
	blocks, err := l.Blocks(t.Context(), s, begin-1, 1<<30)
	if err != nil {
		return err
	}
	at, stored := begin, 0
	for _, b := range blocks {
		stored += len(b.Bytes())
		batch, err := b.Batch()
		if err != nil {
			return err
		}
		for _, e := range batch.GetEvents() {
			want := due[at-1]
			if e.GetOffset() != uint64(at) || e.GetEvent().GetId() != want.id || string(e.GetEvent().GetData()) != want.data {
				return fmt.Errorf("offset %d holds event %s, %s is due at %d", e.GetOffset(), e.GetEvent().GetId(), want.id, at)
			}
			at++
		}
	}
	if at != head.Offset+1 {
		return fmt.Errorf("its blocks end before %d, the head is %d", at, head.Offset)
	}
	if report, err := l.Verify(t.Context(), s); err != nil || report.Head != head {
		return fmt.Errorf("verify: %+v, %w", report, err)
	}
	for _, info := range l.Streams() {
		if info.Head.Stream == s && (info.StoredBytes != uint64(stored) || info.Earliest != begin) {
			return fmt.Errorf("described as %+v, its blocks have %d bytes from %d", info, stored, begin)
		}
	}
	if o, err := l.OffsetBefore(s, time.Unix(0, 0)); err != nil || o != begin-1 {
		return fmt.Errorf("the time index begins behind %d, %w, want %d", o, err, begin-1)
	}
	if begin > 1 {
		if _, err := l.Get(s, begin-1); !errors.Is(err, plantmesh.ErrOffsetTrimmed) {
			return fmt.Errorf("below the trim: %w", err)
		}
	}
	return nil
}

// findsIDs looks up every id: those of what is held are where their events are, the others are gone.
func findsIDs(l *storage.Log, s plantmesh.StreamName, due []fact) error {
	if len(due) == 0 {
		return nil
	}
	begin, err := l.Earliest(s, 0)
	if err != nil {
		return err
	}
	last := map[string]plantmesh.Offset{}
	for i, f := range due {
		last[f.id] = plantmesh.Offset(i + 1)
	}
	for id, want := range last {
		o, err := l.Lookup(s, "//plant-a/mes", id)
		if want < begin && !errors.Is(err, plantmesh.ErrEventNotFound) || want >= begin && o != want {
			return fmt.Errorf("id %s is at %d, %w, want %d of a stream that begins at %d", id, o, err, want, begin)
		}
	}
	return nil
}

// replicaHolds checks the replica, and that it goes on to its origin's head.
func (p powerCut) replicaHolds(t *testing.T, l *storage.Log) error {
	head, err := l.Head(copied)
	if errors.Is(err, plantmesh.ErrUnknownStream) && p.before.copied == 0 {
		head.Offset = 0
	} else if err != nil {
		return err
	}
	if head.Offset < p.before.copied || head.Offset > plantmesh.Offset(p.after.copies) {
		return fmt.Errorf("head %d, %d was durable, %d was given", head.Offset, p.before.copied, p.after.copies)
	}
	if err := p.holds(t, l, copied, p.after.sourceFacts[:head.Offset]); err != nil {
		return err
	}
	if int(head.Offset) == len(p.after.source) {
		return nil
	}
	if _, err := l.AppendBlocks(t.Context(), copied, p.after.source[head.Offset:]); err != nil { // a block each
		return err
	}
	return p.holds(t, l, copied, p.after.sourceFacts)
}

// goesOn publishes an event twice.
func (p powerCut) goesOn(t *testing.T, l *storage.Log) error {
	var before plantmesh.Offset
	if head, err := l.Head(production); err == nil {
		before = head.Offset
	}
	for _, again := range []bool{false, true} {
		r, err := l.Append(t.Context(), write(event("after the cut", "x")))
		if err != nil || r[0].Offset != before+1 || r[0].Duplicate != again {
			return fmt.Errorf("published after the cut: %+v, %w; the head was %d", r, err, before)
		}
	}
	_, err := l.Verify(t.Context(), production)
	return err
}
