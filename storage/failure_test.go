package storage_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// faultyDisk is a disk whose operations fail once a test says so.
type faultyDisk struct {
	vfs.FS
	memory *vfs.MemFS
	broken atomic.Bool
}

var errDisk = errors.New("the disk says no")

// newFaultyDisk returns a disk on which the operations that match fail while it is broken.
func newFaultyDisk(match func(errorfs.Op) bool) *faultyDisk {
	d := &faultyDisk{memory: vfs.NewCrashableMem()}
	d.FS = errorfs.Wrap(d.memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if d.broken.Load() && match(op) {
			return errDisk
		}
		return nil
	}))
	return d
}

func onWAL(kinds ...errorfs.OpKind) func(errorfs.Op) bool {
	return func(op errorfs.Op) bool {
		for _, k := range kinds {
			if op.Kind == k && filepath.Ext(op.Path) == ".log" {
				return true
			}
		}
		return false
	}
}

func event(id, data string) *eventv1.Event {
	return &eventv1.Event{
		Id: id, Source: "//plant-a/mes", Type: "plantmesh.manufacturing.v1.OperationReported", Subject: "order/WO-1",
		Time: timestamppb.New(time.Unix(1, 0)), Data: []byte(data),
	}
}

func write(events ...*eventv1.Event) storage.Write {
	var w storage.Write
	for _, e := range events {
		w.Entries = append(w.Entries, storage.Entry{Stream: production, Event: e})
	}
	return w
}

func open(t testing.TB, fs vfs.FS, site plantmesh.SiteID) *storage.Log {
	t.Helper()
	l, err := storage.Open("log", storage.Options{Mesh: "acme", Site: site, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func appendN(t testing.TB, l *storage.Log, from, n int) {
	t.Helper()
	for i := range n {
		if _, err := l.Append(t.Context(), write(event(fmt.Sprint(from+i), "x"))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFailedDiskStopsWritesAndLeavesReads(t *testing.T) {
	for name, match := range map[string]func(errorfs.Op) bool{
		"sync":  onWAL(errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo),
		"write": onWAL(errorfs.OpFileWrite),
	} {
		t.Run(name, func(t *testing.T) {
			disk := newFaultyDisk(match)
			l := open(t, disk, "plant-a")
			appendN(t, l, 0, 10)
			head, err := l.Head(production)
			if err != nil {
				t.Fatal(err)
			}
			disk.broken.Store(true)
			var pending []*storage.Pending
			for i := range 20 {
				if p, err := l.Submit(write(event(fmt.Sprint("lost-", i), "x"), event("1", "other"))); err == nil {
					pending = append(pending, p)
				} else if !errors.Is(err, plantmesh.ErrStorageFailed) {
					t.Fatal(err)
				}
				if p, err := l.Submit(write(event(fmt.Sprint("lost-", i), "x"))); err == nil {
					pending = append(pending, p)
				}
			}
			for i, p := range pending {
				if receipts, err := p.Wait(t.Context()); err == nil {
					t.Errorf("submission %d was acknowledged: %+v", i, receipts)
				} else if !errors.Is(err, plantmesh.ErrStorageFailed) && !errors.Is(err, plantmesh.ErrEventIDConflict) {
					t.Errorf("submission %d: %v", i, err)
				}
			}
			disk.broken.Store(false) // what failed once is not trusted again
			expectFailed(t, l, head)
			if err := l.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			l = open(t, disk.memory.CrashClone(vfs.CrashCloneCfg{}), "plant-a")
			defer l.Close()
			if again, err := l.Head(production); err != nil || again != head {
				t.Errorf("after a restart: head %+v, %v, want %+v", again, err, head)
			}
			appendN(t, l, 0, 20)
			if _, err := l.Verify(t.Context(), production); err != nil {
				t.Error(err)
			}
		})
	}
}

// expectFailed checks what a failed log still does.
func expectFailed(t *testing.T, l *storage.Log, head plantmesh.Head) {
	t.Helper()
	_, err := l.Append(t.Context(), write(event("late", "x")))
	if !errors.Is(err, plantmesh.ErrStorageFailed) || !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "restart") {
		t.Errorf("append: %v", err)
	}
	if !errors.Is(l.Err(), errDisk) {
		t.Errorf("err: %v", l.Err())
	}
	if _, err := l.Cursor("c"); !errors.Is(err, plantmesh.ErrStorageFailed) {
		t.Errorf("cursor: %v", err)
	}
	if again, err := l.Head(production); err != nil || again != head {
		t.Errorf("head %+v, %v, want %+v", again, err, head)
	}
	if report, err := l.Verify(t.Context(), production); err != nil || report.Head != head {
		t.Errorf("verify: %+v, %v", report, err)
	}
	if _, err := l.Lookup(production, "//plant-a/mes", "lost-0"); !errors.Is(err, plantmesh.ErrEventNotFound) {
		t.Errorf("what was not acknowledged is visible: %v", err)
	}
}

func TestFailedDiskStopsReplicas(t *testing.T) {
	o := open(t, vfs.NewMem(), "plant-a")
	defer o.Close()
	appendN(t, o, 0, 3)
	blocks, err := o.RawBlocks(t.Context(), production, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	disk := newFaultyDisk(onWAL(errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo))
	r := open(t, disk, "hq")
	if _, err := r.AppendBlocks(t.Context(), production, blocks[:1]); err != nil {
		t.Fatal(err)
	}
	disk.broken.Store(true)
	for range 2 {
		if _, err := r.AppendBlocks(t.Context(), production, blocks[1:]); !errors.Is(err, plantmesh.ErrStorageFailed) {
			t.Errorf("got %v", err)
		}
	}
	if h, err := r.Head(production); err != nil || h.Offset != 1 {
		t.Errorf("head %+v, %v", h, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestRotationThatFailsDoesNotEndTheProcess fills write buffers until Pebble changes to another file, where it would end
// the process.
func TestRotationThatFailsDoesNotEndTheProcess(t *testing.T) {
	folder := func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSync && filepath.Base(op.Path) == "log" }
	for name, match := range map[string]func(errorfs.Op) bool{
		"create":      onWAL(errorfs.OpCreate, errorfs.OpReuseForWrite),
		"sync folder": folder,
	} {
		t.Run(name, func(t *testing.T) {
			disk := newFaultyDisk(match)
			l := open(t, disk, "plant-a")
			appendN(t, l, 0, 3)
			disk.broken.Store(true)
			data := string(noise(512 << 10))
			acked, err := 3, error(nil)
			for ; err == nil && acked < 200; acked++ {
				_, err = l.Append(t.Context(), write(event(fmt.Sprint("large-", acked), data)))
			}
			if !errors.Is(err, plantmesh.ErrStorageFailed) || !errors.Is(err, errDisk) {
				t.Fatalf("after %d events: %v", acked, err)
			}
			if err := l.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			l = open(t, disk.memory.CrashClone(vfs.CrashCloneCfg{}), "plant-a")
			defer l.Close()
			report, err := l.Verify(t.Context(), production)
			if err != nil || report.Events < uint64(acked-1) {
				t.Errorf("%+v, %v: %d were acknowledged", report, err, acked-1)
			}
		})
	}
}
