package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Blocks returns the durable blocks that hold offsets behind after, in order: the first may begin before. It returns as
// many as fit maxBytes, but one at least if there is one, none at the head, and never waits. The newest come from memory,
// where all readers share them; the others are read from disk and checked. It ends before a damaged one.
//
// Errors: plantmesh.ErrUnknownStream; *plantmesh.OffsetError behind the head, or before what is held; plantmesh.ErrCorruptBlock
// where the first block is damaged; those of ctx.
func (l *Log) Blocks(ctx context.Context, s plantmesh.StreamName, after plantmesh.Offset, maxBytes int) ([]*Block, error) {
	return l.BlocksOf(ctx, s, 0, after, maxBytes)
}

// BlocksOf is Blocks for an incarnation of the stream, 0 for the current one.
//
// Errors: those of Blocks; plantmesh.ErrIncarnationChanged.
func (l *Log) BlocksOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) ([]*Block, error) {
	st, head, held, ok, err := l.fromTail(s, i, after, maxBytes)
	if err != nil || ok {
		return held, err
	}
	var blocks []*Block
	bytes := 0
	err = l.eachBlock(ctx, st, after, head.offset, func(b *Block) error {
		if bytes += len(b.bytes); bytes > maxBytes && len(blocks) > 0 {
			return errStop
		}
		blocks = append(blocks, b)
		return nil
	})
	if begin := l.begins(st); after < begin.before { // it was trimmed meanwhile
		return nil, trimmedError(st, begin, head, after+1)
	}
	if errors.Is(err, plantmesh.ErrCorruptBlock) && len(blocks) > 0 {
		return blocks, nil // what comes before the damage; the next read meets it
	}
	if err != nil {
		return nil, fmt.Errorf("read %s behind %d: %w", s, after, err)
	}
	return blocks, nil
}

// fromTail answers a read without the disk where it can.
func (l *Log) fromTail(s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) (*stream, headRecord, []*Block, bool, error) {
	st, _, err := l.lookupOf(s, i)
	if err != nil {
		return nil, headRecord{}, nil, false, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	head := st.head
	switch {
	case after > head.offset:
		return nil, head, nil, false, offsetErrorAt(st, st.begin, head, after)
	case after < st.begin.before:
		return nil, head, nil, false, trimmedError(st, st.begin, head, after+1)
	case after == head.offset:
		return st, head, nil, true, nil
	}
	held, ok := l.tail.after(st, after, maxBytes)
	return st, head, held, ok, nil
}

// offsetError says that an offset is not held: it is behind the head, or trimmed.
func (l *Log) offsetError(st *stream, head headRecord, asked plantmesh.Offset) error {
	begin := l.begins(st)
	if asked <= begin.before && asked > 0 {
		return trimmedError(st, begin, head, asked)
	}
	return offsetErrorAt(st, begin, head, asked)
}

func offsetErrorAt(st *stream, begin beginning, head headRecord, asked plantmesh.Offset) error {
	return &plantmesh.OffsetError{Stream: st.record.name, Asked: asked, Earliest: begin.before + 1, End: head.offset, Err: plantmesh.ErrOffsetBeyondHead}
}

func trimmedError(st *stream, begin beginning, head headRecord, asked plantmesh.Offset) error {
	return &plantmesh.OffsetError{Stream: st.record.name, Asked: asked, Earliest: begin.before + 1, End: head.offset, Err: plantmesh.ErrOffsetTrimmed}
}

// RawBlocks is Blocks for replicas: the blocks as stored, which callers must not change. after is 0 or the last offset of
// a block, so that the first block follows on what the replica holds.
//
// Errors: those of Blocks; plantmesh.ErrNotBlockBoundary.
func (l *Log) RawBlocks(ctx context.Context, s plantmesh.StreamName, after plantmesh.Offset, maxBytes int) ([][]byte, error) {
	return l.RawBlocksOf(ctx, s, 0, after, maxBytes)
}

// RawBlocksOf is RawBlocks for an incarnation of the stream, 0 for the current one.
//
// Errors: those of RawBlocks; plantmesh.ErrIncarnationChanged.
func (l *Log) RawBlocksOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) ([][]byte, error) {
	blocks, err := l.BlocksOf(ctx, s, i, after, maxBytes)
	if err != nil {
		return nil, err
	}
	raw := make([][]byte, len(blocks))
	for i, b := range blocks {
		raw[i] = b.bytes
	}
	if len(blocks) > 0 && blocks[0].First() != after+1 {
		return nil, fmt.Errorf("read %s behind %d: %w: its block ends at %d", s, after, plantmesh.ErrNotBlockBoundary, blocks[0].Last())
	}
	return raw, nil
}

