package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
)

// trimBytes bounds the blocks that one batch removes.
const trimBytes = 8 << 20

// beginning is where what is held of an incarnation begins. The zero value is the beginning of all.
type beginning struct {
	before plantmesh.Offset // last one that is not held; 0: everything is
	chain  plantmesh.Chain  // after before
	stored uint64           // bytes of the blocks up to before
}

const beginningBytes = 8 + 32 + 8

func (b beginning) encode() []byte {
	out := binary.BigEndian.AppendUint64(make([]byte, 0, beginningBytes), uint64(b.before))
	return binary.BigEndian.AppendUint64(append(out, b.chain[:]...), b.stored)
}

func decodeBeginning(b []byte) (beginning, error) {
	if len(b) != beginningBytes {
		return beginning{}, fmt.Errorf("%w: beginning: %d bytes, want %d", errRecord, len(b), beginningBytes)
	}
	return beginning{
		before: plantmesh.Offset(binary.BigEndian.Uint64(b)), chain: plantmesh.Chain(b[8:40]), stored: binary.BigEndian.Uint64(b[40:]),
	}, nil
}

// loadBeginning reads where a stream begins.
func (l *Log) loadBeginning(st *stream) error {
	st.begin.chain = genesis(l.opts.Mesh, st.record.name, st.record.incarnation)
	value, err := l.get(beginningKey(st.number))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err == nil {
		st.begin, err = decodeBeginning(value)
	}
	return err
}

// begins is where what is held of a stream begins now.
func (l *Log) begins(st *stream) beginning {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return st.begin
}

// Earliest is the first offset held of an incarnation, 0 for the current one: 1 unless it was trimmed.
//
// Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged.
func (l *Log) Earliest(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Offset, error) {
	st, _, err := l.lookupOf(s, i)
	if err != nil {
		return 0, err
	}
	return l.begins(st).before + 1, nil
}

// Trim removes whole blocks of an incarnation, 0 for the current one, all of whose events lie before an offset, and with them
// the ids of those events: they may be recorded again. The last block always stays. It returns the first offset that is
// held afterwards. Who reads below it is told so.
//
// Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged, ErrCorruptBlock, ErrStorageFailed; those of ctx.
func (l *Log) Trim(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, before plantmesh.Offset) (plantmesh.Offset, error) {
	l.replicas.open.RLock()
	defer l.replicas.open.RUnlock()
	if l.replicas.closed {
		return 0, fmt.Errorf("trim %s: %w", s, plantmesh.ErrShuttingDown)
	}
	l.trimming.Lock()
	defer l.trimming.Unlock()
	st, head, err := l.lookupOf(s, i)
	if err != nil {
		return 0, err
	}
	for {
		begin := l.begins(st)
		next, batch, err := l.trimStep(ctx, st, head, begin, before)
		if err != nil {
			return begin.before + 1, fmt.Errorf("trim %s before %d: %w", s, before, err)
		}
		if next.before == begin.before {
			return begin.before + 1, batch.Close()
		}
		// Readers are turned away first: what they look for is going.
		l.mu.Lock()
		st.begin = next
		l.mu.Unlock()
		if err := l.commit(batch); err != nil {
			return next.before + 1, err
		}
	}
}

// trimStep fills a batch with what can go at once, and returns where the stream begins then.
func (l *Log) trimStep(ctx context.Context, st *stream, head headRecord, begin beginning, before plantmesh.Offset) (beginning, *pebble.Batch, error) {
	batch := l.db.NewBatch()
	next, own := begin, st.record.name.Origin() == l.opts.Site
	err := l.eachBlock(ctx, st, begin.before, head.offset, func(b *Block) error {
		if b.Last() >= before || b.Last() >= head.offset || next.stored-begin.stored >= trimBytes {
			return errStop
		}
		if own {
			if err := l.eachID(b, func(h idHash, _ plantmesh.Offset) error { return batch.Delete(idKey(st.number, h), nil) }); err != nil {
				return err
			}
		}
		next = beginning{before: b.Last(), chain: b.Chain(), stored: next.stored + uint64(len(b.bytes))}
		return batch.Delete(timeKey(st.number, b.first, b.First()), nil)
	})
	if err == nil && next.before != begin.before {
		err = errors.Join(
			batch.DeleteRange(blockKey(st.number, 0), blockKey(st.number, next.before+1), nil),
			batch.DeleteRange(signedKey(st.number, 0), signedKey(st.number, next.before+1), nil),
			batch.Set(beginningKey(st.number), next.encode(), nil),
		)
	}
	if err != nil {
		_ = batch.Close()
		return begin, nil, err
	}
	return next, batch, nil
}

// BytesBefore returns the offset before which blocks may go so that at least keep bytes of an incarnation stay.
//
// Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged, ErrCorruptBlock; those of ctx.
func (l *Log) BytesBefore(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, keep uint64) (plantmesh.Offset, error) {
	st, head, err := l.lookupOf(s, i)
	if err != nil {
		return 0, err
	}
	begin := l.begins(st)
	before, held := begin.before+1, head.stored-begin.stored
	err = l.eachBlock(ctx, st, begin.before, head.offset, func(b *Block) error {
		if held < keep+uint64(len(b.bytes)) {
			return errStop
		}
		held -= uint64(len(b.bytes))
		before = b.Last() + 1
		return nil
	})
	return before, err
}

// Remove forgets a replica, all its incarnations and checkpoints: its subscription ended, or it is to be fetched anew.
// Readers must have stopped.
//
// Errors: plantmesh.ErrUnknownStream; ErrInvalidRequest for this site's own stream; ErrShuttingDown; ErrStorageFailed.
func (l *Log) Remove(s plantmesh.StreamName) error {
	if s.Origin() == l.opts.Site {
		return fmt.Errorf("remove %s: %w: it is this site's own stream, of which this may be the only copy", s, plantmesh.ErrInvalidRequest)
	}
	l.replicas.open.RLock()
	defer l.replicas.open.RUnlock()
	if l.replicas.closed {
		return fmt.Errorf("remove %s: %w", s, plantmesh.ErrShuttingDown)
	}
	writer := l.replicas.writer(s)
	writer.Lock()
	defer writer.Unlock()
	l.trimming.Lock()
	defer l.trimming.Unlock()
	if _, _, err := l.lookup(s); err != nil {
		return err
	}
	l.mu.Lock()
	all := slices.Concat(l.older[s], []*stream{l.streams[s]})
	delete(l.older, s)
	delete(l.streams, s)
	for _, st := range all {
		l.tail.forget(st)
	}
	changed := l.changed
	l.changed = make(chan struct{})
	l.mu.Unlock()
	close(changed)
	batch := l.db.NewBatch()
	for _, st := range all {
		for _, prefix := range []byte{prefixStream, prefixHead, prefixBlock, prefixTime, prefixSigned, prefixClosed, prefixBegin, prefixException} {
			from := numberKey(prefix, st.number, 5)
			if err := batch.DeleteRange(from, afterPrefix(from), nil); err != nil {
				return errors.Join(err, batch.Close())
			}
		}
	}
	return l.commit(batch)
}
