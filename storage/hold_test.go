package storage_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// Whoever stops before its streams were recovered must not write on where others may hold more.
func TestWriteThatIsHeldIsRefusedWhenTheSiteStops(t *testing.T) {
	for name, end := range map[string]func(*storage.Log) error{
		"the log closes":   (*storage.Log).Close,
		"the mesh ends it": func(l *storage.Log) error { l.Refuse(); return nil },
	} {
		t.Run(name, func(t *testing.T) { refuseHeld(t, end) })
	}
}

func refuseHeld(t *testing.T, end func(*storage.Log) error) {
	t.Helper()
	disk := vfs.NewMem()
	l := openAt(t, disk, "plant-a")
	if err := record(t, l, production, "1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openAt(t, disk, "plant-a")
	l.Hold()
	p, err := l.Submit(write(event("2", "x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := end(l); err != nil {
		t.Fatal(err)
	}
	if receipts, err := p.Wait(t.Context()); !errors.Is(err, plantmesh.ErrShuttingDown) {
		t.Errorf("it was answered with %+v, %v", receipts, err)
	}
	if _, err := l.Submit(write(event("3", "x"))); !errors.Is(err, plantmesh.ErrShuttingDown) {
		t.Errorf("another one: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openAt(t, disk, "plant-a")
	if head, err := l.Head(production); err != nil || head.Offset != 1 {
		t.Errorf("head %+v, %v", head, err)
	}
}

// A site lost its disk, its clock went back, and nobody could be asked: what it writes then counts as older than what its peers
// give it back later. From then on it writes behind that, where readers are.
func TestOriginWritesOnBehindANewerHistoryThatComesBackLate(t *testing.T) {
	clock := time.Unix(1_000_000, 0)
	now := func() time.Time { return clock }
	at := func(site plantmesh.SiteID) *storage.Log {
		l, err := storage.Open("log", storage.Options{Mesh: "acme", Site: site, FS: vfs.NewMem(), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	first := at("plant-a")
	appendN(t, first, 0, 5)
	old, err := first.Head(production)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := first.RawBlocks(t.Context(), production, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(-time.Hour)
	second := at("plant-a")
	appendN(t, second, 100, 3)
	early, err := second.Head(production)
	if err != nil || early.Incarnation >= old.Incarnation {
		t.Fatalf("%+v, %v", early, err)
	}
	signed := plantmesh.Checkpoint{Stream: production, Incarnation: old.Incarnation, Offset: old.Offset, Chain: old.Chain, Signed: []byte("signed")}
	if _, err := second.Recover(t.Context(), production, blocks, signed); err != nil {
		t.Fatal(err)
	}
	receipts, err := second.Append(t.Context(), write(event("200", "x"), event("100", "x"), event("3", "x")))
	if err != nil {
		t.Fatal(err)
	}
	if r := receipts[0]; r.Incarnation <= old.Incarnation || r.Offset != 1 || r.Duplicate {
		t.Errorf("a new event is at %+v, the history that came back is %+v", r, old)
	}
	for i, want := range map[int]plantmesh.Incarnation{1: early.Incarnation, 2: old.Incarnation} {
		if r := receipts[i]; !r.Duplicate || r.Incarnation != want {
			t.Errorf("event %d published again is at %+v", i, r)
		}
	}
	if all, err := second.Incarnations(production); err != nil || len(all) != 3 || all[2].Incarnation != receipts[0].Incarnation {
		t.Errorf("%+v, %v", all, err)
	}
}
