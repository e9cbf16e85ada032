package storagetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

var crashCases = []testCase{
	{"WhatIsAcknowledgedSurvivesAPowerCut", testPowerCut},
	{"ReplicaSurvivesAPowerCut", testReplicaPowerCut},
}

// powerCuts is how many cuts a test makes; each with another share of what was not synced reaching the disk.
const powerCuts = 12

// writesPerCut is how many writes come between two cuts; the next ones go on while the disk is looked at.
const writesPerCut = 40

// cut returns the disk as a power cut would leave it now.
func cut(disk *vfs.MemFS, seed int) *vfs.MemFS {
	return disk.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: []int{0, 30, 70, 100}[seed%4],
		RNG:                 rand.New(rand.NewPCG(uint64(seed), 1)),
	})
}

// ledger is what publishers were told.
type ledger struct {
	mu    sync.Mutex
	acked map[string]plantmesh.Offset // by stream and id
}

func (l *ledger) note(receipts []storage.Receipt, ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, r := range receipts {
		l.acked[string(r.Stream)+" "+ids[i]] = r.Offset
	}
}

func (l *ledger) snapshot() map[string]plantmesh.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	acked := make(map[string]plantmesh.Offset, len(l.acked))
	for k, o := range l.acked {
		acked[k] = o
	}
	return acked
}

// testPowerCut publishes from several goroutines, each write one event in two streams and a cursor, cuts the power again
// and again, and looks at each disk that this leaves.
func testPowerCut(t *testing.T, open Open) {
	disk := vfs.NewCrashableMem()
	b := start(t, open, origin, func(o *storage.Options) { o.FS, o.MaxBlockBytes = disk, 2000 })
	told := &ledger{acked: map[string]plantmesh.Offset{}}
	turns := make(chan struct{}, 2*writesPerCut)
	var publishers sync.WaitGroup
	for p := range 4 {
		publishers.Go(func() { publish(b, told, p, turns) })
	}
	for seed := range powerCuts {
		for range writesPerCut {
			turns <- struct{}{}
		}
		if _, err := b.WaitHead(t.Context(), production, plantmesh.Offset((seed*2+1)*writesPerCut/2)); err != nil {
			t.Fatal(err)
		}
		acked := told.snapshot() // before the cut: all of it must be there
		left := cut(disk, seed)
		survivor := start(t, open, origin, func(o *storage.Options) { o.FS = left })
		checkSurvivor(survivor, acked)
	}
	close(turns)
	publishers.Wait()
}

// publish writes a pair of events at each turn.
func publish(b *bench, told *ledger, publisher int, turns <-chan struct{}) {
	for i := 0; ; i++ {
		if _, ok := <-turns; !ok {
			return
		}
		id := fmt.Sprintf("%d-%d", publisher, i)
		w := writeOf(production, event(id, strings.Repeat(id, 50)))
		w.Entries = append(w.Entries, writeOf(quality, event(id, id)).Entries...)
		w.Cursors = []storage.Cursor{{Name: fmt.Sprint(publisher), Value: []byte(id)}}
		receipts, err := b.Append(b.Context(), w)
		if err != nil {
			b.Error(err)
			return
		}
		told.note(receipts, []string{id, id})
	}
}

// checkSurvivor looks for everything acknowledged, for halves of writes and for breaks in the chain.
func checkSurvivor(b *bench, acked map[string]plantmesh.Offset) {
	b.Helper()
	held := map[string]plantmesh.Offset{}
	for _, s := range []plantmesh.StreamName{production, quality} {
		for i, id := range b.ids(s) {
			key := string(s) + " " + id
			if held[key] != 0 {
				b.Errorf("%s is there twice", key)
			}
			held[key] = plantmesh.Offset(i + 1)
		}
		if report := b.verify(s); report.Head != b.head(s) {
			b.Errorf("%s: report %+v", s, report)
		}
	}
	for key, o := range acked {
		if held[key] != o {
			b.Errorf("%s was acknowledged at %d and is at %d", key, o, held[key])
		}
	}
	for key := range held {
		if id, ok := strings.CutPrefix(key, string(production)+" "); ok && held[string(quality)+" "+id] == 0 {
			b.Errorf("half of write %s", id)
		}
	}
	err := b.Cursors("", func(name string, value []byte) error {
		if held[string(production)+" "+string(value)] == 0 {
			return fmt.Errorf("cursor %s says %s, which is not there", name, value)
		}
		return nil
	})
	if err != nil {
		b.Error(err)
	}
	for key, o := range held { // the id index came along
		s, id, _ := strings.Cut(key, " ")
		if found, err := b.Lookup(plantmesh.StreamName(s), source, id); err != nil || found != o {
			b.Errorf("lookup %s: %d, %v, want %d", key, found, err, o)
			return
		}
	}
}

func testReplicaPowerCut(t *testing.T, open Open) {
	o := start(t, open, origin)
	o.recordEach(production, "e", 60)
	disk := vfs.NewCrashableMem()
	r := start(t, open, elsewhere, func(o *storage.Options) { o.FS = disk })
	for i, block := range raw(t, o, production, 0) {
		head, err := r.AppendBlocks(t.Context(), production, [][]byte{block})
		if err != nil {
			t.Fatal(err)
		}
		if i%10 != 0 {
			continue
		}
		left := cut(disk, i/10)
		survivor := start(t, open, elsewhere, func(o *storage.Options) { o.FS = left })
		if got := survivor.head(production); got != head || survivor.verify(production).Head != head {
			t.Errorf("head %+v after the cut, %+v was durable", got, head)
		}
		if _, err := survivor.AppendBlocks(t.Context(), production, raw(t, o, production, head.Offset)); err != nil {
			t.Errorf("the replica does not go on: %v", err)
		}
	}
}
