package storage

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
)

// staging is a group while it is filled.
type staging struct {
	*appender
	group *group
	ids   *idReader
	now   int64
	seen  map[stagedKey]*staged // new ids of this group
	runs  []*run
	byOut map[*writer]*run
}

type stagedKey struct {
	number streamNumber
	hash   idHash
}

// staged is a new event of this group.
type staged struct {
	entry  *pendingEntry
	offset plantmesh.Offset // set when its write is accepted
	time   int64
}

// run is what the group adds to one stream.
type run struct {
	writer *writer
	events []*staged
}

// fill decides on every write of a group and puts the accepted ones into a batch. An error means that the batch cannot
// be made; one that concerns a single write only refuses that write.
func (a *appender) fill(g *group) error {
	a.retire()
	s := &staging{
		appender: a, group: g, now: a.log.opts.Now().UnixNano(),
		ids: newIDReader(a.log.db), seen: map[stagedKey]*staged{}, byOut: map[*writer]*run{},
	}
	defer s.ids.close()
	var cursors []Cursor
	for i, p := range g.writes {
		if g.refused[i] = s.accept(p); g.refused[i] == nil {
			cursors = append(cursors, p.cursors...)
		}
	}
	if len(s.runs) == 0 && len(cursors) == 0 {
		return nil
	}
	g.batch = a.log.db.NewBatch()
	for _, r := range s.runs {
		if err := s.write(r); err != nil {
			return err
		}
	}
	for _, c := range cursors {
		if err := setCursor(g.batch, c); err != nil {
			return err
		}
	}
	return nil
}

// accept decides on one write: all of it or nothing.
func (s *staging) accept(p *Pending) error {
	receipts := make([]Receipt, len(p.entries))
	fresh := make([]*staged, len(p.entries)) // new ones, and those that repeat another entry of this group
	for i := range p.entries {
		first, receipt, err := s.decide(i, &p.entries[i])
		if err != nil {
			s.forget(p, fresh[:i])
			return err
		}
		fresh[i], receipts[i] = first, receipt
	}
	s.assign(p, receipts, fresh)
	return nil
}

// decide tells what an entry is: new, a repetition within this group (then what it returns is the first of them), or a
// duplicate of what is recorded, whose receipt is complete.
func (s *staging) decide(index int, e *pendingEntry) (*staged, Receipt, error) {
	w := s.writer(e.stream)
	key := stagedKey{w.stream.number, e.hash}
	conflict := &plantmesh.ConflictError{Source: e.source, ID: e.id, Stream: e.stream, Index: index}
	if first, ok := s.seen[key]; ok {
		if !sameContent(first.entry.event, e.event) {
			conflict.Offset = first.offset
			return nil, Receipt{}, conflict
		}
		return first, Receipt{Duplicate: true}, nil
	}
	original, where, err := s.original(w, e)
	if err != nil {
		return nil, Receipt{}, err
	}
	if original == nil {
		first := &staged{entry: e}
		s.seen[key] = first
		return first, Receipt{}, nil
	}
	if !sameContent(original.event, e.event) {
		conflict.Offset = original.offset
		return nil, Receipt{}, conflict
	}
	return nil, Receipt{Incarnation: where, Offset: original.offset, RecordedTime: time.Unix(0, original.time).UTC(), Duplicate: true}, nil
}

// forget takes the ids of a refused write back.
func (s *staging) forget(p *Pending, fresh []*staged) {
	for i, f := range fresh {
		if f != nil && f.entry == &p.entries[i] {
			delete(s.seen, stagedKey{s.writer(f.entry.stream).stream.number, f.entry.hash})
		}
	}
}

// assign gives the new events of an accepted write their offsets and time.
func (s *staging) assign(p *Pending, receipts []Receipt, fresh []*staged) {
	for i := range p.entries {
		w := s.writer(p.entries[i].stream)
		if f := fresh[i]; f != nil {
			if f.offset == 0 {
				w.head.offset++
				w.head.time = max(w.head.time, s.now) // the clock may jump back, recorded time does not
				f.offset, f.time = w.head.offset, w.head.time
				s.run(w).events = append(s.run(w).events, f)
			}
			receipts[i].Offset, receipts[i].RecordedTime = f.offset, time.Unix(0, f.time).UTC()
		}
		receipts[i].Stream = w.stream.record.name
		if receipts[i].Incarnation == 0 { // but that of an original is where it is recorded
			receipts[i].Incarnation = w.stream.record.incarnation
		}
	}
	p.receipts = receipts
}

func (s *staging) run(w *writer) *run {
	r, ok := s.byOut[w]
	if !ok {
		r = &run{writer: w}
		s.byOut[w] = r
		s.runs = append(s.runs, r)
	}
	return r
}

