package storage

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/plantmesh/plantmesh"
)

// A stream whose origin lost its disk goes on in a new incarnation. The older ones stay, closed, under stream numbers of their
// own, so that readers get all of the history in order.

// hold puts an incarnation in its place. l.mu is held, or nobody else knows l yet.
func (l *Log) hold(st *stream) {
	name := st.record.name
	current := l.streams[name]
	switch {
	case current == st:
	case current == nil:
		l.streams[name] = st
	case current.record.incarnation < st.record.incarnation:
		l.older[name] = append(l.older[name], current)
		l.streams[name] = st
	case !slices.Contains(l.older[name], st):
		l.older[name] = append(l.older[name], st)
	}
	slices.SortFunc(l.older[name], func(a, b *stream) int { return cmp.Compare(a.record.incarnation, b.record.incarnation) })
}

// lookup returns the current incarnation of a stream and its durable head.
//
// Errors: plantmesh.ErrUnknownStream.
func (l *Log) lookup(s plantmesh.StreamName) (*stream, headRecord, error) { return l.lookupOf(s, 0) }

// lookupOf returns an incarnation of a stream, 0 for the current one, and its durable head.
//
// Errors: plantmesh.ErrUnknownStream; plantmesh.ErrIncarnationChanged where other incarnations are held.
func (l *Log) lookupOf(s plantmesh.StreamName, i plantmesh.Incarnation) (*stream, headRecord, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	st, ok := l.streams[s]
	if !ok {
		return nil, headRecord{}, fmt.Errorf("%w: %s is not held at %s", plantmesh.ErrUnknownStream, s, l.opts.Site)
	}
	if i == 0 || i == st.record.incarnation {
		return st, st.head, nil
	}
	for _, older := range l.older[s] {
		if older.record.incarnation == i {
			return older, older.head, nil
		}
	}
	return nil, headRecord{}, fmt.Errorf("%w: incarnation %d of %s is not held at %s, whose current one is %d",
		plantmesh.ErrIncarnationChanged, i, s, l.opts.Site, st.record.incarnation)
}

// olderOf returns the incarnations in which an id may be recorded besides the one that is being written: all that are held,
// for until the first block of a new one, the one before is the current.
func (l *Log) olderOf(s plantmesh.StreamName) []*stream {
	l.mu.RLock()
	defer l.mu.RUnlock()
	current := l.streams[s]
	if current == nil || !current.closed && len(l.older[s]) == 0 {
		return nil
	}
	return append(slices.Clone(l.older[s]), current)
}

// Heads returns the durable heads of all streams' current incarnations, ordered by name.
func (l *Log) Heads() []plantmesh.Head {
	infos := l.Streams()
	heads := make([]plantmesh.Head, len(infos))
	for i, info := range infos {
		heads[i] = info.Head
	}
	return heads
}

// AllHeads returns the durable heads of all incarnations of all streams, ordered by name and incarnation.
func (l *Log) AllHeads() []plantmesh.Head {
	l.mu.RLock()
	defer l.mu.RUnlock()
	heads := make([]plantmesh.Head, 0, len(l.streams))
	for _, name := range slices.Sorted(maps.Keys(l.streams)) {
		heads = append(heads, l.incarnations(name)...)
	}
	return heads
}

// Incarnations returns the durable heads of all incarnations of a stream, oldest first. The last is the current one.
//
// Errors: plantmesh.ErrUnknownStream.
func (l *Log) Incarnations(s plantmesh.StreamName) ([]plantmesh.Head, error) {
	if _, _, err := l.lookup(s); err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.incarnations(s), nil
}

func (l *Log) incarnations(s plantmesh.StreamName) []plantmesh.Head {
	var heads []plantmesh.Head
	for _, st := range append(slices.Clone(l.older[s]), l.streams[s]) {
		heads = append(heads, st.head.head(st.record))
	}
	return heads
}

// Head returns the durable head of a stream's current incarnation.
//
// Errors: plantmesh.ErrUnknownStream.
func (l *Log) Head(s plantmesh.StreamName) (plantmesh.Head, error) { return l.HeadOf(s, 0) }

// HeadOf returns the durable head of an incarnation of a stream, 0 for the current one.
//
// Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged.
func (l *Log) HeadOf(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Head, error) {
	st, head, err := l.lookupOf(s, i)
	if err != nil {
		return plantmesh.Head{}, err
	}
	return head.head(st.record), nil
}
