package node_test

import (
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/exceptions"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// A plant that subscribes to the outcomes sees in its own status what the books refused of its events, and that it is mended.
func TestPlantHasAnExceptionForWhatTheERPRefused(t *testing.T) {
	c := newCluster(t)
	plantConfig := c.config("plant-a")
	plantConfig.Export = []config.ExportRule{{Streams: []string{"*"}, To: []string{"*"}}}
	plant := c.start(plantConfig)
	hqConfig := withOdoo(t, c.config("hq"))
	hqConfig.Odoo.CreateMissing = []string{} // orders of unknown items are refused
	hqConfig.Peers = []string{plant.address}
	hqConfig.Subscriptions = []config.Subscription{{From: "plant-a", Streams: []string{"*"}}}
	hqConfig.Export = []config.ExportRule{{Streams: []string{"*"}, To: []string{"*"}}}
	hq := c.start(hqConfig)
	plant.end()
	plantConfig.Peers = []string{hq.address}
	plantConfig.Listen = plant.address
	plantConfig.Subscriptions = []config.Subscription{{From: "hq", Streams: []string{"mesh"}}}
	plant = c.start(plantConfig)

	publish := func(e *eventv1.Event) {
		t.Helper()
		if _, err := plant.events().Publish(t.Context(), &eventv1.PublishRequest{Events: []*eventv1.Event{e}}); err != nil {
			t.Fatal(err)
		}
	}
	publish(released(t, "1"))
	rejections := func() (all []*adminv1.OpenException) {
		for _, e := range plant.status().GetExceptions() {
			if e.GetKind() == exceptions.KindRejected {
				all = append(all, e)
			}
		}
		return all
	}
	until(t, "the plant knows of the refusal", func() bool { return len(rejections()) == 1 && plant.status().GetConfirmations().GetRejected() == 1 })
	if e := rejections()[0]; !strings.Contains(e.GetAbout(), "plant-a/production order/") || !strings.Contains(e.GetSummary(), "refused ProductionOrderReleased") {
		t.Errorf("exception %v", e)
	}
	payload, err := plantmesh.Payload(released(t, "1"))
	if err != nil {
		t.Fatal(err)
	}
	item := payload.(*manufacturingv1.ProductionOrderReleased).GetItemId()
	mended, err := plantmesh.NewEvent("//plant-a/pdm", "item", released(t, "1").GetTime().AsTime(),
		&manufacturingv1.ItemChanged{ItemId: item, Name: "Bearing", Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "C62"})
	if err != nil {
		t.Fatal(err)
	}
	publish(mended)
	until(t, "the item is in the books", func() bool { return hq.status().GetOdoo().GetCounts().GetApplied() == 1 })
	if _, err := hq.admin().RetryParked(t.Context(), &adminv1.RetryParkedRequest{Consumer: "odoo"}); err != nil {
		t.Fatal(err)
	}
	until(t, "the plant knows that it is mended", func() bool {
		return len(rejections()) == 0 && plant.status().GetConfirmations().GetRejected() == 0 && plant.status().GetConfirmations().GetWaiting() == 0
	})
}
