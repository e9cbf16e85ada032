package node_test

import (
	"fmt"
	"testing"

	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/odoo"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// A copy that does not go back far enough is removed and fetched anew: what is applied in Odoo stays applied once, and what comes then is.
func TestOdooGoesOnWhenItsCopyOfAStreamIsFetchedAnew(t *testing.T) {
	plant, hq := twoSites(t, func(*config.Config) {})
	publish := func(from, to int) {
		t.Helper()
		var events []*eventv1.Event
		for n := from; n <= to; n++ {
			events = append(events, released(t, fmt.Sprint(n)))
		}
		if _, err := plant.events().Publish(t.Context(), &eventv1.PublishRequest{Events: events}); err != nil {
			t.Fatal(err)
		}
	}
	client, err := odoo.Open(odoo.Access{URL: hq.cfg.Odoo.URL, Database: hq.cfg.Odoo.Database, Key: hq.cfg.Odoo.APIKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	journal := func() map[string]int {
		t.Helper()
		rows, err := odoo.NewReader(client).Applied(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		times := map[string]int{}
		for _, r := range rows {
			times[r.Event]++
		}
		return times
	}
	applied := func(n uint64) func() bool {
		return func() bool { return hq.status().GetOdoo().GetCounts().GetApplied() == n }
	}
	publish(1, 20)
	until(t, "hq applies", applied(20))
	for range 2 {
		if _, err := hq.admin().RemoveReplica(t.Context(), &adminv1.RemoveReplicaRequest{Stream: "plant-a/production"}); err != nil {
			t.Fatal(err)
		}
		until(t, "the copy is whole again", func() bool {
			replicas := hq.status().GetReplicas()
			return len(replicas) == 1 && replicas[0].GetOffset() == 20
		})
	}
	publish(21, 30)
	until(t, "hq goes on", applied(30))
	times := journal()
	if len(times) != 30 {
		t.Errorf("%d events are in the journal, want 30", len(times))
	}
	for event, n := range times {
		if n != 1 {
			t.Errorf("%s is there %d times", event, n)
		}
	}
}
