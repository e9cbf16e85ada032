package storagetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

var incarnationCases = []testCase{
	{"ReplicaHoldsIncarnationsSideBySide", testSideBySide},
	{"ReaderIsToldOfANewIncarnation", testResume},
	{"LostOriginIsRecoveredAndGoesOnInANewIncarnation", testRecover},
	{"RecoveredIdsAreKnownAgain", testRecoveredIDs},
	{"RestoredBackupIsCompletedBeforeItIsWritten", testRestoredBackup},
	{"RecoveryNeverTouchesWhatIsBeingWritten", testNoRecoveryUnderWrites},
	{"RecoveryDemandsTheOriginsSignature", testRecoveryUnsigned},
	{"HeldWritesWaitForTheirRelease", testHold},
}

// lose makes an origin whose disk is empty again, with a later clock.
func lose(t testing.TB, open Open, old *bench) *bench {
	t.Helper()
	b := start(t, open, origin)
	b.clock.advance(old.clock.read().Sub(b.clock.read()) + time.Hour)
	return b
}

// giveBack recovers an incarnation from a replica.
func giveBack(t testing.TB, from, to *bench, i plantmesh.Incarnation, after plantmesh.Offset) {
	t.Helper()
	blocks, err := from.RawBlocksOf(t.Context(), production, i, after, everything)
	if err != nil {
		t.Fatal(err)
	}
	head, err := from.HeadOf(production, i)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := to.Recover(t.Context(), production, blocks, signed(head)); err != nil || got != head {
		t.Fatalf("recovered up to %+v, %v; want %+v", got, err, head)
	}
}

func testSideBySide(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 3)
	first := copyAll(t, o, r, production)
	again := lose(t, open, o)
	again.recordEach(production, "b", 2)
	second := copyAll(t, again, r, production)
	check := func() {
		t.Helper()
		if all := r.AllHeads(); !slices.Equal(all, []plantmesh.Head{first, second}) {
			t.Errorf("heads %+v, want %+v and %+v", all, first, second)
		}
		if e, err := r.GetOf(production, first.Incarnation, 3); err != nil || e.GetEvent().GetId() != "a-2" {
			t.Errorf("the older incarnation has %v at 3, %v", e, err)
		}
		if ids := r.ids(production); !slices.Equal(ids, []string{"b-0", "b-1"}) {
			t.Errorf("the current incarnation holds %v", ids)
		}
		if report, err := r.VerifyOf(t.Context(), production, first.Incarnation, nil); err != nil || report.Events != 3 {
			t.Errorf("verify: %+v, %v", report, err)
		}
	}
	check()
	r.reopen()
	check()
	o.recordEach(production, "c", 1) // an older incarnation may still grow: its blocks were elsewhere
	if _, err := r.AppendBlocks(t.Context(), production, raw(t, o, production, 3)); err != nil {
		t.Fatal(err)
	}
	if head := r.head(production); head != second {
		t.Errorf("the current incarnation is %+v, want %+v", head, second)
	}
}

func testResume(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 3)
	first := copyAll(t, o, r, production).Incarnation
	at := func(i plantmesh.Incarnation, off plantmesh.Offset) storage.Position {
		return storage.Position{Incarnation: i, Offset: off}
	}
	expect := func(from, to storage.Position, kind storage.JumpKind) {
		t.Helper()
		got, jump, err := r.Resume(production, from)
		if err != nil || got != to || (jump == nil) != (kind == 0) || jump != nil && (jump.Kind != kind || jump.From != from || jump.To != to) {
			t.Errorf("from %+v to %+v by %+v, %v; want %+v, %d", from, got, jump, err, to, kind)
		}
	}
	expect(storage.Position{}, at(first, 0), 0)
	expect(at(first, 3), at(first, 3), 0)
	expect(at(first, 9), at(first, 9), 0) // given by somebody who holds more
	again := lose(t, open, o)
	again.recordEach(production, "b", 2)
	second := copyAll(t, again, r, production).Incarnation
	expect(storage.Position{}, at(first, 0), 0)
	expect(at(first, 2), at(first, 2), 0)
	expect(at(first, 3), at(second, 0), storage.JumpRecreated)
	expect(at(first, 9), at(second, 0), storage.JumpRecreated)
	expect(at(first-1, 1), at(first, 0), storage.JumpRecreated)
	expect(at(second, 2), at(second, 2), 0)
	expect(at(second+1, 5), at(second+1, 5), 0)
}

