package confirmations_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/confirmations"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func TestMain(m *testing.M) {
	warm() // what the process keeps for ever is made outside of virtual time
	goleak.VerifyTestMain(m)
}

func warm() {
	s := &site{fs: vfs.NewMem()}
	if err := s.open(); err != nil {
		panic(err)
	}
	if _, err := s.log.Append(context.Background(), storage.Write{Entries: []storage.Entry{{Stream: own, Event: must("warm", completed("WO-1"))}}}); err != nil {
		panic(err)
	}
	if _, err := s.log.Verify(context.Background(), own); err != nil {
		panic(err)
	}
	if err := s.close(); err != nil {
		panic(err)
	}
}

const own, outcomes = plantmesh.StreamName("plant-a/production"), plantmesh.StreamName("plant-a/mesh")

// site is a log and a derived database on a disk.
type site struct {
	t        *testing.T
	fs       vfs.FS
	log      *storage.Log
	state    *storage.State
	follower *confirmations.Follower
	told     int // outcomes, for their ids
}

func (s *site) open() (err error) {
	options := storage.Options{Mesh: "acme", Site: "plant-a", FS: s.fs}
	if s.log, err = storage.Open("log", options); err != nil {
		return err
	}
	if s.state, err = storage.OpenState("state", options); err != nil {
		return err
	}
	s.follower, err = confirmations.New(confirmations.Config{
		Site: "plant-a", Outcomes: "mesh", Captured: "//plant-a/odoo", Active: func() bool { return true },
	}, s.log, s.state.Owner("confirmations"), slog.New(slog.DiscardHandler))
	return err
}

func (s *site) close() error { return errors.Join(s.log.Close(), s.state.Close()) }

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, fs: vfs.NewMem()}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return s
}

func (s *site) restart() {
	s.t.Helper()
	if err := errors.Join(s.close(), s.open()); err != nil {
		s.t.Fatal(err)
	}
}

func completed(order string) proto.Message {
	return &manufacturingv1.ProductionCompleted{OrderId: order, ItemId: "bolt", Quantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"}}
}

// must makes an event.
func must(id string, payload proto.Message) *eventv1.Event {
	e, err := plantmesh.NewEvent("//plant-a/mes", id, time.Now(), payload)
	if err != nil {
		panic(err)
	}
	return e
}

// record appends an event to a stream and returns where.
func (s *site) record(stream plantmesh.StreamName, e *eventv1.Event) storage.Receipt {
	s.t.Helper()
	receipts, err := s.log.Append(s.t.Context(), storage.Write{Entries: []storage.Entry{{Stream: stream, Event: e}}})
	if err != nil {
		s.t.Fatal(err)
	}
	return receipts[0]
}

// tell records what became of an event: nothing wrong, or a reason.
func (s *site) tell(of storage.Receipt, order, reason string) {
	s.t.Helper()
	s.told++
	var outcome proto.Message = &manufacturingv1.ErpApplied{
		EventSource: "//plant-a/mes", EventId: "x", EventType: "plantmesh.manufacturing.v1.ProductionCompleted", EventSubject: "order/" + order, Stream: string(of.Stream),
		Incarnation: uint64(of.Incarnation), Offset: uint64(of.Offset), SiteId: "plant-a", RecordModel: "mrp.production", RecordId: 1, ApplyTime: timestamppb.Now(),
	}
	if reason != "" {
		outcome = &manufacturingv1.ErpRejected{
			EventSource: "//plant-a/mes", EventId: "x", EventType: "plantmesh.manufacturing.v1.ProductionCompleted", EventSubject: "order/" + order, Stream: string(of.Stream),
			Incarnation: uint64(of.Incarnation), Offset: uint64(of.Offset), SiteId: "plant-a", Reason: reason, RejectTime: timestamppb.Now(),
		}
	}
	s.record(outcomes, must(fmt.Sprint("outcome-", s.told), outcome))
}

func (s *site) look() confirmations.Totals {
	s.t.Helper()
	if err := s.follower.Look(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	t, ok := s.follower.Totals()
	if !ok {
		s.t.Fatal("it looked, and says that it did not")
	}
	return t
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }

func TestEventWithoutAnOutcomeIsOverdueWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		s.look()
		kind, err := plantmesh.LookupEventType("plantmesh.manufacturing.v1.ProductionCompleted")
		if err != nil || kind.ConfirmWithin == 0 {
			t.Fatalf("the type asks for no confirmation: %v", err)
		}
		first := s.record(own, must("1", completed("WO-1")))
		pass(time.Minute)
		second := s.record(own, must("2", completed("WO-2")))
		s.record(own, must("3", &manufacturingv1.InspectionRecorded{InspectionId: "I-1", ItemId: "bolt", Result: manufacturingv1.InspectionResult_INSPECTION_RESULT_PASSED})) // asks for nothing
		if got := s.look(); got.Waiting != 2 || got.Overdue != 0 {
			t.Fatalf("%+v, want 2 waiting", got)
		}
		pass(kind.ConfirmWithin - 30*time.Second)
		overdue, _ := s.follower.Overdue()
		if len(overdue) != 1 || overdue[0].Count != 1 || overdue[0].Subject != "order/WO-1" || overdue[0].Procedure != kind.ManualProcedure || overdue[0].Offset != first.Offset {
			t.Fatalf("overdue %+v, want the first", overdue)
		}
		pass(time.Minute)
		if overdue, _ = s.follower.Overdue(); len(overdue) != 1 || overdue[0].Count != 2 {
			t.Fatalf("overdue %+v, want both, as one", overdue)
		}
		s.tell(first, "WO-1", "")
		s.tell(second, "WO-2", "")
		if got := s.look(); got.Waiting+got.Overdue != 0 {
			t.Fatalf("%+v, want nothing, though it came late", got)
		}
	})
}

