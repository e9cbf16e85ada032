package storage

import (
	"context"
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

// stop refuses new appends and waits for those that go on.
func (r *replicaWriters) stop() {
	r.open.Lock()
	defer r.open.Unlock()
	r.closed = true
}

// AppendBlocks adds blocks of another site's stream to its replica, as a whole or not at all, and returns the new head.
// When it returns without an error they are durable. Each block is checked: its checksum, that it follows on the one
// before by offset, incarnation, chain and time, and that its payload says the same as its header. The first blocks of an
// unknown stream, which begin at offset 1, create the replica. The log keeps the slices; they must not be changed any more.
//
// Errors: plantmesh.ErrCorruptBlock; ErrChainDiverged, also where offsets do not follow; ErrIncarnationChanged;
// ErrInvalidRequest for a stream of this site; ErrStorageFailed; ErrShuttingDown; storage.ErrNewerFormat; those of ctx.
func (l *Log) AppendBlocks(ctx context.Context, s plantmesh.StreamName, blocks [][]byte) (plantmesh.Head, error) {
	l.replicas.open.RLock()
	defer l.replicas.open.RUnlock()
	if l.replicas.closed {
		return plantmesh.Head{}, fmt.Errorf("append to replica %s: %w", s, plantmesh.ErrShuttingDown)
	}
	w := l.replicas.writer(s)
	w.Lock()
	defer w.Unlock()
	p, err := l.verifyBlocks(ctx, s, blocks)
	if err == nil {
		err = l.commitReplica(p)
	}
	if err != nil {
		return plantmesh.Head{}, fmt.Errorf("append to replica %s: %w", s, err)
	}
	return p.head.head(p.stream.record), nil
}

// verifyBlocks checks blocks against the replica's head and against each other.
func (l *Log) verifyBlocks(ctx context.Context, s plantmesh.StreamName, raw [][]byte) (progress, error) {
	if s.Origin() == l.opts.Site {
		return progress{}, fmt.Errorf("%w: it is this site's own stream, which only its appender writes", plantmesh.ErrInvalidRequest)
	}
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
			p = l.replica(s, b)
		}
		if err := p.follow(b); err != nil {
			return progress{}, err
		}
	}
	if len(raw) == 0 {
		st, head, err := l.lookup(s)
		return progress{stream: st, head: head}, err
	}
	return p, nil
}

// replica is where a replica stands; an unknown stream stands at the beginning of the incarnation that comes.
func (l *Log) replica(s plantmesh.StreamName, first *Block) progress {
	if st, head, err := l.lookup(s); err == nil {
		return progress{stream: st, head: head}
	}
	record := streamRecord{name: s, incarnation: first.Incarnation()}
	return progress{
		stream: &stream{record: record},
		head:   headRecord{chain: genesis(l.opts.Mesh, s, record.incarnation), time: first.first},
	}
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
	if len(p.blocks) == 0 {
		return nil
	}
	if err := l.Err(); err != nil {
		return err
	}
	batch := l.db.NewBatch()
	if err := l.fillReplica(batch, p); err != nil {
		return err
	}
	err := l.db.ApplyNoSyncWait(batch, pebble.Sync)
	if err == nil {
		err = batch.SyncWait()
	}
	if err == nil {
		err = batch.Close()
	}
	if err != nil {
		l.fail(&failure{dir: l.dir, cause: err})
	}
	if err := l.Err(); err != nil { // also what the disk reported and Pebble was not told
		return err
	}
	l.publish([]progress{p})
	return nil
}

func (l *Log) fillReplica(batch *pebble.Batch, p progress) error {
	if p.stream.number == 0 {
		p.stream.number = l.nextNumber()
		if err := batch.Set(streamKey(p.stream.number), p.stream.record.encode(), nil); err != nil {
			return err
		}
	}
	for _, b := range p.blocks {
		if err := putBlock(batch, p.stream.number, b); err != nil {
			return err
		}
	}
	return batch.Set(headKey(p.stream.number), p.head.encode(), nil)
}
