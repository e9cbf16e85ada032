package storage

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/plantmesh/plantmesh"
)

// Fields of eventv1.Event that make the idempotency key.
const (
	eventID     = 1
	eventSource = 2
)

// Recover adds blocks of this site's own stream that its peers have kept, as AppendBlocks does for a replica: with their
// checkpoints, which prove that this site wrote them. Ids are found again afterwards. The incarnation is closed by it: what
// is published next begins a new one, since peers that could not be asked may hold more of the old one.
//
// An incarnation that this run writes to takes nothing any more: recovery comes before Release, or fills an older one.
//
// Errors: those of AppendBlocks; plantmesh.ErrInvalidRequest for another site's stream; ErrChainDiverged for blocks of the
// incarnation that is being written.
func (l *Log) Recover(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, checkpoints ...plantmesh.Checkpoint) (plantmesh.Head, error) {
	if s.Origin() != l.opts.Site {
		return plantmesh.Head{}, fmt.Errorf("recover %s: %w: it is not this site's", s, plantmesh.ErrInvalidRequest)
	}
	end := plantmesh.Offset(0)
	if len(blocks) > 0 {
		last, err := parseHeader(blocks[len(blocks)-1])
		if err != nil {
			return plantmesh.Head{}, fmt.Errorf("recover %s: %w", s, err)
		}
		end = last.lastOffset()
	}
	if n := len(checkpoints); n == 0 || checkpoints[n-1].Offset < end {
		return plantmesh.Head{}, fmt.Errorf("recover %s: %w: no signature covers the blocks up to offset %d", s, plantmesh.ErrInvalidCheckpoint, end)
	}
	return l.appendVerified(ctx, s, blocks, checkpoints)
}

// recovering takes one of the site's own streams, which must not be in the appender's hands, until done is called.
func (l *Log) recovering(s plantmesh.StreamName) (done func()) {
	a := &l.appender
	filled := make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.filling[s] = filled
	return func() {
		a.mu.Lock()
		delete(a.filling, s)
		a.mu.Unlock()
		close(filled)
	}
}

// recoverable checks that nobody writes the incarnation, and closes it.
func (l *Log) recoverable(p *progress) error {
	a := &l.appender
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.writes[p.stream.record.name] == p.stream.record.incarnation {
		return fmt.Errorf("%w: incarnation %d of %s has been written here since the node started, up to offset %d; its peers hold other events behind %d",
			plantmesh.ErrChainDiverged, p.stream.record.incarnation, p.stream.record.name, p.before.offset, p.before.offset)
	}
	p.closed = len(p.blocks) > 0
	return nil
}

// CloseIncarnation says that an incarnation of one of this site's own streams, which may not be held here yet, takes no more
// events: what is published next begins one above it. It comes before Release.
//
// Errors: plantmesh.ErrChainDiverged if this run writes to it already; plantmesh.ErrStorageFailed; ErrShuttingDown.
func (l *Log) CloseIncarnation(s plantmesh.StreamName, i plantmesh.Incarnation) error {
	l.replicas.open.RLock()
	defer l.replicas.open.RUnlock()
	if l.replicas.closed {
		return fmt.Errorf("close incarnation %d of %s: %w", i, s, plantmesh.ErrShuttingDown)
	}
	defer l.recovering(s)()
	st, head, err := l.lookupOf(s, i)
	if err == nil {
		p := progress{stream: st, before: head, blocks: []*Block{nil}} // what recoverable closes for
		if err := l.recoverable(&p); err != nil {
			return err
		}
		batch := l.db.NewBatch()
		if err := batch.Set(closedKey(st.number), nil, nil); err != nil {
			return errors.Join(err, batch.Close())
		}
		if err := l.commit(batch); err != nil {
			return err
		}
		l.mu.Lock()
		st.closed = true
		l.mu.Unlock()
	}
	a := &l.appender
	a.mu.Lock()
	defer a.mu.Unlock()
	a.above[s] = max(a.above[s], i)
	return nil
}

// eachID calls fn with the hash of every event's id in a block.
func (l *Log) eachID(b *Block, fn func(idHash, plantmesh.Offset) error) error {
	return b.eachEvent(func(r recorded) error {
		var source, id []byte
		err := walkFields(r.event, func(protowire.Number, uint64) {}, func(field protowire.Number, value []byte) error {
			switch field {
			case eventID:
				id = value
			case eventSource:
				source = value
			}
			return nil
		})
		if err != nil {
			return err
		}
		return fn(l.hashID(string(source), string(id)), r.offset)
	})
}

// Hold keeps what is submitted waiting until Release, so that the site's own streams can be recovered first. It is called
// before anything is submitted.
func (l *Log) Hold() {
	l.appender.mu.Lock()
	defer l.appender.mu.Unlock()
	l.appender.held = true
}

// Release lets what was held back, and all that comes, be recorded. It may be called again.
func (l *Log) Release() {
	a := &l.appender
	a.mu.Lock()
	a.held = false
	a.mu.Unlock()
	a.signal()
}

// Refuse answers what is held back, and all that comes, with plantmesh.ErrShuttingDown: the site stops before it knows whether its
// streams are whole. After Release it does nothing.
func (l *Log) Refuse() { l.appender.refuse() }

func (a *appender) refuse() {
	a.mu.Lock()
	var held []*Pending
	if a.held {
		held, a.waiting, a.refused = a.waiting, nil, true
	}
	for _, p := range held {
		a.bytes -= p.bytes
	}
	a.mu.Unlock()
	for _, p := range held {
		p.resolve(fmt.Errorf("append: %w", plantmesh.ErrShuttingDown))
	}
}