func TestRejectedEventIsNamedUntilItIsApplied(t *testing.T) {
	s := newSite(t)
	s.look()
	at := s.record(own, must("1", completed("WO-1")))
	s.tell(at, "WO-1", "no such item")
	got := s.look()
	rejected, _ := s.follower.Rejected()
	if got.Waiting != 0 || len(rejected) != 1 || rejected[0].Subject != "order/WO-1" || rejected[0].Reason != "no such item" {
		t.Fatalf("%+v, rejected %+v, want one, with its reason", got, rejected)
	}
	s.restart()
	s.tell(at, "WO-1", "")
	if got := s.look(); got.Rejected != 0 {
		t.Fatalf("%+v, want none after it was applied", got)
	}
}

func TestWhatWasRecordedBeforeOutcomesWereFollowedIsNotAskedFor(t *testing.T) {
	s := newSite(t)
	s.record(own, must("1", completed("WO-1")))
	if got := s.look(); got.Waiting != 0 {
		t.Fatalf("%+v, want nothing", got)
	}
	s.restart()
	s.record(own, must("2", completed("WO-2")))
	s.record("plant-a/inventory", must("3", &manufacturingv1.StockCounted{CountId: "C-1", ItemId: "bolt", Quantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"}})) // a new stream
	if got := s.look(); got.Waiting != 2 {
		t.Fatalf("%+v, want what came after that", got)
	}
}

// Outcomes come in any order, before or after the event was read, twice, and across restarts: what waits is what was not told.
func TestWhatWaitsIsWhatWasNotToldWhateverHappens(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	s := newSite(t)
	s.look()
	open := map[plantmesh.Offset]storage.Receipt{}
	for n := range 1500 {
		switch roll := random.IntN(100); {
		case roll < 45:
			at := s.record(own, must(fmt.Sprint(n), completed("WO-1")))
			open[at.Offset] = at
		case roll < 85:
			for offset, at := range open {
				if random.IntN(3) == 0 {
					break
				}
				s.tell(at, "WO-1", "")
				if random.IntN(10) == 0 {
					s.tell(at, "WO-1", "")
				}
				delete(open, offset)
			}
		case roll < 88:
			s.restart()
		default:
			if got := s.look(); got.Waiting != len(open) {
				t.Fatalf("%d wait, want %d", got.Waiting, len(open))
			}
		}
	}
	if got := s.look(); got.Waiting != len(open) || got.GivenUp != 0 {
		t.Fatalf("%+v, want %d waiting", got, len(open))
	}
}
