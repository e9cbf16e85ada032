package storage_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

func openState(t testing.TB, fs vfs.FS) *storage.State {
	t.Helper()
	s, err := storage.OpenState("state", options(fs))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestUpdateIsAtomicAndReadsItsOwnChanges(t *testing.T) {
	s := openState(t, vfs.NewMem())
	defer s.Close()
	o := s.Owner("odoo")
	err := o.Update(func(tx *storage.Tx) error {
		if err := errors.Join(tx.Put([]byte("a"), []byte("1")), tx.SetPosition(production, storage.Position{Incarnation: 7, Offset: 3})); err != nil {
			return err
		}
		if v, err := tx.Get([]byte("a")); err != nil || string(v) != "1" {
			t.Errorf("own change: %q, %v", v, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	errStopped := errors.New("stopped")
	err = o.Update(func(tx *storage.Tx) error {
		return errors.Join(tx.Put([]byte("b"), nil), tx.Delete([]byte("a")), tx.SetPosition(production, storage.Position{}), errStopped)
	})
	if !errors.Is(err, errStopped) {
		t.Fatal(err)
	}
	err = o.View(func(tx *storage.Tx) error {
		a, _ := tx.Get([]byte("a"))
		b, _ := tx.Get([]byte("b"))
		p, _ := tx.Position(production)
		unread, _ := tx.Position("plant-b/production")
		if string(a) != "1" || b != nil || p != (storage.Position{Incarnation: 7, Offset: 3}) || unread != (storage.Position{}) {
			t.Errorf("a %q, b %q, position %+v, %+v", a, b, p, unread)
		}
		if tx.Put([]byte("c"), nil) == nil || tx.Delete([]byte("a")) == nil || tx.SetPosition(production, p) == nil {
			t.Error("a view changes")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestOwnersDoNotSeeEachOther(t *testing.T) {
	disk := vfs.NewMem()
	s := openState(t, disk)
	for _, name := range []string{"a", "ab", ""} {
		err := s.Owner(name).Update(func(tx *storage.Tx) error {
			return errors.Join(tx.Put([]byte("b1"), []byte(name)), tx.Put([]byte("b2"), nil), tx.Put([]byte("c"), nil), tx.Put(nil, nil))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openState(t, disk)
	defer s.Close()
	for _, name := range []string{"a", "ab", ""} {
		var all, b []string
		err := s.Owner(name).View(func(tx *storage.Tx) error {
			return errors.Join(
				tx.Scan(nil, func(k, _ []byte) error { all = append(all, string(k)); return nil }),
				tx.Scan([]byte("b"), func(k, v []byte) error { b = append(b, string(k)+"="+string(v)); return nil }))
		})
		if err != nil || !slices.Equal(all, []string{"", "b1", "b2", "c"}) || !slices.Equal(b, []string{"b1=" + name, "b2="}) {
			t.Errorf("%q: %q, %q, %v", name, all, b, err)
		}
	}
}

func TestUpdatesOfOneOwnerRunOneAfterTheOther(t *testing.T) {
	s := openState(t, vfs.NewMem())
	defer s.Close()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				err := s.Owner("counter").Update(func(tx *storage.Tx) error {
					n, err := tx.Get([]byte("n"))
					if err != nil {
						return err
					}
					return tx.Put([]byte("n"), append(n, 'x'))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	_ = s.Owner("counter").View(func(tx *storage.Tx) error {
		if n, _ := tx.Get([]byte("n")); len(n) != 400 {
			t.Errorf("%d updates counted, want 400", len(n))
		}
		return nil
	})
}

func TestClosedStateRefuses(t *testing.T) {
	s := openState(t, vfs.NewMem())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	nothing := func(*storage.Tx) error { return nil }
	if err := s.Owner("a").Update(nothing); !errors.Is(err, plantmesh.ErrShuttingDown) {
		t.Errorf("update: %v", err)
	}
	if err := s.Owner("a").View(nothing); !errors.Is(err, plantmesh.ErrShuttingDown) {
		t.Errorf("view: %v", err)
	}
}

func TestFailedDiskStopsUpdates(t *testing.T) {
	disk := newFaultyDisk(onWAL(errorfs.OpFileWrite))
	s := openState(t, disk)
	put := func(tx *storage.Tx) error { return tx.Put([]byte("a"), nil) }
	if err := s.Owner("a").Update(put); err != nil {
		t.Fatal(err)
	}
	disk.broken.Store(true)
	for range 2 {
		if err := s.Owner("a").Update(put); !errors.Is(err, plantmesh.ErrStorageFailed) || !errors.Is(err, errDisk) {
			t.Errorf("got %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestStateAfterAPowerCutIsAnEarlierOne cuts the power at many moments: the state left opens and is one that was committed.
func TestStateAfterAPowerCutIsAnEarlierOne(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := openState(t, disk)
	defer s.Close()
	value := noise(20 << 10)
	for i := range plantmesh.Offset(400) { // about 8 MiB: several write buffers
		err := s.Owner("a").Update(func(tx *storage.Tx) error {
			return errors.Join(tx.Put([]byte("n"), []byte(fmt.Sprint(i))), tx.Put([]byte("v"), value), tx.SetPosition(production, storage.Position{Incarnation: 1, Offset: i}))
		})
		if err != nil {
			t.Fatal(err)
		}
		if i%20 != 19 {
			continue
		}
		left := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(i) % 101, RNG: rand.New(rand.NewPCG(uint64(i), 1))})
		survivor, err := storage.OpenState("state", options(left))
		if err != nil {
			t.Fatalf("after %d updates: %v", i, err)
		}
		err = survivor.Owner("a").View(func(tx *storage.Tx) error {
			p, err := tx.Position(production)
			n, _ := tx.Get([]byte("n"))
			if err != nil || p.Offset > i || n != nil && string(n) != fmt.Sprint(uint64(p.Offset)) {
				t.Errorf("after %d updates: position %+v with %q, %v", i, p, n, err)
			}
			return nil
		})
		if err := errors.Join(err, survivor.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestStateSurvivesKill starts this test again as a process that updates a state and says so, and kills it.
func TestStateSurvivesKill(t *testing.T) {
	if dir := os.Getenv("PLANTMESH_STATE_TO_UPDATE"); dir != "" {
		updateForEver(dir)
	}
	dir := filepath.Join(t.TempDir(), "state")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStateSurvivesKill$")
	child.Env = append(os.Environ(), "PLANTMESH_STATE_TO_UPDATE="+dir)
	said, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	told := make([]byte, 0, 1<<20)
	for len(told) < 400 {
		n, err := said.Read(told[len(told):cap(told)])
		if told = told[:len(told)+n]; err != nil {
			break
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(said)
	_ = child.Wait() // it was killed
	lines := bytes.Fields(append(told, rest...))
	if len(lines) == 0 {
		t.Fatal("the process said nothing")
	}
	last := string(lines[len(lines)-1])
	s, err := storage.OpenState(dir, options(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_ = s.Owner("a").View(func(tx *storage.Tx) error {
		if n, err := tx.Get([]byte("n")); err != nil || len(n) < len(last) || len(n) == len(last) && strings.Compare(string(n), last) < 0 {
			t.Errorf("state says %q, %v; %q was committed before the kill", n, err, last)
		}
		return nil
	})
}

// updateForEver is the process that is killed: it writes a number after it is committed.
func updateForEver(dir string) {
	s, err := storage.OpenState(dir, options(nil))
	for i := 0; err == nil; i++ {
		n := fmt.Sprint(i)
		err = s.Owner("a").Update(func(tx *storage.Tx) error { return tx.Put([]byte("n"), []byte(n)) })
		if err == nil {
			_, err = fmt.Println(n)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestClosingAStateAgainDoesNothing(t *testing.T) {
	s, err := storage.OpenState("state", options(vfs.NewMem()))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}
