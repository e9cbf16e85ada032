package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Entry is one event for one of the site's own streams. The event must have been validated; neither it nor
// anything else of a Write is kept.
type Entry struct {
	Stream plantmesh.StreamName
	Event  *eventv1.Event
}

// Cursor is a named value that is committed together with events: how far their source has been read. Each name belongs
// to one owner.
type Cursor struct {
	Name  string
	Value []byte // empty removes it
}

// Write is recorded as a whole or not at all, across streams.
type Write struct {
	Entries []Entry
	Cursors []Cursor
}

// Receipt says where an event is recorded.
type Receipt struct {
	Stream       plantmesh.StreamName
	Incarnation  plantmesh.Incarnation
	Offset       plantmesh.Offset
	RecordedTime time.Time
	Duplicate    bool // it was recorded before
}

// Pending is a Write on its way to the disk.
type Pending struct {
	entries  []pendingEntry
	cursors  []Cursor
	bytes    int
	log      *Log
	done     chan struct{}
	receipts []Receipt // set before done is closed
	err      error     // set before done is closed
}

// pendingEntry is an event, serialized and hashed by the goroutine that submits it.
type pendingEntry struct {
	stream     plantmesh.StreamName
	source, id string
	hash       idHash
	event      []byte
	exception  bool // the catalog marks its type as one
}

// maxEventBytes bounds one serialized event, so that its block can be read again everywhere.
const maxEventBytes = MaxBlockBytesLimit

// entryOverhead is what an entry costs beside its bytes.
const entryOverhead = 128

// Append records a write. When it returns without an error, every event of it is durable; events that were recorded
// before are answered with where they are. When ctx ends first the outcome is unknown: the same Write may be appended
// again.
//
// Errors: *plantmesh.ConflictError with the index of the entry; plantmesh.ErrInvalidRequest for a stream of another site;
// ErrBatchTooLarge for an event that no block can hold; ErrDiskReserve, but not for what is recorded already; ErrTooManyPending while the disk cannot keep up; ErrShuttingDown;
// ErrStorageFailed; those of ctx.
func (l *Log) Append(ctx context.Context, w Write) ([]Receipt, error) {
	p, err := l.Submit(w)
	if err != nil {
		return nil, err
	}
	return p.Wait(ctx)
}

// Submit hands a write over and does not wait. Writes of one goroutine are recorded in the order submitted.
//
// Errors: as of Append, as far as they are known at once.
func (l *Log) Submit(w Write) (*Pending, error) {
	p := &Pending{entries: make([]pendingEntry, len(w.Entries)), log: l, done: make(chan struct{})}
	for i, e := range w.Entries {
		if e.Stream.Origin() != l.opts.Site {
			return nil, fmt.Errorf("append to %s: %w: only its origin writes a stream, and this is %s", e.Stream, plantmesh.ErrInvalidRequest, l.opts.Site)
		}
		event, err := proto.MarshalOptions{Deterministic: true}.Marshal(e.Event)
		if err != nil {
			return nil, fmt.Errorf("append to %s: event %q: %w: %w", e.Stream, e.Event.GetId(), plantmesh.ErrInvalidEvent, err)
		}
		if len(event) > maxEventBytes {
			return nil, fmt.Errorf("append to %s: event %q: %w: it has %d bytes, the limit is %d", e.Stream, e.Event.GetId(), plantmesh.ErrBatchTooLarge, len(event), maxEventBytes)
		}
		p.entries[i] = pendingEntry{stream: e.Stream, source: e.Event.GetSource(), id: e.Event.GetId(), hash: l.hashID(e.Event.GetSource(), e.Event.GetId()), event: event}
		if t, err := plantmesh.LookupEventType(e.Event.GetType()); err == nil {
			p.entries[i].exception = t.Exception
		}
		p.bytes += len(event) + entryOverhead
	}
	if len(p.entries) > 0 {
		if err := l.reserve.admit(p.bytes); err != nil {
			known := false
			if open := l.appender.whileOpen(func() { known = l.allRecorded(p.entries) }); open && !known {
				return nil, fmt.Errorf("append: %w", err)
			}
		}
	}
	for _, c := range w.Cursors {
		p.cursors = append(p.cursors, Cursor{Name: c.Name, Value: bytes.Clone(c.Value)})
		p.bytes += len(c.Name) + len(c.Value)
	}
	if err := l.appender.submit(p); err != nil {
		return nil, err
	}
	return p, nil
}

// Done is closed when the outcome is known.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Wait waits for the outcome. One receipt for each entry, in order.
//
// Errors: as of Append.
func (p *Pending) Wait(ctx context.Context) ([]Receipt, error) {
	select {
	case <-p.done:
		return p.receipts, p.err
	case <-p.log.failed: // the appender may hang in the storage engine
		select {
		case <-p.done:
			return p.receipts, p.err
		default:
		}
		return nil, fmt.Errorf("append: outcome unknown: %w", p.log.Err())
	case <-ctx.Done():
		return nil, fmt.Errorf("append: outcome unknown: %w", context.Cause(ctx))
	}
}

func (p *Pending) resolve(err error) {
	if err != nil {
		p.err, p.receipts = err, nil
	}
	close(p.done)
}

// hashID is the keyed hash of an idempotency key: nobody outside can make two that collide.
func (l *Log) hashID(source, id string) idHash {
	b := make([]byte, 0, 256)
	b = append(b, l.idSecret...)
	b = binary.AppendUvarint(b, uint64(len(source)))
	b = append(append(b, source...), id...)
	sum := sha256.Sum256(b)
	return idHash(sum[:])
}
