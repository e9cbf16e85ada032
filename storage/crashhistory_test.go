package storage_test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

const (
	crashSteps = 140
	// crashCursor is written by every write of a history: the number of the write.
	crashCursor = "write"
	copied      = plantmesh.StreamName("hq/orders")
)

var ownStreams = []plantmesh.StreamName{production, "plant-a/quality", "plant-a/maintenance"}

// fact is an event that a history published.
type fact struct {
	write    int // number of the write, from 1
	id, data string
}

// ledger is what a history has done and what it was told. Writes are recorded in the order submitted, so what a stream holds
// after so many writes is known exactly.
type ledger struct {
	facts              map[plantmesh.StreamName][]fact // the first has offset 1
	submitted, acked   int                             // writes
	trimAsked, trimmed map[plantmesh.StreamName]plantmesh.Offset
	copies             int // blocks given to the replica
	copied             plantmesh.Offset
	source             [][]byte // all blocks of the replica's origin
	sourceFacts        []fact
}

// history plays a script, drawn from a seed, on a log.
type history struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand
	disk vfs.FS
	log  *storage.Log

	pending []*storage.Pending // submitted, not waited for
	first   int                // number of the write that pending begins with

	mu sync.Mutex
	ledger
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), ledger: ledger{
		facts: map[plantmesh.StreamName][]fact{}, trimAsked: map[plantmesh.StreamName]plantmesh.Offset{}, trimmed: map[plantmesh.StreamName]plantmesh.Offset{},
	}}
	origin := open(t, vfs.NewMem(), "hq")
	defer origin.Close()
	for i := range 40 {
		f := fact{id: strconv.Itoa(i), data: h.noise(1500)}
		h.sourceFacts = append(h.sourceFacts, f)
		if _, err := origin.Append(t.Context(), storage.Write{Entries: []storage.Entry{{Stream: copied, Event: event(f.id, f.data)}}}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if h.source, err = origin.RawBlocks(t.Context(), copied, 0, 1<<30); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *history) noise(limit int) string {
	b := make([]byte, 1+h.rng.IntN(limit)/2)
	for i := range b {
		b[i] = byte(h.rng.Uint32())
	}
	return hex.EncodeToString(b)
}

// known is a copy of the ledger as it is now.
func (h *history) known() ledger {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.ledger
	k.facts, k.trimAsked, k.trimmed = maps.Clone(k.facts), maps.Clone(k.trimAsked), maps.Clone(k.trimmed)
	return k
}

func (h *history) note(fn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fn()
}

func (h *history) run() {
	h.t.Helper()
	h.open()
	for range crashSteps {
		switch n := h.rng.IntN(100); {
		case n < 70:
			h.write()
		case n < 84:
			h.copy()
		case n < 92:
			h.trim(ownStreams[h.rng.IntN(len(ownStreams))])
		case n < 95:
			h.trim(copied)
		case n < 97:
			h.close()
			h.open()
		default:
			h.settle(0)
		}
	}
	h.close()
}

func (h *history) open() {
	h.t.Helper()
	l, err := storage.Open("log", crashOptions(h.disk))
	if err != nil {
		h.t.Fatal(err)
	}
	h.log, h.first = l, h.submitted+1
}

func (h *history) close() {
	h.t.Helper()
	h.settle(0)
	if err := h.log.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// write submits new events, repeated ones, and some whose first recording has been trimmed, over several streams.
func (h *history) write() {
	h.t.Helper()
	n := h.submitted + 1
	w := storage.Write{Cursors: []storage.Cursor{{Name: crashCursor, Value: []byte(strconv.Itoa(n))}}}
	size := 2000
	if h.rng.IntN(25) == 0 {
		size = 120_000 // fills write buffers, so that Pebble flushes
	}
	fresh := map[plantmesh.StreamName][]fact{}
	for i := range 1 + h.rng.IntN(5) {
		s := ownStreams[h.rng.IntN(len(ownStreams))]
		f := fact{write: n, id: fmt.Sprintf("%d-%d", n, i), data: h.noise(size)}
		if held := h.facts[s]; len(held) > 0 && h.rng.IntN(4) == 0 {
			at := h.rng.IntN(len(held))
			f.id, f.data = held[at].id, held[at].data
			if h.isHeld(s, f.id) || isAmong(fresh[s], f.id) {
				w.Entries = append(w.Entries, storage.Entry{Stream: s, Event: event(f.id, f.data)}) // a duplicate
				continue
			}
		}
		fresh[s] = append(fresh[s], f)
		w.Entries = append(w.Entries, storage.Entry{Stream: s, Event: event(f.id, f.data)})
	}
	h.note(func() {
		h.submitted = n
		for s, facts := range fresh {
			h.facts[s] = append(h.facts[s], facts...)
		}
	})
	p, err := h.log.Submit(w)
	if err != nil {
		h.t.Fatal(err)
	}
	h.pending = append(h.pending, p)
	h.settle(h.rng.IntN(5))
}

func isAmong(facts []fact, id string) bool {
	for _, f := range facts {
		if f.id == id {
			return true
		}
	}
	return false
}

// isHeld tells whether an id lies behind the trim.
func (h *history) isHeld(s plantmesh.StreamName, id string) bool {
	begin := max(1, h.trimmed[s])
	return int(begin) <= len(h.facts[s]) && isAmong(h.facts[s][begin-1:], id)
}

// settle waits until only so many writes are not answered.
func (h *history) settle(left int) {
	h.t.Helper()
	for len(h.pending) > left {
		if _, err := h.pending[0].Wait(h.t.Context()); err != nil {
			h.t.Fatalf("seed %d, write %d: %v", h.seed, h.first, err)
		}
		h.note(func() { h.acked = h.first })
		h.pending, h.first = h.pending[1:], h.first+1
	}
}

func (h *history) copy() {
	h.t.Helper()
	n := min(1+h.rng.IntN(3), len(h.source)-h.copies)
	if n == 0 {
		return
	}
	from := h.copies
	h.note(func() { h.copies += n })
	head, err := h.log.AppendBlocks(h.t.Context(), copied, h.source[from:from+n])
	if err != nil {
		h.t.Fatalf("seed %d: %v", h.seed, err)
	}
	h.note(func() { h.copied = head.Offset })
}

func (h *history) trim(s plantmesh.StreamName) {
	h.t.Helper()
	h.settle(0)
	head, err := h.log.Head(s)
	if err != nil {
		return // not there yet
	}
	before := plantmesh.Offset(h.rng.Uint64N(uint64(head.Offset) + 1))
	h.note(func() { h.trimAsked[s] = max(h.trimAsked[s], before) })
	begin, err := h.log.Trim(h.t.Context(), s, 0, before)
	if err != nil {
		h.t.Fatalf("seed %d: %v", h.seed, err)
	}
	h.note(func() { h.trimmed[s] = begin })
}