// retire lets go of streams of which a newer incarnation was recovered: the clock was behind when the one that is written began.
// The next event begins one above both, for that is where readers are.
func (a *appender) retire() {
	a.log.mu.RLock()
	defer a.log.mu.RUnlock()
	for name, w := range a.writers {
		current := a.log.streams[name]
		if current != nil && current.record.incarnation > w.stream.record.incarnation && slices.Contains(a.log.older[name], w.stream) {
			delete(a.writers, name)
		}
	}
}

// writer finds the appender's view of a stream, which from then on nobody else writes. A new stream begins here, and a new
// incarnation of one that was recovered; it comes into being with its first block.
func (a *appender) writer(name plantmesh.StreamName) *writer {
	w, ok := a.writers[name]
	if ok {
		return w
	}
	a.mu.Lock()
	for a.filling[name] != nil { // a recovery lasts for one fsync
		filled := a.filling[name]
		a.mu.Unlock()
		<-filled
		a.mu.Lock()
	}
	defer a.mu.Unlock()
	l := a.log
	l.mu.RLock()
	current := l.streams[name]
	if current != nil && !current.closed {
		w = &writer{stream: current, head: current.head}
	}
	l.mu.RUnlock()
	if w == nil {
		record := streamRecord{name: name, incarnation: plantmesh.Incarnation(max(1, l.opts.Now().UnixNano()))}
		if current != nil {
			record.incarnation = max(record.incarnation, current.record.incarnation+1)
		}
		if above, ok := a.above[name]; ok {
			record.incarnation = max(record.incarnation, above+1)
		}
		begin := beginning{chain: genesis(l.opts.Mesh, name, record.incarnation)}
		w = &writer{
			stream: &stream{number: l.nextNumber(), record: record, begin: begin},
			head:   headRecord{chain: begin.chain},
		}
	}
	a.writers[name], a.writes[name] = w, w.stream.record.incarnation
	return w
}

// write puts the events of one stream into the batch: blocks, indexes and head.
func (s *staging) write(r *run) error {
	w, batch := r.writer, s.group.batch
	number, record := w.stream.number, w.stream.record
	if r.events[0].offset == 1 {
		if err := batch.Set(streamKey(number), record.encode(), nil); err != nil {
			return err
		}
	}
	var blocks []*Block
	for rest := r.events; len(rest) > 0; {
		var b *Block
		b, rest = s.cut(w, rest)
		w.head.chain, w.head.stored = b.Chain(), w.head.stored+uint64(len(b.bytes))
		blocks = append(blocks, b)
		if err := putBlock(batch, number, b); err != nil {
			return err
		}
	}
	for _, e := range r.events {
		if err := putID(batch, number, e); err != nil {
			return err
		}
	}
	exception, err := putException(batch, number, r.events)
	if err != nil {
		return err
	}
	s.group.progress = append(s.group.progress, progress{stream: w.stream, head: w.head, blocks: blocks, exception: exception})
	return batch.Set(headKey(number), w.head.encode(), nil)
}

// cut makes a block of as many events as fit one, and returns the rest.
func (s *staging) cut(w *writer, events []*staged) (*Block, []*staged) {
	record := w.stream.record
	site := record.name.Origin()
	size, n := len(record.name)+recordedOverhead, 0
	for _, e := range events {
		size += len(e.entry.event) + len(site) + recordedOverhead
		if n > 0 && size > s.log.opts.MaxBlockBytes {
			break
		}
		n++
	}
	payload := appendPayloadStart(make([]byte, 0, size), record.name, record.incarnation)
	for _, e := range events[:n] {
		payload = appendRecorded(payload, e.offset, e.time, site, e.entry.event)
	}
	h := header{
		incarnation: record.incarnation, base: events[0].offset, count: uint32(n),
		first: events[0].time, last: events[n-1].time, previous: w.head.chain,
	}
	return buildBlock(h, payload), events[n:]
}

// putBlock stores a block and its entry in the time index.
func putBlock(batch *pebble.Batch, number streamNumber, b *Block) error {
	if err := batch.Set(blockKey(number, b.Last()), b.bytes, nil); err != nil {
		return err
	}
	return batch.Set(timeKey(number, b.first, b.First()), nil, nil)
}

// putID stores an id without building key and value on the heap first.
func putID(batch *pebble.Batch, number streamNumber, e *staged) error {
	op := batch.SetDeferred(1+4+len(idHash{}), 8)
	op.Key[0] = prefixID
	binary.BigEndian.PutUint32(op.Key[1:], uint32(number))
	copy(op.Key[5:], e.entry.hash[:])
	binary.BigEndian.PutUint64(op.Value, uint64(e.offset))
	return op.Finish()
}