func testRecover(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 5)
	old := copyAll(t, o, r, production)
	again := lose(t, open, o)
	again.Hold()
	giveBack(t, r, again, old.Incarnation, 0)
	again.reopen() // what was recovered stays closed
	again.recordEach(production, "b", 2)
	heads, err := again.Incarnations(production)
	if err != nil || len(heads) != 2 || heads[0] != old || heads[1].Incarnation <= old.Incarnation || heads[1].Offset != 2 {
		t.Fatalf("incarnations %+v, %v; the first should be %+v", heads, err, old)
	}
	copyAll(t, again, r, production)
	if !slices.Equal(r.AllHeads(), heads) {
		t.Errorf("the replica has %+v, the origin %+v", r.AllHeads(), heads)
	}
}

func testRecoveredIDs(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 5)
	old := copyAll(t, o, r, production)
	again := lose(t, open, o)
	again.Hold()
	giveBack(t, r, again, old.Incarnation, 0)
	again.Release()
	receipt := again.record(production, event("a-3", "data"))[0]
	if !receipt.Duplicate || receipt.Incarnation != old.Incarnation || receipt.Offset != 4 {
		t.Errorf("an event recorded before the loss is answered with %+v", receipt)
	}
	if _, err := again.Append(t.Context(), writeOf(production, event("a-3", "other"))); !errors.Is(err, plantmesh.ErrEventIDConflict) {
		t.Errorf("other content under its id: %v", err)
	}
	if fresh := again.record(production, event("b", "data"))[0]; fresh.Duplicate || fresh.Offset != 1 || fresh.Incarnation == old.Incarnation {
		t.Errorf("a new event is answered with %+v", fresh)
	}
	if off, err := again.LookupOf(production, old.Incarnation, source, "a-3"); err != nil || off != 4 {
		t.Errorf("found at %d, %v", off, err)
	}
}

func testRestoredBackup(t *testing.T, open Open) {
	o, backup, r := start(t, open, origin), start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 5)
	backup.recordEach(production, "a", 3) // the same history, cut short: same clock, same ids
	old := copyAll(t, o, r, production)
	backup.reopen()
	backup.Hold()
	giveBack(t, r, backup, old.Incarnation, 3)
	backup.Release()
	if fresh := backup.record(production, event("b", "data"))[0]; fresh.Incarnation <= old.Incarnation || fresh.Offset != 1 {
		t.Errorf("after the backup was completed, %+v", fresh)
	}
}

func testNoRecoveryUnderWrites(t *testing.T, open Open) {
	o, backup, r := start(t, open, origin), start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 5)
	backup.recordEach(production, "a", 3)
	old := copyAll(t, o, r, production)
	blocks, err := r.RawBlocksOf(t.Context(), production, old.Incarnation, 3, everything)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Recover(t.Context(), production, blocks, signed(old)); !errors.Is(err, plantmesh.ErrChainDiverged) {
		t.Errorf("recovering what is being written: %v", err)
	}
	if head := backup.head(production); head.Offset != 3 {
		t.Errorf("it changed to %+v", head)
	}
}

func testRecoveryUnsigned(t *testing.T, open Open) {
	o, again := start(t, open, origin), start(t, open, origin)
	o.recordEach(production, "a", 2)
	if _, err := again.Recover(t.Context(), production, raw(t, o, production, 0)); !errors.Is(err, plantmesh.ErrInvalidCheckpoint) {
		t.Errorf("got %v", err)
	}
}

func testHold(t *testing.T, open Open) {
	o := start(t, open, origin)
	o.Hold()
	p, err := o.Submit(writeOf(production, event("a", "data")))
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
		t.Fatal("it was recorded though it was held")
	default:
	}
	o.Release()
	if receipts, err := p.Wait(t.Context()); err != nil || receipts[0].Offset != 1 {
		t.Errorf("released: %+v, %v", receipts, err)
	}
}
