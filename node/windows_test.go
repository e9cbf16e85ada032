package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// costed says what an item costs.
func costed(t testing.TB, id, item, cost string) *eventv1.Event {
	t.Helper()
	e, err := plantmesh.NewEvent("//plant-a/erp", id, time.Now(), &manufacturingv1.CostRolledUp{
		RollupId: id, ItemId: item, UnitCost: &manufacturingv1.Money{Amount: cost, Currency: "USD"}, Unit: "C62",
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Costs wait for a window that opens once a year, but for large ones, which take earlier ones of their item along. A person may retry what is parked at
// any time, and without the window everything is applied.
func TestFinanceWaitsForItsWindowButNotWhatIsUrgent(t *testing.T) {
	c := newCluster(t)
	cfg := withOdoo(t, c.config("hq"))
	cfg.Odoo.Windows = []odoo.Window{{Streams: []string{"*/finance"}, Schedule: "0 2 1 1 *", AtOnce: map[string]string{"CostRolledUp": "double(payload.unit_cost.amount) >= 1000.0"}}}
	hq := c.start(cfg)
	publish := func(events ...*eventv1.Event) {
		t.Helper()
		if _, err := hq.events().Publish(t.Context(), &eventv1.PublishRequest{Events: events}); err != nil {
			t.Fatal(err)
		}
	}
	publish(released(t, "1")) // makes the item valve
	publish(costed(t, "C-1", "valve", "1"), costed(t, "C-2", "none", "2"), costed(t, "C-3", "valve", "3"), costed(t, "C-4", "pump", "4"), costed(t, "C-5", "valve", "5000"))
	applied := func(n uint64) func() bool {
		return func() bool { return hq.status().GetOdoo().GetCounts().GetApplied() == n }
	}
	until(t, "the large cost and those before it are applied", applied(4))
	finance := func() *adminv1.ConsumerPosition {
		for _, p := range hq.status().GetOdoo().GetPositions() {
			if p.GetStream() == "hq/finance" {
				return p
			}
		}
		return nil
	}
	until(t, "the others wait", func() bool { p := finance(); return p.GetOffset() == 1 && p.GetWaitingEvents() == 2 })
	if at := finance().GetOpeningTime().AsTime().UTC(); at.Format("01-02 15:04") != "01-01 02:00" {
		t.Errorf("it opens at %s", at)
	}
	hq.end()
	hq = c.start(cfg)
	publish(released(t, "2"))
	until(t, "the other streams go on after a restart", applied(5))
	if p := finance(); p.GetWaitingEvents() != 2 {
		t.Errorf("after a restart: %v", p)
	}
	hq.end()
	cfg.Odoo.Windows = nil
	hq = c.start(cfg)
	until(t, "all is applied without the window", func() bool {
		o := hq.status().GetOdoo()
		return o.GetCounts().GetApplied()+o.GetCounts().GetParked() == 7 && finance().GetWaitingEvents() == 0
	})
	client, err := odoo.NewClient(cfg.Odoo.URL, cfg.Odoo.Database, cfg.Odoo.APIKey)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	journal, err := odoo.NewReader(client).Applied(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, a := range journal {
		if a.Subject == "item/valve" {
			order = append(order, fmt.Sprint(a.Offset))
		}
	}
	if fmt.Sprint(order) != "[1 3 5]" {
		t.Errorf("the costs of the item were applied as %v", order)
	}
}
