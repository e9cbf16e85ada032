package storage_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/plantmesh/plantmesh/storage"
)

var (
	crashPoints = flag.Int("storage.crashpoints", 300, "how many crash points of the log are recovered and checked")
	crashSeed   = flag.Uint64("storage.crashseed", 1, "seed of the first history")
)

// crashWorkers recover and check disks side by side.
const crashWorkers = 2

// TestCrashAtEveryChangeOfTheDiskLeavesACorrectLog plays histories and cuts the power at every write, sync, creation, removal
// and renaming of a file, with a random share of what was not synced on the disk, then opens what is left and checks it
// whole. The points of one history are taken evenly if fewer are asked for. A seed repeats its history and its shares; how
// Pebble's goroutines interleave is up to the scheduler.
func TestCrashAtEveryChangeOfTheDiskLeavesACorrectLog(t *testing.T) {
	c := &campaign{t: t, limit: *crashPoints, cuts: make(chan powerCut)}
	var workers sync.WaitGroup
	for range crashWorkers {
		workers.Go(func() {
			for cut := range c.cuts {
				cut.check(t)
			}
		})
	}
	seed := *crashSeed
	for ; c.taken < c.limit && !t.Failed(); seed++ {
		c.stride = 0 // count only
		c.play(seed)
		c.stride = max(1, c.changes/c.limit)
		c.play(seed)
	}
	close(c.cuts)
	workers.Wait()
	t.Logf("%d crash points of %d histories recovered and checked, seeds %d to %d", c.taken, seed-*crashSeed, *crashSeed, seed-1)
	if t.Failed() {
		t.Logf("to repeat a point: go test ./storage -run CrashAtEvery -storage.crashseed SEED -storage.crashpoints 2000")
	}
}

// campaign counts the changes of a disk and cuts the power at them.
type campaign struct {
	t     *testing.T
	limit int
	cuts  chan powerCut

	mu      sync.Mutex // guards what follows
	stride  int        // every so many changes are a point; 0: none
	changes int        // of this history
	taken   int        // points of all histories
}

// powerCut is a disk as a power cut leaves it, and what was known around it.
type powerCut struct {
	seed          uint64
	change        int
	percent       int
	op            string
	disk          *vfs.MemFS
	before, after ledger
}

func (p powerCut) String() string {
	return fmt.Sprintf("seed %d, change %d (%s), %d %% of what was not synced", p.seed, p.change, p.op, p.percent)
}

// play runs one history.
func (c *campaign) play(seed uint64) {
	c.t.Helper()
	c.mu.Lock()
	c.changes = 0
	c.mu.Unlock()
	memory := vfs.NewCrashableMem()
	h := newHistory(c.t, seed)
	h.disk = errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if changesDisk(op.Kind) {
			c.change(h, memory, op)
		}
		return nil
	}))
	h.run()
}

// changesDisk tells operations after which another state could be found.
func changesDisk(kind errorfs.OpKind) bool {
	switch kind {
	case errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo,
		errorfs.OpCreate, errorfs.OpRemove, errorfs.OpRemoveAll, errorfs.OpRename, errorfs.OpReuseForWrite, errorfs.OpLink, errorfs.OpMkdirAll:
		return true
	default:
		return false
	}
}

// change is called before each change of the disk.
func (c *campaign) change(h *history, memory *vfs.MemFS, op errorfs.Op) {
	c.mu.Lock()
	at := c.changes
	c.changes++
	take := c.stride > 0 && at%c.stride == int(h.seed)%c.stride && c.taken < c.limit
	if take {
		c.taken++
	}
	c.mu.Unlock()
	if !take || c.t.Failed() {
		return
	}
	rng := rand.New(rand.NewPCG(h.seed, uint64(at)))
	cut := powerCut{seed: h.seed, change: at, op: fmt.Sprintf("kind %d of %s", op.Kind, op.Path), percent: []int{0, 100, rng.IntN(101), rng.IntN(101)}[rng.IntN(4)]}
	cut.before = h.known()
	cut.disk = memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: cut.percent, RNG: rng})
	cut.after = h.known()
	c.cuts <- cut
}

func crashOptions(disk vfs.FS) storage.Options {
	return storage.Options{Mesh: "acme", Site: "plant-a", FS: disk, MaxBlockBytes: 3000, TailBytes: 20_000}
}
