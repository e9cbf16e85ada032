package odoo_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// plantLog is the log of the site that faces the sandbox, beside one event of a plant.
type plantLog struct {
	*storage.Log
	event *eventv1.RecordedEvent
}

func (l plantLog) GetOf(plantmesh.StreamName, plantmesh.Incarnation, plantmesh.Offset) (*eventv1.RecordedEvent, error) {
	return l.event, nil
}

// fullLog refuses to record.
type fullLog struct{ plantLog }

func (fullLog) Append(context.Context, storage.Write) ([]storage.Receipt, error) {
	return nil, plantmesh.ErrDiskReserve
}

func openLog(t *testing.T) *storage.Log {
	t.Helper()
	log, err := storage.Open("log", storage.Options{Mesh: "test", Site: "hq", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return log
}

// outcomes are those recorded so far.
func outcomes(t *testing.T, log *storage.Log) (all []proto.Message) {
	t.Helper()
	head, err := log.Head("hq/mesh")
	if errors.Is(err, plantmesh.ErrUnknownStream) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for o := plantmesh.Offset(1); o <= head.Offset; o++ {
		r, err := log.Get("hq/mesh", o)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := plantmesh.Payload(r.GetEvent())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, payload)
	}
	return all
}

func TestOutcomeIsRecordedOnceThoughTheReplyIsLost(t *testing.T) {
	f, log := newFixture(t), openLog(t)
	if err := f.applier.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := f.report(t, "WO")
	handler := odoo.NewOutcomes(f.applier, "hq", plantLog{log, d.Event})
	f.server.Inject(sandbox.Fault{Calls: 1, Only: "ir.actions.server/run", Drop: true})
	if err := handler.Handle(t.Context(), d); err == nil || len(outcomes(t, log)) != 0 {
		t.Fatalf("without a reply: %v, %v", err, outcomes(t, log))
	}
	for range 2 { // it is applied, and comes again
		if err := handler.Handle(t.Context(), d); !errors.Is(err, consumer.ErrDuplicate) {
			t.Errorf("again: %v", err)
		}
	}
	all := outcomes(t, log)
	if len(all) != 1 {
		t.Fatalf("%d outcomes: %v", len(all), all)
	}
	e := d.Event.GetEvent()
	got, ok := all[0].(*manufacturingv1.ErpApplied)
	if !ok || got.GetEventSource() != e.GetSource() || got.GetEventId() != e.GetId() || got.GetEventSubject() != "order/WO" || got.GetSiteId() != "plant-a" ||
		got.GetStream() != "plant-a/production" || got.GetOffset() != 1 || got.GetRecordModel() != "mrp.workcenter.productivity" || got.GetRecordId() == 0 ||
		got.GetRecordName() == "" || time.Since(got.GetApplyTime().AsTime()) > time.Hour {
		t.Errorf("outcome %v", all[0])
	}
}

func TestOutcomeThatCannotBeRecordedHasTheEventComeAgain(t *testing.T) {
	f, log := newFixture(t), openLog(t)
	d := f.report(t, "WO")
	if err := odoo.NewOutcomes(f.applier, "hq", fullLog{plantLog{log, d.Event}}).Handle(t.Context(), d); !errors.Is(err, plantmesh.ErrDiskReserve) || errors.Is(err, consumer.ErrDuplicate) {
		t.Errorf("on a full disk: %v", err)
	}
	if err := odoo.NewOutcomes(f.applier, "hq", plantLog{log, d.Event}).Handle(t.Context(), d); !errors.Is(err, consumer.ErrDuplicate) {
		t.Errorf("later: %v", err)
	}
	if all := outcomes(t, log); len(all) != 1 {
		t.Errorf("outcomes %v", all)
	}
}

func TestRefusalAndDiscardAreOutcomes(t *testing.T) {
	f, log := newFixture(t), openLog(t)
	d := f.report(t, "WO")
	bad := proto.CloneOf(d.Event)
	event, err := plantmesh.NewEvent("//plant-a/mes", "bad", time.Now(), &manufacturingv1.ProductionOrderReleased{
		OrderId: "WO", ItemId: "IT", Quantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"}, BillOfMaterialsId: "NONE",
	})
	if err != nil {
		t.Fatal(err)
	}
	bad.Event, d.Event = event, bad
	handler := odoo.NewOutcomes(f.applier, "hq", plantLog{log, bad})
	var park *consumer.ParkError
	for range 3 { // tried again and again, with one answer
		if err := handler.Handle(t.Context(), d); !errors.As(err, &park) {
			t.Fatalf("handle: %v", err)
		}
	}
	gone := &adminv1.DiscardedEvent{Stream: string(d.Stream), Incarnation: 1, Offset: 1, Reason: "typed twice", DiscardedBy: "client/anna", Error: "no bill", DiscardTime: timestamppb.Now()}
	if err := handler.Discarded(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	all := outcomes(t, log)
	if len(all) != 2 {
		t.Fatalf("%d outcomes: %v", len(all), all)
	}
	refused, _ := all[0].(*manufacturingv1.ErpRejected)
	if !strings.Contains(refused.GetReason(), "Bill of materials NONE of item IT is not in Odoo") || refused.GetDiscarded() || refused.GetEventId() != "bad" || refused.GetAttempts() != 1 {
		t.Errorf("refused: %v", all[0])
	}
	discarded, _ := all[1].(*manufacturingv1.ErpRejected)
	if !discarded.GetDiscarded() || discarded.GetDiscardedBy() != "client/anna" || !strings.Contains(discarded.GetReason(), "typed twice") || discarded.GetEventId() != "bad" {
		t.Errorf("discarded: %v", all[1])
	}
}
