package node_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

func TestPublishWaitsForAsManyCopiesAsTheStreamAsksFor(t *testing.T) {
	c := newCluster(t)
	cfg := c.config("plant-a")
	cfg.Streams = map[string]config.Stream{"pro*": {MinCopies: 2, CopiesTimeoutSeconds: 0.3}}
	plant := c.start(cfg)
	request := &eventv1.PublishRequest{Events: []*eventv1.Event{released(t, "1")}}
	_, err := plant.events().Publish(t.Context(), request)
	if err = plantmesh.FromStatus(err); !errors.Is(err, plantmesh.ErrCopiesMissing) || !strings.Contains(err.Error(), "durable here") || !plantmesh.IsRetryable(err) {
		t.Fatalf("nobody follows the stream: %v", err)
	}
	recorded, err := plant.events().GetEvent(t.Context(), &eventv1.GetEventRequest{
		Stream: "plant-a/production", Event: &eventv1.GetEventRequest_Offset{Offset: 1},
	})
	if err != nil || recorded.GetEvent().GetEvent().GetId() != request.GetEvents()[0].GetId() {
		t.Fatalf("the event is not recorded: %v, %v", recorded, err)
	}

	hqConfig := c.config("hq")
	hqConfig.Peers = []string{plant.address}
	hqConfig.Subscriptions = []config.Subscription{{From: "*", Streams: []string{"*"}}}
	hq := c.start(hqConfig)
	until(t, "hq follows", func() bool {
		return len(hq.status().GetReplicas()) == 1 && hq.status().GetReplicas()[0].GetOffset() == 1
	})
	again, err := plant.events().Publish(t.Context(), request)
	if err != nil || !again.GetReceipts()[0].GetDuplicate() || again.GetReceipts()[0].GetOffset() != 1 {
		t.Fatalf("published again: %v, %v", again, err)
	}
	fresh, err := plant.events().Publish(t.Context(), &eventv1.PublishRequest{Events: []*eventv1.Event{released(t, "2")}})
	if err != nil || fresh.GetReceipts()[0].GetOffset() != 2 {
		t.Fatalf("with a follower: %v, %v", fresh, err)
	}
	head := hq.status().GetReplicas()[0].GetOffset()
	if head != 2 {
		t.Errorf("acknowledged while hq holds %d", head)
	}
}
