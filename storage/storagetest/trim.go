package storagetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

var trimCases = []testCase{
	{"TrimRemovesWholeBlocksAndTheirIdsForGood", testTrim},
	{"ReaderBelowTheTrimIsToldWhereTheStreamBegins", testReadTrimmed},
	{"TrimKeepsTheLastBlock", testTrimAll},
	{"TrimmedReplicaGoesOn", testTrimReplica},
	{"ReplicaOfATrimmedStreamBeginsWhereASignatureProvesIt", testReplicaOfTrimmed},
	{"BytesBeforeKeepsAsMuchAsAskedFor", testBytesBefore},
	{"RemovedReplicaIsGoneAndCanBeFetchedAnew", testRemove},
}

func (b *bench) trim(s plantmesh.StreamName, before, want plantmesh.Offset) {
	b.Helper()
	if got, err := b.Trim(b.Context(), s, 0, before); err != nil || got != want {
		b.Fatalf("trimmed before %d: begins at %d, %v; want %d", before, got, err, want)
	}
}

func testTrim(t *testing.T, open Open) {
	o := start(t, open, origin)
	o.record(production, event("a", "data"), event("b", "data"), event("c", "data"))
	o.recordEach(production, "d", 7)
	full := o.Streams()[0].StoredBytes
	o.trim(production, 3, 1) // in the middle of a block
	o.trim(production, 6, 6)
	o.trim(production, 2, 6) // never back
	for range 2 {
		if info := o.Streams()[0]; info.Earliest != 6 || info.StoredBytes >= full || info.Head.Offset != 10 {
			t.Errorf("described as %+v", info)
		}
		if report := o.verify(production); report.Events != 5 || report.Head != o.head(production) {
			t.Errorf("verified %+v", report)
		}
		if _, err := o.Lookup(production, source, "b"); !errors.Is(err, plantmesh.ErrEventNotFound) {
			t.Errorf("a trimmed id: %v", err)
		}
		if at, err := o.Lookup(production, source, "d-4"); err != nil || at != 8 {
			t.Errorf("a kept id: %d, %v", at, err)
		}
		if at, err := o.OffsetBefore(production, time.Unix(0, 0)); err != nil || at != 5 {
			t.Errorf("before the beginning: %d, %v", at, err)
		}
		o.reopen()
	}
	if r := o.record(production, event("b", "another"))[0]; r.Duplicate || r.Offset != 11 {
		t.Errorf("a trimmed id recorded again: %+v", r)
	}
}

func testReadTrimmed(t *testing.T, open Open) {
	o := start(t, open, origin)
	o.recordEach(production, "a", 10)
	head := o.head(production)
	o.trim(production, 5, 5)
	_, blocks := o.Blocks(t.Context(), production, 3, everything)
	_, get := o.Get(production, 4)
	_, chain := o.ChainAt(t.Context(), production, 3)
	_, raw := o.RawBlocks(t.Context(), production, 0, everything)
	_, proof := o.Prove(t.Context(), production, 0, 4, 6, nil)
	for name, err := range map[string]error{"Blocks": blocks, "Get": get, "ChainAt": chain, "RawBlocks": raw, "Prove": proof} {
		var at *plantmesh.OffsetError
		if !errors.Is(err, plantmesh.ErrOffsetTrimmed) || !errors.As(err, &at) || at.Earliest != 5 || at.End != 10 {
			t.Errorf("%s: %v", name, err)
		}
	}
	from := storage.Position{Incarnation: head.Incarnation, Offset: 2}
	to, jump, err := o.Resume(production, from)
	if err != nil || to.Offset != 4 || jump == nil || jump.Kind != storage.JumpTrimmed {
		t.Errorf("a reader goes on at %+v by %+v, %v", to, jump, err)
	}
	if got, err := o.Blocks(t.Context(), production, 4, everything); err != nil || len(got) != 6 {
		t.Errorf("behind it: %d blocks, %v", len(got), err)
	}
	if c, err := o.ChainAt(t.Context(), production, 4); err != nil || c == (plantmesh.Chain{}) {
		t.Errorf("chain where it begins: %s, %v", c, err)
	}
}

func testTrimAll(t *testing.T, open Open) {
	o := start(t, open, origin)
	o.recordEach(production, "a", 3)
	o.trim(production, 1000, 3)
	o.reopen()
	o.recordEach(production, "b", 1)
	if report := o.verify(production); report.Events != 2 || report.Head.Offset != 4 {
		t.Errorf("verified %+v", report)
	}
}

func testTrimReplica(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 6)
	copyAll(t, o, r, production)
	r.trim(production, 4, 4)
	o.recordEach(production, "b", 2)
	o.trim(production, 7, 7) // exactly where the replica goes on
	r.reopen()
	if _, err := r.AppendBlocks(t.Context(), production, raw(t, o, production, 6)); err != nil {
		t.Fatal(err)
	}
	if report := r.verify(production); report.Events != 5 || report.Head != o.head(production) {
		t.Errorf("verified %+v", report)
	}
}

func testReplicaOfTrimmed(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 6)
	o.trim(production, 4, 4)
	blocks := raw(t, o, production, 3)
	if _, err := r.AppendBlocks(t.Context(), production, blocks); err == nil {
		t.Error("nobody signed what begins in the middle")
	}
	head, err := r.AppendBlocks(t.Context(), production, blocks, signed(o.head(production)))
	if err != nil || head != o.head(production) {
		t.Fatalf("%+v, %v", head, err)
	}
	r.reopen()
	if info := r.Streams()[0]; info.Earliest != 4 {
		t.Errorf("described as %+v", info)
	}
	if report := r.verify(production); report.Events != 3 || report.Signed != 6 {
		t.Errorf("verified %+v", report)
	}
}

func testBytesBefore(t *testing.T, open Open) {
	o := start(t, open, origin)
	o.recordEach(production, "a", 10)
	size := o.Streams()[0].StoredBytes
	for keep, least := range map[uint64]plantmesh.Offset{0: 11, 1: 10, size / 2: 5, size: 1, 10 * size: 1} {
		got, err := o.BytesBefore(t.Context(), production, 0, keep)
		if err != nil || got < least || got > least+1 {
			t.Errorf("to keep %d of %d bytes: before %d, %v; want about %d", keep, size, got, err, least)
		}
	}
}

func testRemove(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 3)
	copyAll(t, o, r, production)
	again := lose(t, open, o)
	again.recordEach(production, "b", 2)
	copyAll(t, again, r, production)
	if err := r.Remove(production); err != nil {
		t.Fatal(err)
	}
	if err := o.Remove(production); !errors.Is(err, plantmesh.ErrInvalidRequest) {
		t.Errorf("an own stream: %v", err)
	}
	for range 2 {
		if _, err := r.Head(production); !errors.Is(err, plantmesh.ErrUnknownStream) || len(r.AllHeads()) != 0 {
			t.Errorf("it is still there: %v, %v", r.AllHeads(), err)
		}
		r.reopen()
	}
	copyAll(t, again, r, production)
	if ids := r.ids(production); !slices.Equal(ids, []string{"b-0", "b-1"}) || r.verify(production).Events != 2 {
		t.Errorf("fetched anew: %v", ids)
	}
}
