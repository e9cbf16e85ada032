package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// Odoo's own journal is asked. The node loses what it knew of its position, so all is delivered again; one event can never be
// applied: it is parked, shown with Odoo's words, and holds nothing but its subject.
func TestAtMostOnceInOdooInOrderPerSubject(t *testing.T) {
	c := newCluster(t)
	cfg := withOdoo(t, c.config("hq"))
	hq := c.start(cfg)
	const orders = 20
	var events []*eventv1.Event
	for round := range 3 {
		for i := range orders {
			id := fmt.Sprintf("%d-%d", round, i)
			e := released(t, id)
			if round > 0 { // an order is released anew: the same subject again
				e = released(t, fmt.Sprintf("0-%d", i))
				e.Id = id
			}
			events = append(events, e)
		}
	}
	for _, id := range []string{"bad", "behind"} {
		e, err := plantmesh.NewEvent("//plant-a/mes", id, time.Unix(1_750_000_000, 0), &manufacturingv1.ProductionCompleted{
			OrderId: "WO-in-no-unit", ItemId: "valve", Quantity: &manufacturingv1.Quantity{Value: "12", Unit: "ZZZ"}, // a unit that Odoo does not have
		})
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if _, err := hq.events().Publish(t.Context(), &eventv1.PublishRequest{Events: events}); err != nil {
		t.Fatal(err)
	}
	settled := func(hq *running) func() bool {
		return func() bool {
			o := hq.status().GetOdoo()
			return o.GetCounts().GetApplied() == 3*orders && o.GetCounts().GetParked() == 2
		}
	}
	until(t, "all is applied or parked", settled(hq))
	hq.end()
	if err := os.RemoveAll(filepath.Join(cfg.DataDir, "state")); err != nil {
		t.Fatal(err)
	}
	hq = c.start(cfg)
	until(t, "all is delivered again", settled(hq))

	status := hq.status().GetOdoo()
	if status.GetCounts().GetDuplicates() != 3*orders {
		t.Errorf("counts %v", status.GetCounts())
	}
	if p := status.GetParked(); len(p) != 1 || p[0].GetEventId() != "bad" || p[0].GetEvents() != 2 || p[0].GetReason() == "" {
		t.Errorf("parked %v", p)
	}
	client, err := odoo.NewClient(cfg.Odoo.URL, cfg.Odoo.Database, cfg.Odoo.APIKey)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	journal, err := odoo.NewReader(client).Applied(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	times, last := map[string]int{}, map[string]plantmesh.Offset{}
	for _, a := range journal {
		times[a.Event]++
		if a.Offset <= last[a.Subject] {
			t.Errorf("%s: offset %d after %d", a.Subject, a.Offset, last[a.Subject])
		}
		last[a.Subject] = a.Offset
	}
	for _, e := range events[:3*orders] {
		if n := times[odoo.EventKey(e.GetSource(), e.GetId())]; n != 1 {
			t.Errorf("event %s has %d effects", e.GetId(), n)
		}
	}
	if len(journal) != 3*orders {
		t.Errorf("%d effects", len(journal))
	}
}
