package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

var appendCases = []testCase{
	{"OffsetsAreContiguousAcrossWritesAndRestarts", testContiguous},
	{"StoredEventIsWhatWasPublishedAndWhatTheOriginAdds", testStoredEvent},
	{"SameIDAndContentIsAnsweredWithTheOriginal", testDuplicate},
	{"TraceContextIsNotContent", testTraceContext},
	{"SameIDInAnotherStreamOrSourceIsAnotherEvent", testIDScope},
	{"OtherContentUnderAnIDRefusesTheWholeWrite", testConflict},
	{"RepetitionsWithinAWriteCountOnce", testRepetitionWithinWrite},
	{"ConcurrentPublishersOfOneIDGetOneOffset", testConcurrentDuplicates},
	{"CursorsAreCommittedWithTheirEvents", testCursors},
	{"RecordedTimeNeverRunsBackwards", testRecordedTime},
	{"LargeWritesBecomeSeveralBlocks", testSeveralBlocks},
	{"OnlyTheOriginWritesAStream", testForeignStream},
	{"EventThatNoBlockCanHoldIsRefused", testOversizedEvent},
	{"CloseAnswersWhatWasSubmitted", testClose},
	{"MoreThanMayWaitIsRefused", testTooManyPending},
}

func testContiguous(t *testing.T, open Open) {
	b := start(t, open, origin)
	for restart := range 3 {
		for i := range 5 {
			receipts := b.record(production, event(fmt.Sprintf("%d-%d-a", restart, i), ""), event(fmt.Sprintf("%d-%d-b", restart, i), ""))
			want := plantmesh.Offset(restart*10 + i*2 + 1)
			if receipts[0].Offset != want || receipts[1].Offset != want+1 || receipts[0].Duplicate {
				t.Fatalf("receipts %+v, want offsets from %d", receipts, want)
			}
		}
		before := b.head(production)
		b.reopen()
		if after := b.head(production); after != before {
			t.Fatalf("head %+v after a restart, %+v before", after, before)
		}
	}
	if report := b.verify(production); report.Events != 30 || report.Head != b.head(production) {
		t.Errorf("report %+v", report)
	}
}