// eachBlock reads the stored blocks that hold offsets behind after, up to head, until fn returns an error; errStop ends it
// well.
func (l *Log) eachBlock(ctx context.Context, st *stream, after, head plantmesh.Offset, fn func(*Block) error) error {
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: blockKey(st.number, after+1), UpperBound: blockKey(st.number, head+1)})
	if err != nil {
		return damaged(err)
	}
	defer iter.Close()
	due := plantmesh.Offset(0) // where the next block has to begin
	for iter.First(); iter.Valid(); iter.Next() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		b, err := storedBlock(iter)
		if err != nil {
			return err
		}
		if due != 0 && b.First() != due || due == 0 && b.First() > after+1 {
			return corrupt("no block holds offset %d", max(due, after+1))
		}
		due = b.Last() + 1
		if err := fn(b); errors.Is(err, errStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if err := iter.Error(); err != nil {
		return damaged(err)
	}
	if due != head+1 && after < head {
		return corrupt("no block holds offset %d", max(due, after+1))
	}
	return nil
}

// storedBlock copies the block under an iterator and checks it against its key.
func storedBlock(iter *pebble.Iterator) (*Block, error) {
	_, last, err := parseBlockKey(iter.Key())
	if err != nil {
		return nil, corrupt("%w", err)
	}
	value, err := iter.ValueAndErr()
	if err != nil {
		return nil, damaged(err)
	}
	b, err := ParseBlock(append([]byte(nil), value...))
	if err != nil {
		return nil, fmt.Errorf("stored block that ends at %d: %w", last, err)
	}
	if b.Last() != last {
		return nil, corrupt("stored block that ends at %d says %d", last, b.Last())
	}
	return b, nil
}

// readBlock reads the applied block that holds an offset, durable or not.
func (l *Log) readBlock(n streamNumber, o plantmesh.Offset) (*Block, error) {
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: blockKey(n, o), UpperBound: blockKey(n+1, 0)})
	if err != nil {
		return nil, damaged(err)
	}
	defer iter.Close()
	if !iter.First() {
		if err := iter.Error(); err != nil {
			return nil, damaged(err)
		}
		return nil, corrupt("no block holds offset %d", o)
	}
	b, err := storedBlock(iter)
	if err == nil && b.First() > o {
		err = corrupt("no block holds offset %d", o)
	}
	return b, err
}

// Get returns one durable event. The message is the caller's own.
//
// Errors: plantmesh.ErrUnknownStream; *plantmesh.OffsetError; plantmesh.ErrCorruptBlock.
func (l *Log) Get(s plantmesh.StreamName, o plantmesh.Offset) (*eventv1.RecordedEvent, error) {
	return l.GetOf(s, 0, o)
}

// GetOf is Get for an incarnation of the stream, 0 for the current one.
//
// Errors: those of Get; plantmesh.ErrIncarnationChanged.
func (l *Log) GetOf(s plantmesh.StreamName, i plantmesh.Incarnation, o plantmesh.Offset) (*eventv1.RecordedEvent, error) {
	st, head, err := l.lookupOf(s, i)
	if err != nil {
		return nil, err
	}
	if o == 0 || o > head.offset || o <= l.begins(st).before {
		return nil, l.offsetError(st, head, o)
	}
	l.mu.RLock()
	held, ok := l.tail.after(st, o-1, 0)
	l.mu.RUnlock()
	var b *Block
	if ok && len(held) > 0 {
		b = held[0]
	} else if b, err = l.readBlock(st.number, o); err != nil {
		return nil, fmt.Errorf("read %s@%d: %w", s, o, err)
	}
	return b.Event(o)
}

// Lookup returns the offset of the durable event with a source and id. Only the site's own streams have ids.
//
// Errors: plantmesh.ErrUnknownStream; plantmesh.ErrInvalidRequest for a replica; plantmesh.ErrEventNotFound.
func (l *Log) Lookup(s plantmesh.StreamName, source, id string) (plantmesh.Offset, error) {
	return l.LookupOf(s, 0, source, id)
}

// LookupOf is Lookup for an incarnation of the stream, 0 for the current one.
//
// Errors: those of Lookup; plantmesh.ErrIncarnationChanged.
func (l *Log) LookupOf(s plantmesh.StreamName, i plantmesh.Incarnation, source, id string) (plantmesh.Offset, error) {
	st, head, err := l.lookupOf(s, i)
	if err != nil {
		return 0, err
	}
	if s.Origin() != l.opts.Site {
		return 0, fmt.Errorf("event %q of %s: %w: %s is a replica here, and only its origin finds events by source and id", id, source, plantmesh.ErrInvalidRequest, s)
	}
	ids := newIDReader(l.db)
	defer ids.close()
	o, err := ids.find(st.number, l.hashID(source, id))
	if err != nil {
		return 0, fmt.Errorf("event %q of %s in %s: %w", id, source, s, err)
	}
	if o == 0 || o > head.offset {
		return 0, fmt.Errorf("event %q of %s in %s: %w", id, source, s, plantmesh.ErrEventNotFound)
	}
	return o, nil
}

