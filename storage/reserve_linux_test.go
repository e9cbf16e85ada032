package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// A real file system that runs full: what was acknowledged is there, new events are refused before the disk is full, and
// when there is room again the log goes on without a restart.
func TestRealDiskThatRunsFullIsSurvivedWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=220m"); err != nil {
		t.Skipf("SKIPPED: a file system of its own takes root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 80<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := storage.Open(filepath.Join(dir, "log"), storage.Options{Mesh: "acme", Site: "plant-a", FS: vfs.Default, ReserveBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	random := rand.New(rand.NewPCG(1, 1))
	acknowledged := 0
	fill := func(most int) error {
		for range most {
			data := make([]byte, 64<<10)
			for i := range data {
				data[i] = byte(random.Uint32())
			}
			e := &eventv1.Event{Id: fmt.Sprint(acknowledged), Source: "//test", Data: data}
			if _, err := l.Append(t.Context(), storage.Write{Entries: []storage.Entry{{Stream: production, Event: e}}}); err != nil {
				return err
			}
			acknowledged++
		}
		return nil
	}
	if err := fill(5000); !errors.Is(err, plantmesh.ErrDiskReserve) {
		t.Fatalf("after %d events: %v", acknowledged, err)
	}
	full := acknowledged
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for tries := 0; ; tries++ { // the log looks again within a second
		err := fill(1)
		if err == nil {
			break
		}
		if !errors.Is(err, plantmesh.ErrDiskReserve) || tries > 1e7 {
			t.Fatal(err)
		}
	}
	if err := fill(20); err != nil {
		t.Fatal(err)
	}
	report, err := l.Verify(t.Context(), production)
	if err != nil || int(report.Events) != acknowledged {
		t.Errorf("of %d acknowledged, %d before the disk was full: %+v, %v", acknowledged, full, report, err)
	}
}
