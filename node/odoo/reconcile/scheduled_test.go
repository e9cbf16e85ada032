package reconcile_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// record keeps what is appended.
type record struct {
	mu     sync.Mutex // guards what follows
	fault  error
	others map[string]string // type by stream and id
	events []*manufacturingv1.ReconciliationCompleted
	times  []time.Time
}

func (r *record) Append(_ context.Context, w storage.Write) ([]storage.Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault != nil {
		return nil, r.fault
	}
	for _, e := range w.Entries {
		payload, err := plantmesh.Payload(e.Event)
		if err != nil {
			return nil, err
		}
		if whole, ok := payload.(*manufacturingv1.ReconciliationCompleted); ok && e.Stream == "hq/mesh" {
			r.events, r.times = append(r.events, whole), append(r.times, time.Now())
			continue
		}
		name := string(e.Stream) + " " + e.Event.GetId()
		if r.others[name] != "" {
			return nil, &plantmesh.ConflictError{}
		}
		r.others[name] = string(payload.ProtoReflect().Descriptor().Name())
	}
	return nil, nil
}

func (r *record) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = err
}

// completed is what was recorded of comparisons, and when.
func (r *record) completed() ([]*manufacturingv1.ReconciliationCompleted, []time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events), slices.Clone(r.times)
}

// corrections are the types of all other events, by stream and id.
func (r *record) corrections() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.others)
}

func (r *record) failing() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fault
}

// newState is a part of a derived database that has nothing yet.
func newState(t *testing.T) *storage.Owner {
	t.Helper()
	state, err := storage.OpenState("state", storage.Options{Mesh: "test", Site: "hq", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = state.Close() })
	return state.Owner("reconcile")
}

func TestMeshIsComparedWhenItIsTimeToAndSoonAfterAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		schedule, err := mesh.ParseSchedule("0 5 * * *", time.Minute, "")
		if err != nil {
			t.Fatal(err)
		}
		log := &record{others: map[string]string{}}
		erp := &record{}
		counts := map[string]int{}
		state := newState(t)
		s := &reconcile.Scheduled{
			State: state, Schedule: schedule, Site: "hq", Log: log, Logger: slog.New(slog.DiscardHandler), Differences: func(kind string, n int) { counts[kind] = n },
			Approve: map[string]*apd.Decimal{"C62": apd.New(1, 0)},
			Compare: func(context.Context) (reconcile.Report, error) {
				now := time.Now()
				r := reconcile.Report{Start: now, End: now.Add(time.Second), Waiting: 3, Compared: []reconcile.Compared{{Kind: reconcile.KindStock, Records: 400, Differences: 300}}}
				for range 300 {
					r.Differences = append(r.Differences, reconcile.Difference{Kind: reconcile.KindStock, Subject: strings.Repeat("é", 600), Field: "quantity", Mesh: "1", Odoo: "2", Gap: "1", Cause: "a person"})
				}
				for n, quantity := range []string{"0.5", "7"} {
					r.Differences[n].Proposal = &reconcile.Proposal{ID: "correction-" + quantity, Site: "plant-a", Item: "A", Quantity: quantity, Unit: "C62"}
				}
				return r, erp.failing()
			},
		}
		ctx, end := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		at := func(hour, minute int) time.Time { return time.Date(2000, 1, 1, hour, minute, 0, 0, time.UTC) }
		until := func(when time.Time) {
			<-time.After(time.Until(when))
			synctest.Wait()
		}
		until(at(4, 59))
		if events, _ := log.completed(); len(events) != 0 {
			t.Fatal("compared before its time")
		}
		erp.fail(errors.New("no route to Odoo"))
		until(at(5, 2))
		if now := s.Status(); now.Problem != "no route to Odoo" || !now.Next.Equal(at(5, 5)) {
			t.Errorf("after a fault: %+v", now)
		}
		erp.fail(nil)
		log.fail(errors.New("disk full"))
		until(at(5, 7))
		if _, ok := s.Last(); ok {
			t.Fatal("a result that is not recorded counts")
		}
		log.fail(nil)
		until(at(5, 12))
		events, times := log.completed()
		if len(events) != 1 || !times[0].Equal(at(5, 10)) {
			t.Fatalf("recorded %d at %v, want one at 5:10", len(events), times)
		}
		e := events[0]
		if len(e.GetDifferences()) != 200 || e.GetCompared()[0].GetDifferences() != 300 || e.GetWaiting() != 3 || e.GetAgree() {
			t.Errorf("recorded %d differences of %v, %d waiting", len(e.GetDifferences()), e.GetCompared(), e.GetWaiting())
		}
		if last, ok := s.Last(); !ok || len(last.Differences) != 300 {
			t.Errorf("last %t with %d differences", ok, len(last.Differences))
		}
		if now := s.Status(); now.Problem != "" || !now.Next.Equal(at(5, 0).AddDate(0, 0, 1)) {
			t.Errorf("after a result: due %v, %q", now.Next, now.Problem)
		}
		again := &reconcile.Scheduled{State: state}
		if err := again.Recall(); err != nil {
			t.Fatal(err)
		}
		if last, ok := again.Last(); !ok || len(last.Differences) != 300 || !last.End.Equal(times[0].Add(time.Second)) || last.Differences[1].ProposalID() != "correction-7" {
			t.Errorf("after a restart: %t, %d differences of %v", ok, len(last.Differences), last.End)
		}
		until(at(5, 12).AddDate(0, 0, 1))
		if events, times = log.completed(); len(events) != 2 || times[1].Equal(times[0]) {
			t.Errorf("%d recorded after a day, want 2", len(events))
		}
		want := map[string]string{
			"hq/mesh correction-0.5": "CorrectionProposed", "hq/mesh correction-7": "CorrectionProposed", "hq/corrections correction-0.5-approved": "CorrectionApproved",
		}
		if got := log.corrections(); !maps.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if !maps.Equal(counts, map[string]int{"stock": 300}) {
			t.Errorf("metrics were told of %v", counts)
		}
	})
}
