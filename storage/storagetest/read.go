package storagetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

var readCases = []testCase{
	{"ReadsFromAnyOffsetFromMemoryAndFromDisk", testReadFromOffset},
	{"ReadsGiveOneBlockHoweverLittleIsAsked", testReadLimits},
	{"ReadsBehindTheHeadAreRefused", testReadBehindHead},
	{"UnknownStreamIsSaidToBeUnknown", testUnknownStream},
	{"ReadsFromATime", testOffsetBefore},
	{"LooksUpByIDAndOffset", testLookup},
	{"WaitHeadWakesForAStreamThatBegins", testWaitHead},
	{"ChangedIsClosedOnceTheChangeIsVisible", testChanged},
	{"StreamsAreListedByName", testStreams},
	{"ChainIsKnownAtBlockBoundariesOnly", testChainAt},
}

// small keeps next to nothing in memory.
func small(o *storage.Options) { o.TailBytes = 1 }

func testReadFromOffset(t *testing.T, open Open) {
	for _, change := range []func(*storage.Options){func(*storage.Options) {}, small} {
		b := start(t, open, origin, change)
		for i := range 10 { // blocks of three events
			b.record(production, event(fmt.Sprint(i, "a"), ""), event(fmt.Sprint(i, "b"), ""), event(fmt.Sprint(i, "c"), ""))
		}
		for after := range plantmesh.Offset(30) {
			blocks, err := b.Blocks(t.Context(), production, after, everything)
			if err != nil {
				t.Fatal(err)
			}
			if first := blocks[0]; first.First() > after+1 || first.Last() <= after {
				t.Errorf("behind %d: first block has %d to %d", after, first.First(), first.Last())
			}
			if last := blocks[len(blocks)-1]; last.Last() != 30 || len(blocks) != 10-int(after)/3 {
				t.Errorf("behind %d: %d blocks up to %d", after, len(blocks), last.Last())
			}
		}
		if len(b.ids(production)) != 30 {
			t.Error("not all events are read")
		}
	}
}

func testReadLimits(t *testing.T, open Open) {
	for _, change := range []func(*storage.Options){func(*storage.Options) {}, small} {
		b := start(t, open, origin, change)
		b.recordEach(production, "e", 10)
		one, err := b.Blocks(t.Context(), production, 0, 0)
		if err != nil || len(one) != 1 {
			t.Fatalf("%d blocks, %v", len(one), err)
		}
		size := len(one[0].Bytes())
		some, err := b.Blocks(t.Context(), production, 2, 3*size)
		if err != nil || len(some) < 2 || len(some) > 3 {
			t.Errorf("%d blocks for three blocks' bytes, %v", len(some), err)
		}
		none, err := b.Blocks(t.Context(), production, 10, everything)
		if err != nil || len(none) != 0 {
			t.Errorf("%d blocks at the head, %v", len(none), err)
		}
	}
}

