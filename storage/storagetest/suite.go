package storagetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// Log is a log under test. storage.Log says what each method promises.
type Log interface {
	Append(context.Context, storage.Write) ([]storage.Receipt, error)
	Submit(storage.Write) (*storage.Pending, error)
	Cursor(name string) ([]byte, error)
	Cursors(prefix string, fn func(name string, value []byte) error) error
	Heads() []plantmesh.Head
	Head(plantmesh.StreamName) (plantmesh.Head, error)
	Streams() []storage.StreamInfo
	Changed() <-chan struct{}
	WaitHead(ctx context.Context, s plantmesh.StreamName, after plantmesh.Offset) (plantmesh.Head, error)
	Blocks(ctx context.Context, s plantmesh.StreamName, after plantmesh.Offset, maxBytes int) ([]*storage.Block, error)
	RawBlocks(ctx context.Context, s plantmesh.StreamName, after plantmesh.Offset, maxBytes int) ([][]byte, error)
	OffsetBefore(s plantmesh.StreamName, t time.Time) (plantmesh.Offset, error)
	Lookup(s plantmesh.StreamName, source, id string) (plantmesh.Offset, error)
	Get(s plantmesh.StreamName, o plantmesh.Offset) (*eventv1.RecordedEvent, error)
	ChainAt(ctx context.Context, s plantmesh.StreamName, o plantmesh.Offset) (plantmesh.Chain, error)
	AppendBlocks(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, checkpoints ...plantmesh.Checkpoint) (plantmesh.Head, error)
	Verify(ctx context.Context, s plantmesh.StreamName) (storage.Report, error)
	VerifyOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, check func(plantmesh.Checkpoint) error) (storage.Report, error)
	Prove(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, from, to plantmesh.Offset, check func(plantmesh.Checkpoint) error) (storage.Proof, error)
	AllHeads() []plantmesh.Head
	Incarnations(s plantmesh.StreamName) ([]plantmesh.Head, error)
	HeadOf(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Head, error)
	RawBlocksOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) ([][]byte, error)
	GetOf(s plantmesh.StreamName, i plantmesh.Incarnation, o plantmesh.Offset) (*eventv1.RecordedEvent, error)
	LookupOf(s plantmesh.StreamName, i plantmesh.Incarnation, source, id string) (plantmesh.Offset, error)
	Resume(s plantmesh.StreamName, p storage.Position) (storage.Position, *storage.Jump, error)
	Checkpoint(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Checkpoint, error)
	Checkpoints(s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, limit int) ([]plantmesh.Checkpoint, error)
	PutCheckpoint(ctx context.Context, c plantmesh.Checkpoint) error
	ChainAfter(block []byte) plantmesh.Chain
	Recover(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, checkpoints ...plantmesh.Checkpoint) (plantmesh.Head, error)
	Trim(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, before plantmesh.Offset) (plantmesh.Offset, error)
	BytesBefore(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, keep uint64) (plantmesh.Offset, error)
	Remove(s plantmesh.StreamName) error
	Hold()
	Release()
	Close() error
}

// Open opens the one log of a file system; Options.FS is always set.
type Open func(storage.Options) (Log, error)

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for _, c := range slices.Concat(appendCases, readCases, replicaCases, incarnationCases, checkpointCases, trimCases, crashCases) {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
	t.Run("BehavesLikeTheModel", func(t *testing.T) { testModel(t, open) })
}

type testCase struct {
	name string
	run  func(*testing.T, Open)
}

const (
	mesh       = "acme"
	origin     = plantmesh.SiteID("plant-a")
	elsewhere  = plantmesh.SiteID("hq")
	source     = "//plant-a/mes"
	production = plantmesh.StreamName("plant-a/production")
	quality    = plantmesh.StreamName("plant-a/quality")
	everything = 1 << 30
)

// bench is a log under test with its disk and clock.
type bench struct {
	testing.TB
	open    Open
	options storage.Options
	clock   *clock
	Log
}

// start opens a log on a disk of its own. change may set options.
func start(t testing.TB, open Open, site plantmesh.SiteID, change ...func(*storage.Options)) *bench {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)}
	b := &bench{TB: t, open: open, clock: c, options: storage.Options{Mesh: mesh, Site: site, FS: vfs.NewMem(), Now: c.read}}
	for _, f := range change {
		f(&b.options)
	}
	b.reopen()
	t.Cleanup(func() {
		if b.Log != nil {
			b.close()
		}
	})
	return b
}

// reopen closes the log, if it is open, and opens it again.
func (b *bench) reopen() {
	b.Helper()
	if b.Log != nil {
		b.close()
	}
	l, err := b.open(b.options)
	if err != nil {
		b.Fatalf("open: %v", err)
	}
	b.Log = l
}

func (b *bench) close() {
	b.Helper()
	if err := b.Close(); err != nil {
		b.Errorf("close: %v", err)
	}
	b.Log = nil
}

// record appends events to one stream, in one write.
func (b *bench) record(s plantmesh.StreamName, events ...*eventv1.Event) []storage.Receipt {
	b.Helper()
	receipts, err := b.Append(b.Context(), writeOf(s, events...))
	if err != nil {
		b.Fatalf("append: %v", err)
	}
	return receipts
}

// recordEach appends n events, each a write and so a block of its own, with ids that begin with prefix.
func (b *bench) recordEach(s plantmesh.StreamName, prefix string, n int) {
	b.Helper()
	for i := range n {
		b.record(s, event(fmt.Sprintf("%s-%d", prefix, i), "data"))
		b.clock.advance(time.Second)
	}
}

func (b *bench) head(s plantmesh.StreamName) plantmesh.Head {
	b.Helper()
	h, err := b.Head(s)
	if err != nil {
		b.Fatalf("head: %v", err)
	}
	return h
}

// ids returns the ids of all events of a stream, and checks that their offsets are contiguous from 1.
func (b *bench) ids(s plantmesh.StreamName) []string {
	b.Helper()
	var ids []string
	for after := plantmesh.Offset(0); ; {
		blocks, err := b.Blocks(b.Context(), s, after, 1)
		if err != nil {
			b.Fatalf("blocks behind %d: %v", after, err)
		}
		if len(blocks) == 0 {
			return ids
		}
		for _, block := range blocks {
			batch, err := block.Batch()
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range batch.GetEvents() {
				if after++; plantmesh.Offset(e.GetOffset()) != after {
					b.Fatalf("offset %d where %d is due", e.GetOffset(), after)
				}
				ids = append(ids, e.GetEvent().GetId())
			}
		}
	}
}

// verify checks a stream from disk.
func (b *bench) verify(s plantmesh.StreamName) storage.Report {
	b.Helper()
	report, err := b.Verify(b.Context(), s)
	if err != nil {
		b.Fatalf("verify: %v", err)
	}
	return report
}

func event(id, data string) *eventv1.Event {
	return &eventv1.Event{
		Id: id, Source: source, Type: "plantmesh.manufacturing.v1.OperationReported", Subject: "order/WO-1",
		Time: timestamppb.New(time.Unix(1, 0)), Data: []byte(data),
	}
}

func writeOf(s plantmesh.StreamName, events ...*eventv1.Event) storage.Write {
	var w storage.Write
	for _, e := range events {
		w.Entries = append(w.Entries, storage.Entry{Stream: s, Event: e})
	}
	return w
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
