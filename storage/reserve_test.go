package storage_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// diskFS tells how much is free.
type diskFS struct {
	vfs.FS
	free atomic.Uint64
}

func (f *diskFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: f.free.Load(), TotalBytes: 1 << 40}, nil
}

func TestFullDiskRefusesNewWorkAndKeepsServing(t *testing.T) {
	fs := &diskFS{FS: vfs.NewMem()}
	fs.free.Store(10 << 30)
	origin := openAt(t, vfs.NewMem(), "plant-b")
	for i := range 3 {
		if err := record(t, origin, "plant-b/production", string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	blocks, err := origin.RawBlocks(t.Context(), "plant-b/production", 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := openAt(t, fs, "plant-a")
		if _, err := l.AppendBlocks(t.Context(), "plant-b/production", blocks[:1]); err != nil {
			t.Fatal(err)
		}
		if err := record(t, l, production, "1"); err != nil {
			t.Fatal(err)
		}
		fs.free.Store(100 << 20)
		<-time.After(2 * time.Second)
		err := record(t, l, production, "2")
		if !errors.Is(err, plantmesh.ErrDiskReserve) || !strings.Contains(err.Error(), "has 100 MB free, 256 MB are kept free") || !plantmesh.IsRetryable(err) {
			t.Errorf("a publish: %v", err)
		}
		if _, err := l.AppendBlocks(t.Context(), "plant-b/production", blocks[1:]); !errors.Is(err, plantmesh.ErrDiskReserve) {
			t.Errorf("a replica: %v", err)
		}
		repeated := storage.Write{Entries: []storage.Entry{{Stream: production, Event: &eventv1.Event{Id: "1", Source: "//test", Time: timestamppb.New(time.Unix(1, 0))}}}}
		if receipts, err := l.Append(t.Context(), repeated); err != nil || !receipts[0].Duplicate || receipts[0].Offset != 1 {
			t.Errorf("a publish that was recorded already, repeated: %+v, %v", receipts, err)
		}
		repeated.Entries = append(repeated.Entries, storage.Entry{Stream: production, Event: &eventv1.Event{Id: "2", Source: "//test"}})
		if _, err := l.Append(t.Context(), repeated); !errors.Is(err, plantmesh.ErrDiskReserve) {
			t.Errorf("repeated with a new event: %v", err)
		}
		if e, err := l.Get(production, 1); err != nil || e.GetEvent().GetId() != "1" {
			t.Errorf("reading: %v", err)
		}
		if _, err := l.Append(t.Context(), storage.Write{Cursors: []storage.Cursor{{Name: "c", Value: []byte("v")}}}); err != nil {
			t.Errorf("a cursor: %v", err)
		}
		fs.free.Store(1 << 30)
		<-time.After(2 * time.Second)
		if err := record(t, l, production, "2"); err != nil {
			t.Errorf("with room again: %v", err)
		}
		if _, err := l.AppendBlocks(t.Context(), "plant-b/production", blocks[1:]); err != nil {
			t.Errorf("a replica with room again: %v", err)
		}
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Errorf("closed twice: %v", err)
		}
	})
}

func openAt(t *testing.T, fs vfs.FS, site plantmesh.SiteID) *storage.Log {
	t.Helper()
	l, err := storage.Open("log", storage.Options{Mesh: "acme", Site: site, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func record(t *testing.T, l *storage.Log, s plantmesh.StreamName, id string) error {
	t.Helper()
	_, err := l.Append(t.Context(), storage.Write{Entries: []storage.Entry{{
		Stream: s, Event: &eventv1.Event{Id: id, Source: "//test", Time: timestamppb.New(time.Unix(1, 0))},
	}}})
	return err
}

func TestFullDiskAndAClosedLogRefuseTogether(t *testing.T) {
	fs := &diskFS{FS: vfs.NewMem()}
	fs.free.Store(10 << 30)
	synctest.Test(t, func(t *testing.T) {
		l := openAt(t, fs, "plant-a")
		if err := record(t, l, production, "1"); err != nil {
			t.Fatal(err)
		}
		fs.free.Store(100 << 20)
		<-time.After(2 * time.Second)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"1", "2"} {
			if err := record(t, l, production, id); !errors.Is(err, plantmesh.ErrShuttingDown) {
				t.Errorf("event %s: %v", id, err)
			}
		}
	})
}
