package confirmations

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
)

// Whatever is put in and cut off, spans hold the same offsets as a set does, in as few runs as there can be.
func TestSpansHoldWhatWasPutIn(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	var s spans
	model := map[plantmesh.Offset]bool{}
	for range 20_000 {
		o := plantmesh.Offset(random.IntN(200) + 1)
		switch {
		case random.IntN(50) == 0:
			s.cut(o)
			for known := range model {
				if known <= o {
					delete(model, known)
				}
			}
		case s.add(o) == model[o]:
			t.Fatalf("seed %d: adding %d tells otherwise than the set", seed, o)
		default:
			model[o] = true
		}
		held := 0
		for i, run := range s {
			held += int(run.Last-run.First) + 1
			if run.First > run.Last || i > 0 && s[i-1].Last+1 >= run.First {
				t.Fatalf("seed %d: runs %v", seed, s)
			}
		}
		if probe := plantmesh.Offset(random.IntN(202)); held != len(model) || s.has(probe) != model[probe] {
			t.Fatalf("seed %d: %d offsets, want %d; %d is held: %t, want %t", seed, held, len(model), probe, s.has(probe), model[probe])
		}
	}
}

// Behind as many as may wait it is not read on; what is told of the rest meanwhile is remembered.
func TestWhatWaitsIsBounded(t *testing.T) {
	h := &history{}
	o := plantmesh.Offset(1)
	for h.read(waiting{Offset: o}, true) {
		o++
	}
	if len(h.Waiting) != maxWaiting || h.Frontier != maxWaiting {
		t.Fatalf("%d wait up to %d, want %d", len(h.Waiting), h.Frontier, maxWaiting)
	}
	if !h.told(o) || !h.told(3) || h.told(3) {
		t.Fatal("an outcome is taken once, of what was read and of what was not")
	}
	if !h.read(waiting{Offset: o}, true) || !h.read(waiting{Offset: o + 1}, true) || h.read(waiting{Offset: o + 2}, true) {
		t.Fatal("there was room for one, and one that is told needs none")
	}
	for n := range 2*maxSpans + 2 {
		h.told(o + 10 + 2*plantmesh.Offset(n))
	}
	if len(h.Told) > maxSpans*2+3 || h.GivenUp == 0 {
		t.Fatalf("%d runs, %d given up: want the oldest given up", len(h.Told), h.GivenUp)
	}
	if !h.read(waiting{Offset: o + 2}, true) {
		t.Fatal("it does not go on, though the oldest were given up")
	}
}
