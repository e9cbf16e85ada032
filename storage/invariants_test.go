package storage_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// Whenever a publish has been answered, the power may go: of what was not synced nothing is left, and the event is there.
func TestAcknowledgedMeansDurable(t *testing.T) {
	disk := vfs.NewCrashableMem()
	l := openAt(t, disk, "plant-a")
	for i := range 12 {
		receipts, err := l.Append(t.Context(), write(event(fmt.Sprint(i), "x")))
		if err != nil {
			t.Fatal(err)
		}
		after := openAt(t, disk.CrashClone(vfs.CrashCloneCfg{}), "plant-a")
		for off := plantmesh.Offset(1); off <= receipts[0].Offset; off++ {
			if e, err := after.Get(production, off); err != nil || e.GetEvent().GetId() != fmt.Sprint(off-1) {
				t.Errorf("after the power cut behind event %d: offset %d is %v, %v", i, off, e, err)
			}
		}
		if again, err := after.Append(t.Context(), write(event(fmt.Sprint(i), "x"))); err != nil || !again[0].Duplicate || again[0].Offset != receipts[0].Offset {
			t.Errorf("published again after the power cut: %+v, %v", again, err)
		}
		if err := after.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Many publish at once, and every stream counts from 1 without a hole. Nobody but the origin writes it.
func TestOneWriterAssignsContiguousOffsets(t *testing.T) {
	origin, other := openAt(t, vfs.NewMem(), "plant-a"), openAt(t, vfs.NewMem(), "hq")
	const publishers, each = 8, 50
	var mu sync.Mutex
	given := map[plantmesh.Offset]int{}
	incarnations := map[plantmesh.Incarnation]bool{}
	var group sync.WaitGroup
	for p := range publishers {
		group.Go(func() {
			for i := range each {
				receipts, err := origin.Append(t.Context(), write(event(fmt.Sprint(p, "-", i), "x")))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				given[receipts[0].Offset]++
				incarnations[receipts[0].Incarnation] = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for off := plantmesh.Offset(1); off <= publishers*each; off++ {
		if given[off] != 1 {
			t.Errorf("offset %d was given %d times", off, given[off])
		}
	}
	if len(incarnations) != 1 {
		t.Errorf("incarnations %v", incarnations)
	}
	if _, err := other.Append(t.Context(), write(event("elsewhere", "x"))); !errors.Is(err, plantmesh.ErrInvalidRequest) {
		t.Errorf("another site writes the stream: %v", err)
	}
	blocks, err := origin.RawBlocks(t.Context(), production, 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := origin.AppendBlocks(t.Context(), production, blocks); !errors.Is(err, plantmesh.ErrInvalidRequest) {
		t.Errorf("the origin takes its stream from another: %v", err)
	}
}

// A year, many events and a restart later, an id is still known; it is forgotten with its event and not before.
func TestOncePerEventIDWithoutAWindow(t *testing.T) {
	fs, now := vfs.NewMem(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	reopen := func() *storage.Log {
		l, err := storage.Open("log", storage.Options{Mesh: "acme", Site: "plant-a", FS: fs, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	l := reopen()
	first, err := l.Append(t.Context(), write(event("first", "x")))
	if err != nil {
		t.Fatal(err)
	}
	appendN(t, l, 0, 300)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(1, 0, 0)
	l = reopen()
	appendN(t, l, 1000, 50)
	again, err := l.Append(t.Context(), write(event("first", "x")))
	if err != nil || !again[0].Duplicate || again[0].Offset != first[0].Offset || !again[0].RecordedTime.Equal(first[0].RecordedTime) {
		t.Errorf("a year later: %+v, %v", again, err)
	}
	if _, err := l.Append(t.Context(), write(event("first", "y"))); !errors.Is(err, plantmesh.ErrEventIDConflict) {
		t.Errorf("with other content: %v", err)
	}
	if _, err := l.Trim(t.Context(), production, 0, 100); err != nil {
		t.Fatal(err)
	}
	if again, err = l.Append(t.Context(), write(event("first", "y"))); err != nil || again[0].Duplicate || again[0].Offset != 352 {
		t.Errorf("after its event was trimmed: %+v, %v", again, err)
	}
}

// A node that starts on a full disk has every stream it had: none counts as an orphan, own ones and replicas are read and
// served. What is new is refused until there is room, and a site that has to fetch its stream back waits for room, too.
func TestRestartOnAFullDiskKeepsEveryStream(t *testing.T) {
	fs := &diskFS{FS: vfs.NewMem()}
	fs.free.Store(1 << 40)
	origin := openAt(t, vfs.NewMem(), "plant-b")
	if err := record(t, origin, "plant-b/production", "theirs"); err != nil {
		t.Fatal(err)
	}
	copied, err := origin.RawBlocks(t.Context(), "plant-b/production", 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	l := openAt(t, fs, "plant-a")
	if err := record(t, l, production, "ours"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendBlocks(t.Context(), "plant-b/production", copied); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	fs.free.Store(0)
	l = openAt(t, fs, "plant-a")
	for stream, id := range map[plantmesh.StreamName]string{production: "ours", "plant-b/production": "theirs"} {
		if e, err := l.Get(stream, 1); err != nil || e.GetEvent().GetId() != id {
			t.Errorf("%s: %v, %v", stream, e, err)
		}
		if blocks, err := l.RawBlocks(t.Context(), stream, 0, 1<<20); err != nil || len(blocks) != 1 {
			t.Errorf("%s is not served: %v", stream, err)
		}
	}
	if err := record(t, l, production, "new"); !errors.Is(err, plantmesh.ErrDiskReserve) {
		t.Errorf("a publish: %v", err)
	}
	signed := plantmesh.Checkpoint{Stream: "plant-b/production", Incarnation: origin.Heads()[0].Incarnation, Offset: 1, Chain: origin.Heads()[0].Chain, Signed: []byte("x")}
	synctest.Test(t, func(t *testing.T) {
		emptied := &diskFS{FS: vfs.NewMem()}
		back := openAt(t, emptied, "plant-b")
		if _, err := back.Recover(t.Context(), "plant-b/production", copied, signed); !errors.Is(err, plantmesh.ErrDiskReserve) {
			t.Errorf("recovery on a full disk: %v", err)
		}
		emptied.free.Store(1 << 40)
		<-time.After(2 * time.Second)
		_, err := back.Recover(t.Context(), "plant-b/production", copied, signed)
		if e, getErr := back.Get("plant-b/production", 1); err != nil || getErr != nil || e.GetEvent().GetId() != "theirs" {
			t.Errorf("with room again: %v, %v", err, getErr)
		}
	})
}
