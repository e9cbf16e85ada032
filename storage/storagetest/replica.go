package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

var replicaCases = []testCase{
	{"ReplicaHoldsTheOriginsBytes", testReplica},
	{"ReplicaRefusesADamagedBlockAndKeepsItsHead", testDamagedBlock},
	{"ReplicaRefusesWhatDoesNotFollow", testNotFollowing},
	{"ReplicaRefusesAnotherHistory", testDiverged},
	{"ReplicaRefusesAnotherIncarnation", testIncarnation},
	{"ReplicaRefusesBlocksOfAnotherStream", testOtherStream},
	{"OwnStreamTakesNoBlocks", testOwnStream},
	{"ReplicasGrowSideBySide", testConcurrentReplicas},
}

// raw returns the blocks of a stream as a replica would fetch them.
func raw(t testing.TB, from Log, s plantmesh.StreamName, after plantmesh.Offset) [][]byte {
	t.Helper()
	blocks, err := from.RawBlocks(t.Context(), s, after, everything)
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

func copyAll(t testing.TB, from, to Log, s plantmesh.StreamName) plantmesh.Head {
	t.Helper()
	head, err := to.AppendBlocks(t.Context(), s, raw(t, from, s, 0))
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func testReplica(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 10)
	copyAll(t, o, r, production)
	o.recordEach(production, "b", 10)
	o.reopen()
	r.reopen()
	head, err := r.AppendBlocks(t.Context(), production, raw(t, o, production, 10))
	if err != nil || head != o.head(production) || head != r.head(production) {
		t.Fatalf("head %+v, %v, want %+v", head, err, o.head(production))
	}
	r.reopen()
	if !slices.EqualFunc(raw(t, o, production, 0), raw(t, r, production, 0), bytes.Equal) {
		t.Error("bytes differ")
	}
	if report := r.verify(production); !report.Replica || report.Events != 20 || report.Head != o.verify(production).Head {
		t.Errorf("report %+v", report)
	}
	if got, err := r.OffsetBefore(production, o.clock.read()); err != nil || got != 20 {
		t.Errorf("offset before now: %d, %v", got, err)
	}
	if _, err := r.Lookup(production, source, "a-1"); !errors.Is(err, plantmesh.ErrInvalidRequest) {
		t.Errorf("lookup in a replica: %v", err)
	}
	if head, err := r.AppendBlocks(t.Context(), production, nil); err != nil || head != r.head(production) {
		t.Errorf("nothing appended: %+v, %v", head, err)
	}
}

// testDamagedBlock turns every bit of a block in turn.
func testDamagedBlock(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 3)
	blocks := raw(t, o, production, 0)
	if _, err := r.AppendBlocks(t.Context(), production, blocks[:1]); err != nil {
		t.Fatal(err)
	}
	before := r.head(production)
	for i := range blocks[1] {
		damaged := bytes.Clone(blocks[1])
		damaged[i] ^= 1 << (i % 8)
		_, err := r.AppendBlocks(t.Context(), production, [][]byte{damaged, blocks[2]})
		if !errors.Is(err, plantmesh.ErrCorruptBlock) && !errors.Is(err, storage.ErrNewerFormat) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	for _, n := range []int{0, 1, 87, len(blocks[1]) - 1} {
		if _, err := r.AppendBlocks(t.Context(), production, [][]byte{blocks[1][:n]}); !errors.Is(err, plantmesh.ErrCorruptBlock) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if r.head(production) != before {
		t.Error("the head moved")
	}
	if _, err := r.AppendBlocks(t.Context(), production, blocks[1:]); err != nil {
		t.Errorf("the sound blocks: %v", err)
	}
}

func testNotFollowing(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 4)
	blocks := raw(t, o, production, 0)
	if _, err := r.AppendBlocks(t.Context(), production, blocks[1:]); !errors.Is(err, plantmesh.ErrChainDiverged) {
		t.Errorf("a replica that begins at 2: %v", err)
	}
	if _, err := r.Head(production); !errors.Is(err, plantmesh.ErrUnknownStream) {
		t.Errorf("refused blocks created the stream: %v", err)
	}
	if _, err := r.AppendBlocks(t.Context(), production, blocks[:2]); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string][][]byte{
		"repeated": blocks[1:3], "a gap": blocks[3:], "a gap within": {blocks[2], blocks[2]}, "backwards": {blocks[3], blocks[2]},
	} {
		if _, err := r.AppendBlocks(t.Context(), production, wrong); !errors.Is(err, plantmesh.ErrChainDiverged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if h := r.head(production); h.Offset != 2 {
		t.Errorf("head %d, want 2", h.Offset)
	}
}

// testDiverged lets one origin tell two histories: it was restored from an old copy of its disk.
func testDiverged(t *testing.T, open Open) {
	o := start(t, open, origin)
	o.recordEach(production, "a", 2)
	twin, r := start(t, open, origin), start(t, open, elsewhere)
	twin.recordEach(production, "a", 2) // the same time, incarnation and events
	if twin.head(production) != o.head(production) {
		t.Fatal("the same writes make different chains")
	}
	copyAll(t, o, r, production)
	o.recordEach(production, "b", 1)
	twin.recordEach(production, "c", 2)
	if _, err := r.AppendBlocks(t.Context(), production, raw(t, o, production, 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AppendBlocks(t.Context(), production, raw(t, twin, production, 3)); !errors.Is(err, plantmesh.ErrChainDiverged) {
		t.Errorf("got %v", err)
	}
}

func testIncarnation(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 1)
	copyAll(t, o, r, production)
	again := start(t, open, origin)
	again.clock.advance(1)
	again.recordEach(production, "a", 2)
	if _, err := r.AppendBlocks(t.Context(), production, raw(t, again, production, 1)); !errors.Is(err, plantmesh.ErrIncarnationChanged) {
		t.Errorf("got %v", err)
	}
}

func testOtherStream(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 1)
	for _, s := range []plantmesh.StreamName{quality, "plant-b/production"} {
		if _, err := r.AppendBlocks(t.Context(), s, raw(t, o, production, 0)); !errors.Is(err, plantmesh.ErrChainDiverged) {
			t.Errorf("%s: %v", s, err)
		}
	}
	if _, err := r.AppendBlocks(t.Context(), "no stream", raw(t, o, production, 0)); !errors.Is(err, plantmesh.ErrInvalidRequest) {
		t.Errorf("got %v", err)
	}
}

func testOwnStream(t *testing.T, open Open) {
	o, other := start(t, open, origin), start(t, open, origin)
	o.recordEach(production, "a", 1)
	if _, err := other.AppendBlocks(t.Context(), production, raw(t, o, production, 0)); !errors.Is(err, plantmesh.ErrInvalidRequest) {
		t.Errorf("got %v", err)
	}
}

func testConcurrentReplicas(t *testing.T, open Open) {
	r := start(t, open, elsewhere)
	var group sync.WaitGroup
	for i := range 4 {
		site := plantmesh.SiteID(fmt.Sprintf("plant-%d", i))
		s := plantmesh.StreamOf(site, "production")
		o := start(t, open, site)
		o.recordEach(s, "e", 10)
		blocks := raw(t, o, s, 0)
		group.Go(func() {
			for _, b := range blocks {
				if _, err := r.AppendBlocks(t.Context(), s, [][]byte{b}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Go(func() { r.recordEach("hq/production", "own", 10) })
	group.Wait()
	r.reopen()
	for _, h := range r.Heads() {
		if report := r.verify(h.Stream); report.Events != 10 {
			t.Errorf("%s: %+v", h.Stream, report)
		}
	}
}
