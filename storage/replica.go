package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
)

// replicaWriters lets one append at a time go on for each replica. Different replicas append side by side and share
// Pebble's fsyncs.
type replicaWriters struct {
	open   sync.RWMutex // held for reading during an append
	closed bool         // guarded by open

	commits sync.WaitGroup // handed to Pebble and not done

	mu     sync.Mutex
	byName map[plantmesh.StreamName]*sync.Mutex
}

func (r *replicaWriters) writer(s plantmesh.StreamName) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byName == nil {
		r.byName = map[plantmesh.StreamName]*sync.Mutex{}
	}
	w, ok := r.byName[s]
	if !ok {
		w = &sync.Mutex{}
		r.byName[s] = w
	}
	return w
}

// stop refuses new appends and waits for those that go on. It returns false if some of what they handed over hangs in the
// storage engine because the log has failed.
func (r *replicaWriters) stop(failed <-chan struct{}) bool {
	r.open.Lock()
	r.closed = true
	r.open.Unlock()
	return endUnlessHung(&r.commits, failed)
}

// AppendBlocks adds blocks of another site's stream to its replica, as a whole or not at all, and returns the new head.
// When it returns without an error they are durable. Each block is checked: its checksum, that it follows on the one
// before by offset, incarnation, chain and time, and that its payload says the same as its header. Blocks of an incarnation
// that is not held begin it, at offset 1. The log keeps the slices; they must not be changed any more.
//
// Checkpoints, ascending, have to agree with the chain at the ends of blocks that they name, the head before included. Their
// signatures must have been verified.
//
// Errors: plantmesh.ErrCorruptBlock; ErrChainDiverged, also where offsets do not follow or a checkpoint does not agree;
// ErrIncarnationChanged for blocks of an incarnation not held that do not begin it; ErrInvalidRequest for a stream of this
// site; ErrDiskReserve; ErrStorageFailed; ErrShuttingDown; storage.ErrNewerFormat; those of ctx.
func (l *Log) AppendBlocks(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, checkpoints ...plantmesh.Checkpoint) (plantmesh.Head, error) {
	if s.Origin() == l.opts.Site {
		return plantmesh.Head{}, fmt.Errorf("append to replica %s: %w: it is this site's own stream, which only its appender writes", s, plantmesh.ErrInvalidRequest)
	}
	return l.appendVerified(ctx, s, blocks, checkpoints)
}

func (l *Log) appendVerified(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, checkpoints []plantmesh.Checkpoint) (plantmesh.Head, error) {
	l.replicas.open.RLock()
	defer l.replicas.open.RUnlock()
	if l.replicas.closed {
		return plantmesh.Head{}, fmt.Errorf("append to replica %s: %w", s, plantmesh.ErrShuttingDown)
	}
	w := l.replicas.writer(s)
	w.Lock()
	defer w.Unlock()
	if s.Origin() == l.opts.Site {
		defer l.recovering(s)()
	}
	size := 0
	for _, b := range blocks {
		size += len(b)
	}
	if err := l.reserve.admit(size); err != nil {
		return plantmesh.Head{}, fmt.Errorf("append to replica %s: %w", s, err)
	}
	p, err := l.verifyBlocks(ctx, s, blocks, len(checkpoints) > 0)
	if err == nil {
		err = p.prove(checkpoints)
	}
	if err == nil && s.Origin() == l.opts.Site {
		err = l.recoverable(&p)
	}
	if err == nil {
		err = l.commitReplica(p)
	}
	if err != nil {
		return plantmesh.Head{}, fmt.Errorf("append to replica %s: %w", s, err)
	}
	return p.head.head(p.stream.record), nil
}

// verifyBlocks checks blocks against the replica's head and against each other.
func (l *Log) verifyBlocks(ctx context.Context, s plantmesh.StreamName, raw [][]byte, proven bool) (progress, error) {
	if _, err := plantmesh.ParseStreamName(string(s)); err != nil {
		return progress{}, fmt.Errorf("%w: %w", plantmesh.ErrInvalidRequest, err)
	}
	var p progress
	for i, bytes := range raw {
		if err := context.Cause(ctx); err != nil {
			return progress{}, err
		}
		b, err := ParseBlock(bytes)
		if err != nil {
			return progress{}, err
		}
		if i == 0 {
			p, err = l.replica(s, b, proven)
			if err != nil {
				return progress{}, err
			}
		}
		if err := p.follow(b); err != nil {
			return progress{}, err
		}
	}
	if len(raw) == 0 {
		st, head, err := l.lookup(s)
		return progress{stream: st, head: head, before: head}, err
	}
	return p, nil
}

// replica is where a replica stands; an incarnation that is not held stands at its beginning or, if a signature proves the
// blocks, where they begin: what was before is not retained any more where they come from.
//
// Errors: plantmesh.ErrIncarnationChanged.
func (l *Log) replica(s plantmesh.StreamName, first *Block, proven bool) (progress, error) {
	st, head, err := l.lookupOf(s, first.Incarnation())
	switch {
	case err == nil:
		return progress{stream: st, head: head, before: head}, nil
	case first.First() != 1 && proven:
		begin := beginning{before: first.First() - 1, chain: first.Previous()}
		head := headRecord{offset: begin.before, chain: begin.chain, time: first.first}
		record := streamRecord{name: s, incarnation: first.Incarnation()}
		return progress{stream: &stream{record: record, begin: begin}, head: head, before: head, begin: begin}, nil
	case errors.Is(err, plantmesh.ErrIncarnationChanged) && first.First() != 1:
		return progress{}, fmt.Errorf("%w: the block of incarnation %d begins at offset %d: %w", plantmesh.ErrIncarnationChanged, first.Incarnation(), first.First(), err)
	}
	record := streamRecord{name: s, incarnation: first.Incarnation()}
	begin := beginning{chain: genesis(l.opts.Mesh, s, record.incarnation)}
	head = headRecord{chain: begin.chain, time: first.first}
	return progress{stream: &stream{record: record, begin: begin}, head: head, before: head}, nil
}