func testReadBehindHead(t *testing.T, open Open) {
	b := start(t, open, origin)
	b.recordEach(production, "e", 3)
	_, err := b.Blocks(t.Context(), production, 4, everything)
	var offset *plantmesh.OffsetError
	if !errors.As(err, &offset) || !errors.Is(err, plantmesh.ErrOffsetBeyondHead) || offset.Asked != 4 || offset.Earliest != 1 || offset.End != 3 {
		t.Errorf("got %v", err)
	}
	for _, o := range []plantmesh.Offset{0, 4} {
		if _, err := b.Get(production, o); !errors.As(err, &offset) {
			t.Errorf("get %d: %v", o, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.reopen()
	if _, err := b.Blocks(ctx, production, 0, everything); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ended: %v", err)
	}
}

func testUnknownStream(t *testing.T, open Open) {
	b := start(t, open, origin)
	_, blocksErr := b.Blocks(t.Context(), production, 0, 1)
	_, rawErr := b.RawBlocks(t.Context(), production, 0, 1)
	_, headErr := b.Head(production)
	_, getErr := b.Get(production, 1)
	_, lookupErr := b.Lookup(production, source, "1")
	_, timeErr := b.OffsetBefore(production, time.Now())
	_, chainErr := b.ChainAt(t.Context(), production, 0)
	_, verifyErr := b.Verify(t.Context(), production)
	for i, err := range []error{blocksErr, rawErr, headErr, getErr, lookupErr, timeErr, chainErr, verifyErr} {
		if !errors.Is(err, plantmesh.ErrUnknownStream) {
			t.Errorf("%d: got %v", i, err)
		}
	}
}

func testOffsetBefore(t *testing.T, open Open) {
	for _, restart := range []bool{false, true} {
		b := start(t, open, origin)
		begin := b.clock.read()
		b.recordEach(production, "e", 20) // event i at begin + i-1 seconds
		b.record(production, event("x", ""), event("y", ""))
		b.record(production, event("z", "")) // 21 to 23 at the same time
		if restart {
			b.reopen()
		}
		for _, c := range []struct {
			at   time.Time
			want plantmesh.Offset
		}{
			{time.Time{}, 0},
			{begin.Add(-time.Hour), 0},
			{begin, 0},
			{begin.Add(1), 1},
			{begin.Add(5 * time.Second), 5},
			{begin.Add(5*time.Second + 1), 6},
			{begin.Add(20 * time.Second), 20},
			{begin.Add(20*time.Second + 1), 23},
			{begin.AddDate(500, 0, 0), 23},
		} {
			if got, err := b.OffsetBefore(production, c.at); err != nil || got != c.want {
				t.Errorf("before %v: %d, %v, want %d", c.at, got, err, c.want)
			}
		}
	}
}

func testLookup(t *testing.T, open Open) {
	b := start(t, open, origin, small)
	b.recordEach(production, "e", 10)
	b.record(production, event("x", ""), event("y", ""))
	if o, err := b.Lookup(production, source, "y"); err != nil || o != 12 {
		t.Errorf("%d, %v, want 12", o, err)
	}
	if _, err := b.Lookup(production, source, "z"); !errors.Is(err, plantmesh.ErrEventNotFound) {
		t.Errorf("got %v", err)
	}
	for o, id := range map[plantmesh.Offset]string{1: "e-0", 11: "x", 12: "y"} {
		e, err := b.Get(production, o)
		if err != nil || e.GetEvent().GetId() != id || e.GetOffset() != uint64(o) {
			t.Errorf("get %d: %v, %v", o, e, err)
		}
	}
}

func testWaitHead(t *testing.T, open Open) {
	b := start(t, open, origin)
	heads := make(chan plantmesh.Head, 1)
	go func() {
		h, err := b.WaitHead(t.Context(), quality, 1)
		if err != nil {
			t.Error(err)
		}
		heads <- h
	}()
	b.recordEach(production, "p", 2)
	b.recordEach(quality, "q", 2)
	if h := <-heads; h.Stream != quality || h.Offset != 2 {
		t.Errorf("head %+v", h)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.WaitHead(ctx, quality, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func testChanged(t *testing.T, open Open) {
	b := start(t, open, origin)
	for i := range plantmesh.Offset(5) {
		changed := b.Changed()
		select {
		case <-changed:
			t.Fatal("closed before anything changed")
		default:
		}
		b.record(production, event(fmt.Sprint(i), ""))
		<-changed
		if h := b.head(production); h.Offset != i+1 {
			t.Errorf("head %d, want %d", h.Offset, i+1)
		}
	}
	changed := b.Changed()
	b.record(production, event("0", "")) // a duplicate changes nothing
	select {
	case <-changed:
		t.Error("closed by a duplicate")
	default:
	}
}

func testStreams(t *testing.T, open Open) {
	b := start(t, open, origin)
	if len(b.Heads()) != 0 {
		t.Errorf("heads %v", b.Heads())
	}
	b.recordEach(quality, "q", 2)
	b.recordEach(production, "p", 3)
	foreign := start(t, open, "plant-b")
	foreign.recordEach("plant-b/production", "f", 1)
	copyAll(t, foreign, b, "plant-b/production")
	b.reopen()
	infos, heads := b.Streams(), b.Heads()
	want := []plantmesh.StreamName{production, quality, "plant-b/production"}
	if len(infos) != 3 || len(heads) != 3 {
		t.Fatalf("%d streams, %d heads", len(infos), len(heads))
	}
	for i, info := range infos {
		report := b.verify(want[i])
		if info.Head.Stream != want[i] || info.Head != heads[i] || info.Head != report.Head || info.Earliest != 1 || info.Replica != (i == 2) || info.StoredBytes == 0 {
			t.Errorf("%d: %+v", i, info)
		}
	}
}

func testChainAt(t *testing.T, open Open) {
	b := start(t, open, origin)
	b.record(production, event("1", ""), event("2", ""))
	b.record(production, event("3", ""))
	blocks, err := b.Blocks(t.Context(), production, 0, everything)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range []plantmesh.Offset{0, 2} {
		if chain, err := b.ChainAt(t.Context(), production, o); err != nil || chain != blocks[i].Previous() {
			t.Errorf("at %d: %s, %v, want %s", o, chain, err, blocks[i].Previous())
		}
	}
	if chain, err := b.ChainAt(t.Context(), production, 3); err != nil || chain != b.head(production).Chain {
		t.Errorf("at the head: %s, %v", chain, err)
	}
	if _, err := b.ChainAt(t.Context(), production, 1); !errors.Is(err, plantmesh.ErrNotBlockBoundary) {
		t.Errorf("within a block: %v", err)
	}
	if _, err := b.ChainAt(t.Context(), production, 4); !errors.Is(err, plantmesh.ErrOffsetBeyondHead) {
		t.Errorf("behind the head: %v", err)
	}
	if _, err := b.RawBlocks(t.Context(), production, 1, everything); !errors.Is(err, plantmesh.ErrNotBlockBoundary) {
		t.Errorf("raw blocks from within a block: %v", err)
	}
}