func testStoredEvent(t *testing.T, open Open) {
	b := start(t, open, origin)
	e := event("1", "data")
	e.Attributes = map[string]string{"line": "4", "shift": "night"}
	e.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	receipt := b.record(production, e)[0]
	stored, err := b.Get(production, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(stored.GetEvent(), e) {
		t.Errorf("stored %v, published %v", stored.GetEvent(), e)
	}
	if stored.GetSite() != string(origin) || !stored.GetRecordedTime().AsTime().Equal(receipt.RecordedTime) || !receipt.RecordedTime.Equal(b.clock.read()) {
		t.Errorf("site %q, time %v, receipt %v", stored.GetSite(), stored.GetRecordedTime().AsTime(), receipt.RecordedTime)
	}
	if head := b.head(production); receipt.Stream != production || receipt.Incarnation != head.Incarnation || head.Incarnation == 0 {
		t.Errorf("receipt %+v, head %+v", receipt, head)
	}
}

func testDuplicate(t *testing.T, open Open) {
	b := start(t, open, origin)
	b.recordEach(production, "first", 20)
	original := b.record(production, event("1", "data"))[0]
	b.recordEach(production, "later", 20)
	for _, restart := range []bool{false, true} {
		if restart {
			b.reopen()
		}
		b.clock.advance(time.Hour)
		again := b.record(production, event("1", "data"))[0]
		want := original
		want.Duplicate = true
		if again != want {
			t.Errorf("receipt %+v, want %+v", again, want)
		}
	}
	if head := b.head(production); head.Offset != 41 {
		t.Errorf("head %d, want 41", head.Offset)
	}
}

func testTraceContext(t *testing.T, open Open) {
	b := start(t, open, origin)
	b.record(production, event("1", "data"))
	again := event("1", "data")
	again.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if r := b.record(production, again)[0]; !r.Duplicate || r.Offset != 1 {
		t.Errorf("receipt %+v", r)
	}
}

func testIDScope(t *testing.T, open Open) {
	b := start(t, open, origin)
	b.record(production, event("1", "data"))
	other := event("1", "other")
	other.Source = "//plant-a/scada"
	if r := b.record(production, other)[0]; r.Duplicate || r.Offset != 2 {
		t.Errorf("other source: receipt %+v", r)
	}
	if r := b.record(quality, event("1", "other"))[0]; r.Duplicate || r.Offset != 1 {
		t.Errorf("other stream: receipt %+v", r)
	}
	shifted := event("1", "data") // the same characters, cut elsewhere
	shifted.Source, shifted.Id = source+"1", ""
	if r := b.record(production, shifted)[0]; r.Duplicate {
		t.Errorf("shifted source and id: receipt %+v", r)
	}
}

func testConflict(t *testing.T, open Open) {
	b := start(t, open, origin)
	b.record(production, event("0", "x"), event("1", "x"))
	w := writeOf(production, event("2", "x"), event("1", "y"))
	w.Cursors = []storage.Cursor{{Name: "file", Value: []byte("2")}}
	_, err := b.Append(t.Context(), w)
	var conflict *plantmesh.ConflictError
	if !errors.As(err, &conflict) || !errors.Is(err, plantmesh.ErrEventIDConflict) {
		t.Fatalf("got %v, want a conflict", err)
	}
	if want := (plantmesh.ConflictError{Source: source, ID: "1", Stream: production, Offset: 2, Index: 1}); *conflict != want {
		t.Errorf("conflict %+v, want %+v", *conflict, want)
	}
	if value, err := b.Cursor("file"); value != nil || err != nil {
		t.Errorf("cursor of the refused write: %q, %v", value, err)
	}
	if r := b.record(production, event("2", "other"))[0]; r.Duplicate || r.Offset != 3 {
		t.Errorf("the id of a refused write is taken: %+v", r)
	}
}

func testRepetitionWithinWrite(t *testing.T, open Open) {
	b := start(t, open, origin)
	receipts := b.record(production, event("1", "x"), event("2", "x"), event("1", "x"))
	if receipts[0].Duplicate || !receipts[2].Duplicate || receipts[2].Offset != 1 || receipts[2].RecordedTime != receipts[0].RecordedTime {
		t.Errorf("receipts %+v", receipts)
	}
	_, err := b.Append(t.Context(), writeOf(production, event("3", "x"), event("4", "x"), event("3", "y")))
	var conflict *plantmesh.ConflictError
	if !errors.As(err, &conflict) || conflict.Index != 2 || conflict.Offset != 0 {
		t.Errorf("got %v, want a conflict of entry 2 with an earlier one", err)
	}
	if r := b.record(production, event("3", "z"))[0]; r.Duplicate || r.Offset != 3 {
		t.Errorf("receipt %+v", r)
	}
}

func testConcurrentDuplicates(t *testing.T, open Open) {
	b := start(t, open, origin)
	const publishers, events = 8, 25
	var mu sync.Mutex
	fresh := map[string]int{}
	offsets := map[string]plantmesh.Offset{}
	var group sync.WaitGroup
	for range publishers {
		group.Go(func() {
			for i := range events {
				id := fmt.Sprint(i)
				receipts, err := b.Append(t.Context(), writeOf(production, event(id, "x")))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if !receipts[0].Duplicate {
					fresh[id]++
				}
				if o, ok := offsets[id]; ok && o != receipts[0].Offset {
					t.Errorf("%s at %d and at %d", id, o, receipts[0].Offset)
				}
				offsets[id] = receipts[0].Offset
				mu.Unlock()
				if head := b.head(production); head.Offset < receipts[0].Offset {
					t.Errorf("told of %d while the durable head is %d", receipts[0].Offset, head.Offset)
				}
			}
		})
	}
	group.Wait()
	for id, n := range fresh {
		if n != 1 {
			t.Errorf("%s was new %d times", id, n)
		}
	}
	if ids := b.ids(production); len(ids) != events {
		t.Errorf("%d events recorded, want %d", len(ids), events)
	}
}

func testCursors(t *testing.T, open Open) {
	b := start(t, open, origin)
	if value, err := b.Cursor("file/a"); value != nil || err != nil {
		t.Errorf("unknown cursor: %q, %v", value, err)
	}
	w := writeOf(production, event("1", "x"))
	w.Cursors = []storage.Cursor{{Name: "file/a", Value: []byte("1")}, {Name: "file/b", Value: []byte("2")}, {Name: "other", Value: []byte("3")}}
	if _, err := b.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(t.Context(), storage.Write{Cursors: []storage.Cursor{{Name: "file/a", Value: []byte("4")}, {Name: "file/b"}}}); err != nil {
		t.Fatal(err)
	}
	b.reopen()
	var found []string
	err := b.Cursors("file/", func(name string, value []byte) error {
		found = append(found, name+"="+string(value))
		return nil
	})
	if want := []string{"file/a=4"}; err != nil || !slices.Equal(found, want) {
		t.Errorf("cursors %v, %v, want %v", found, err, want)
	}
	if value, err := b.Cursor("other"); string(value) != "3" || err != nil {
		t.Errorf("cursor %q, %v", value, err)
	}
}

func testRecordedTime(t *testing.T, open Open) {
	b := start(t, open, origin)
	last := b.record(production, event("0", ""))[0].RecordedTime
	for i, jump := range []time.Duration{time.Second, -time.Hour, time.Minute, -24 * time.Hour, 48 * time.Hour} {
		b.clock.advance(jump)
		if i%2 == 1 {
			b.reopen()
		}
		at := b.record(production, event(fmt.Sprint(i+1), ""))[0].RecordedTime
		if at.Before(last) {
			t.Errorf("after a jump of %v: %v is before %v", jump, at, last)
		}
		last = at
	}
	if !last.Equal(b.clock.read()) {
		t.Errorf("recorded at %v though the clock, at %v, is ahead again", last, b.clock.read())
	}
	b.verify(production)
}

func testSeveralBlocks(t *testing.T, open Open) {
	b := start(t, open, origin, func(o *storage.Options) { o.MaxBlockBytes = 4 << 10 })
	var w storage.Write
	for i := range 40 {
		w.Entries = append(w.Entries, writeOf(production, event(fmt.Sprint(i), strings.Repeat("x", 1000))).Entries...)
	}
	w.Entries = append(w.Entries, writeOf(quality, event("large", strings.Repeat("x", 100_000))).Entries...)
	receipts, err := b.Append(t.Context(), w)
	if err != nil || receipts[39].Offset != 40 || receipts[40].Offset != 1 {
		t.Fatalf("%v, %+v", err, receipts)
	}
	if report := b.verify(production); report.Blocks != 14 || report.Events != 40 {
		t.Errorf("report %+v, want 14 blocks", report)
	}
	if report := b.verify(quality); report.Blocks != 1 {
		t.Errorf("report %+v, want 1 block", report)
	}
}

func testForeignStream(t *testing.T, open Open) {
	b := start(t, open, origin)
	if _, err := b.Append(t.Context(), writeOf("plant-b/production", event("1", ""))); !errors.Is(err, plantmesh.ErrInvalidRequest) {
		t.Errorf("got %v", err)
	}
}

func testOversizedEvent(t *testing.T, open Open) {
	b := start(t, open, origin)
	if _, err := b.Append(t.Context(), writeOf(production, event("1", strings.Repeat("x", 3<<20)))); !errors.Is(err, plantmesh.ErrBatchTooLarge) {
		t.Errorf("got %v", err)
	}
}

func testClose(t *testing.T, open Open) {
	b := start(t, open, origin)
	var pending []*storage.Pending
	for i := range 50 {
		p, err := b.Submit(writeOf(production, event(fmt.Sprint(i), "")))
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, p)
	}
	l := b.Log
	b.close()
	for i, p := range pending {
		<-p.Done()
		if receipts, err := p.Wait(t.Context()); err != nil || receipts[0].Offset != plantmesh.Offset(i+1) {
			t.Errorf("submission %d: %+v, %v", i, receipts, err)
		}
	}
	if _, err := l.Append(t.Context(), writeOf(production, event("late", ""))); !errors.Is(err, plantmesh.ErrShuttingDown) {
		t.Errorf("append after close: %v", err)
	}
	if _, err := l.AppendBlocks(t.Context(), "plant-b/production", nil); !errors.Is(err, plantmesh.ErrShuttingDown) {
		t.Errorf("append blocks after close: %v", err)
	}
	b.reopen()
	if ids := b.ids(production); len(ids) != 50 {
		t.Errorf("%d events, want 50", len(ids))
	}
}

func testTooManyPending(t *testing.T, open Open) {
	b := start(t, open, origin, func(o *storage.Options) { o.MaxPendingBytes = 1000 })
	var refused int
	var last *storage.Pending
	for i := range 200 {
		p, err := b.Submit(writeOf(production, event(fmt.Sprint(i), strings.Repeat("x", 10_000))))
		switch {
		case errors.Is(err, plantmesh.ErrTooManyPending):
			refused++
		case err != nil:
			t.Fatal(err)
		default:
			last = p
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	if _, err := last.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := last.Wait(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