// OffsetBefore returns the last durable offset that was recorded before t; 0 if none was.
//
// Errors: plantmesh.ErrUnknownStream; plantmesh.ErrCorruptBlock.
func (l *Log) OffsetBefore(s plantmesh.StreamName, t time.Time) (plantmesh.Offset, error) {
	return l.OffsetBeforeOf(s, 0, t)
}

// OffsetBeforeOf is OffsetBefore for an incarnation of the stream, 0 for the current one.
//
// Errors: those of OffsetBefore; plantmesh.ErrIncarnationChanged.
func (l *Log) OffsetBeforeOf(s plantmesh.StreamName, i plantmesh.Incarnation, t time.Time) (plantmesh.Offset, error) {
	st, head, err := l.lookupOf(s, i)
	if err != nil {
		return 0, err
	}
	if t.After(time.Unix(0, head.time)) {
		return head.offset, nil
	}
	o, err := l.offsetBefore(st, head, t)
	if err != nil {
		return 0, fmt.Errorf("read %s before %v: %w", s, t, err)
	}
	return o, nil
}

// PositionBefore finds the place behind which the first event stands that was recorded at a time or after it, in whichever incarnation.
//
// Errors: those of OffsetBefore.
func (l *Log) PositionBefore(s plantmesh.StreamName, t time.Time) (Position, error) {
	all, err := l.Incarnations(s)
	if err != nil {
		return Position{}, err
	}
	for i, head := range all {
		if i == len(all)-1 || !head.Time.Before(t) {
			offset, err := l.OffsetBeforeOf(s, head.Incarnation, t)
			return Position{Incarnation: head.Incarnation, Offset: offset}, err
		}
	}
	return Position{}, fmt.Errorf("%w: %s", plantmesh.ErrUnknownStream, s)
}

// offsetBefore looks into the last block that begins before t: every later one begins at t or after it.
func (l *Log) offsetBefore(st *stream, head headRecord, t time.Time) (plantmesh.Offset, error) {
	if t.Before(time.Unix(0, -1<<62)) {
		return 0, nil // before anything that nanoseconds since 1970 can hold
	}
	ns := t.UnixNano()
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: numberKey(prefixTime, st.number, 5), UpperBound: timeKey(st.number, ns, 0)})
	if err != nil {
		return 0, damaged(err)
	}
	defer iter.Close()
	if !iter.Last() {
		return min(l.begins(st).before, head.offset), damaged(iter.Error())
	}
	_, _, base, err := parseTimeKey(iter.Key())
	if err != nil {
		return 0, corrupt("%w", err)
	}
	if base > head.offset {
		return head.offset, nil // a block that is not durable yet
	}
	b, err := l.readBlock(st.number, base)
	if err != nil {
		return 0, err
	}
	before := b.First() - 1
	err = b.eachEvent(func(r recorded) error {
		if r.time >= ns {
			return errStop
		}
		before = r.offset
		return nil
	})
	return min(before, head.offset), err
}

// ChainAt returns the chain value after an offset, computed from the stored block that ends there, or 0's: the value a
// stream begins with.
//
// Errors: plantmesh.ErrUnknownStream; *plantmesh.OffsetError; plantmesh.ErrNotBlockBoundary; plantmesh.ErrCorruptBlock.
func (l *Log) ChainAt(ctx context.Context, s plantmesh.StreamName, o plantmesh.Offset) (plantmesh.Chain, error) {
	return l.ChainOf(ctx, s, 0, o)
}

// ChainOf is ChainAt for an incarnation of the stream, 0 for the current one.
//
// Errors: those of ChainAt; plantmesh.ErrIncarnationChanged.
func (l *Log) ChainOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, o plantmesh.Offset) (plantmesh.Chain, error) {
	st, head, err := l.lookupOf(s, i)
	if err != nil {
		return plantmesh.Chain{}, err
	}
	if err := context.Cause(ctx); err != nil {
		return plantmesh.Chain{}, err
	}
	begin := l.begins(st)
	if o == begin.before {
		return begin.chain, nil
	}
	if o > head.offset || o < begin.before {
		return plantmesh.Chain{}, l.offsetError(st, head, o)
	}
	b, err := l.readBlock(st.number, o)
	if err != nil {
		return plantmesh.Chain{}, fmt.Errorf("chain of %s@%d: %w", s, o, err)
	}
	if b.Last() != o {
		return plantmesh.Chain{}, fmt.Errorf("chain of %s@%d: %w: its block ends at %d", s, o, plantmesh.ErrNotBlockBoundary, b.Last())
	}
	return b.Chain(), nil
}