// prove holds checkpoints against the chain at the ends of the blocks.
func (p *progress) prove(all []plantmesh.Checkpoint) error {
	next, at := 0, p.before
	for _, c := range all {
		for ; next < len(p.blocks) && at.offset < c.Offset; next++ {
			b := p.blocks[next]
			at = headRecord{offset: b.Last(), stored: at.stored + uint64(len(b.bytes)), chain: b.Chain()}
		}
		if c.Stream != p.stream.record.name || c.Incarnation != p.stream.record.incarnation || c.Offset != at.offset || c.Chain != at.chain {
			return fmt.Errorf("%w: the origin signed chain %s after offset %d of incarnation %d, the blocks have %s after offset %d of incarnation %d",
				plantmesh.ErrChainDiverged, c.Chain, c.Offset, c.Incarnation, at.chain, at.offset, p.stream.record.incarnation)
		}
		if c.Offset > 0 {
			p.signed = append(p.signed, signedRecord{offset: c.Offset, stored: at.stored, signed: c.Signed})
		}
	}
	return nil
}

// follow takes a block if it continues the stream.
func (p *progress) follow(b *Block) error {
	switch {
	case b.Incarnation() != p.stream.record.incarnation:
		return fmt.Errorf("%w: the replica has %d, the block %d", plantmesh.ErrIncarnationChanged, p.stream.record.incarnation, b.Incarnation())
	case b.First() != p.head.offset+1:
		return fmt.Errorf("%w: block of offsets %d to %d does not follow on the head, %d", plantmesh.ErrChainDiverged, b.First(), b.Last(), p.head.offset)
	case b.Previous() != p.head.chain:
		return fmt.Errorf("%w: after offset %d the replica has chain %s, the block continues %s", plantmesh.ErrChainDiverged, p.head.offset, p.head.chain, b.Previous())
	case b.first < p.head.time:
		return corrupt("block of offsets %d to %d was recorded before the head", b.First(), b.Last())
	}
	if err := b.verifyPayload(p.stream.record.name); err != nil {
		return err
	}
	p.head = headRecord{offset: b.Last(), time: b.last, stored: p.head.stored + uint64(len(b.bytes)), chain: b.Chain()}
	p.blocks = append(p.blocks, b)
	return nil
}

// commitReplica makes verified blocks durable and then visible.
func (l *Log) commitReplica(p progress) error {
	if len(p.blocks) == 0 && len(p.signed) == 0 {
		return nil
	}
	if err := l.Err(); err != nil {
		return err
	}
	batch := l.db.NewBatch()
	if err := l.fillReplica(batch, p); err != nil {
		return err
	}
	if err := l.commit(batch); err != nil {
		return err
	}
	l.publish([]progress{p})
	return nil
}

// commit makes a batch durable. If the log fails meanwhile it does not wait: on a disk that has failed Pebble may never come
// back with a write that waits for room. What was handed over then is left to it, and Close abandons the folder.
//
// Errors: plantmesh.ErrStorageFailed.
func (l *Log) commit(batch *pebble.Batch) error { return l.commitAs(batch, pebble.Sync) }

// commitAs is commit, with or without waiting for the disk.
func (l *Log) commitAs(batch *pebble.Batch, how *pebble.WriteOptions) error {
	done := make(chan error, 1)
	l.replicas.commits.Go(func() { done <- errors.Join(l.db.Apply(batch, how), batch.Close()) })
	select {
	case err := <-done:
		if err != nil {
			l.fail(&failure{dir: l.dir, cause: err})
		}
	case <-l.failed:
	}
	return l.Err() // also what the disk reported and Pebble was not told
}

func (l *Log) fillReplica(batch *pebble.Batch, p progress) error {
	if p.stream.number == 0 {
		p.stream.number = l.nextNumber()
		if err := batch.Set(streamKey(p.stream.number), p.stream.record.encode(), nil); err != nil {
			return err
		}
	}
	if p.begin.before > 0 {
		if err := batch.Set(beginningKey(p.stream.number), p.begin.encode(), nil); err != nil {
			return err
		}
	}
	own := p.stream.record.name.Origin() == l.opts.Site
	for _, b := range p.blocks {
		if err := putBlock(batch, p.stream.number, b); err != nil {
			return err
		}
		if !own {
			continue
		}
		if err := l.eachID(b, func(h idHash, o plantmesh.Offset) error {
			return batch.Set(idKey(p.stream.number, h), encodeOffset(o), nil)
		}); err != nil {
			return err
		}
	}
	l.mu.RLock()
	signed := p.stream.signed
	l.mu.RUnlock()
	if err := signed.put(batch, p.stream.number, p.signed); err != nil {
		return err
	}
	if p.closed {
		if err := batch.Set(closedKey(p.stream.number), nil, nil); err != nil {
			return err
		}
	}
	return batch.Set(headKey(p.stream.number), p.head.encode(), nil)
}
