package storage_test

import (
	"errors"
	"testing"

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
