package reallog_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

const (
	// ordersVariable bounds how many of the log's orders are told; the known answers are those of all.
	ordersVariable = "PLANTMESH_LOG_ORDERS"
	// patience is how long Odoo may be busy without one more event applied.
	patience = 5 * time.Minute
	// together is how many events one call publishes.
	together = 250
)

// The whole of a factory's log, from an empty database on.
func TestRealLogStandsInOdooToTheLastUnit(t *testing.T) {
	url, database, key := target(t)
	most, err := strconv.Atoi("0" + os.Getenv(ordersVariable))
	if err != nil {
		t.Fatalf("%s: %v", ordersVariable, err)
	}
	f := readFactory(t, most)
	if most == 0 {
		f.mustHaveKnownAnswers(t)
	}
	b := openBooks(t, url, database, key)
	b.mustBeEmpty()
	s := newSites(t, url, database, key)
	answers := s.listen(t.Context())
	begin, events := time.Now(), map[string]bool{}
	for _, c := range f.story(t) {
		began := time.Now()
		s.publish(c.events)
		answers.await(t, c)
		for _, e := range c.events {
			events[odoo.EventKey(e.GetSource(), e.GetId())] = true
		}
		took := time.Since(began)
		t.Logf("%s: %d events in %.1f s, %.1f a second", c.name, len(c.events), took.Seconds(), float64(len(c.events))/took.Seconds())
	}
	took := time.Since(begin)
	status, err := s.hq.Admin().GetStatus(t.Context(), &adminv1.GetStatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	counts := status.GetOdoo().GetCounts()
	t.Logf("all: %d events of %d orders in %.1f s, %.1f a second; %v", len(events), len(f.orders), took.Seconds(), float64(len(events))/took.Seconds(), counts)
	if counts.GetApplied() != uint64(len(events)) || counts.GetParked() != 0 || counts.GetIgnored() != 0 || counts.GetDiscarded() != 0 {
		t.Errorf("hq counts %v, want %d applied and no others", counts, len(events))
	}
	times := b.journal()
	for event := range events {
		if times[event] != 1 {
			t.Errorf("Odoo's journal has event %s %d times", event, times[event])
		}
	}
	if len(times) != len(events) {
		t.Errorf("Odoo's journal has %d events, want %d", len(times), len(events))
	}
	compare(t, f.expected(), b.found())
}

// mustHaveKnownAnswers holds the reading of the log to what its publishers' rows add up to.
func (f *factory) mustHaveKnownAnswers(t *testing.T) {
	t.Helper()
	l := f.expected()
	got := fmt.Sprint(f.read, f.rejected, f.duplicates, len(f.reports), len(f.orders), len(f.items()), len(f.centers)) // 4 of the 31 resources are only in lines without timestamps
	for _, about := range []string{"completed", "rejected", "for review"} {
		got += " " + l[tableTotals][about]
	}
	for _, activity := range []manufacturingv1.Activity{manufacturingv1.Activity_ACTIVITY_PRODUCTION, manufacturingv1.Activity_ACTIVITY_SETUP, manufacturingv1.Activity_ACTIVITY_BREAKDOWN} {
		got += " " + l[tableActivities][activity.String()]
	}
	if want := "4543 40 22 4481 225 43 27 91664 593 105 3726 704 51"; got != want {
		t.Fatalf("the log adds up to %s, want %s", got, want)
	}
}

func (s *sites) publish(events []*eventv1.Event) {
	s.t.Helper()
	for batch := range slices.Chunk(events, together) {
		if _, err := s.shop.Publish(s.t.Context(), batch...); err != nil {
			s.t.Fatal(err)
		}
	}
}

// answers are what the shop hears of its events from hq.
type answers struct {
	applied map[string]bool
	heard   chan *plantmesh.Delivery
	failed  chan error
}

// listen reads hq's outcomes at the shop's own node.
func (s *sites) listen(ctx context.Context) *answers {
	a := &answers{applied: map[string]bool{}, heard: make(chan *plantmesh.Delivery), failed: make(chan error, 1)}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	s.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		retry := time.NewTicker(100 * time.Millisecond)
		defer retry.Stop()
		for ctx.Err() == nil {
			err := a.follow(ctx, s.shop)
			if !errors.Is(err, plantmesh.ErrUnknownStream) { // it comes with the first outcome
				a.failed <- err
				return
			}
			select {
			case <-retry.C:
			case <-ctx.Done():
			}
		}
	}()
	return a
}

func (a *answers) follow(ctx context.Context, client *plantmesh.Client) error {
	for delivery, err := range client.Subscribe(ctx, plantmesh.From{Stream: outcomes}) {
		if err != nil {
			return err
		}
		select {
		case a.heard <- delivery:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// await returns when every event of a chapter is applied, and ends the test when one is not.
func (a *answers) await(t *testing.T, c chapter) {
	t.Helper()
	waiting := map[string]bool{}
	for _, e := range c.events {
		waiting[odoo.EventKey(e.GetSource(), e.GetId())] = true
	}
	for len(waiting) > 0 {
		select {
		case delivery := <-a.heard:
			payload, err := plantmesh.Payload(delivery.Event.GetEvent())
			if err != nil {
				t.Fatal(err)
			}
			switch p := payload.(type) {
			case *manufacturingv1.ErpApplied:
				event := odoo.EventKey(p.GetEventSource(), p.GetEventId())
				if a.applied[event] || p.GetRecordModel() == "" || p.GetRecordId() == 0 {
					t.Errorf("outcome %v: want one for each event, with a record", p)
				}
				a.applied[event] = true
				delete(waiting, event)
			case *manufacturingv1.ErpRejected:
				t.Fatalf("%s: %s of %s is parked: %s", c.name, p.GetEventId(), p.GetEventSubject(), p.GetReason())
			}
		case err := <-a.failed:
			t.Fatal(err)
		case <-time.After(patience):
			t.Fatalf("%s: %d of %d events have no outcome", c.name, len(waiting), len(c.events))
		}
	}
}

// compare names every difference between two ledgers, as many as one wants to read.
func compare(t *testing.T, want, got ledger) {
	t.Helper()
	const most = 12
	tables := map[string]bool{}
	for table := range want {
		tables[table] = true
	}
	for table := range got {
		tables[table] = true
	}
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		all := maps.Clone(want[table])
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, got[table])
		differences := 0
		for _, about := range slices.Sorted(maps.Keys(all)) {
			if w, g := want[table][about], got[table][about]; w != g {
				if differences++; differences <= most {
					t.Errorf("%s: %s: %q in Odoo, want %q", table, about, g, w)
				}
			}
		}
		t.Logf("%s: %d of %d agree", table, len(all)-differences, len(all))
	}
}
