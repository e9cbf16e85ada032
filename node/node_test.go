package node_test

import (
	"errors"
	"io"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// collect reads a subscription to its end.
func collect(t testing.TB, client eventv1.EventServiceClient, req *eventv1.SubscribeRequest) (events []*eventv1.RecordedEvent, last *eventv1.SubscribeResponse) {
	t.Helper()
	stream, err := client.Subscribe(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return events, last
		}
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, frame.GetEvents().GetEvents()...)
		last = frame
	}
}

func TestEventReachesSubscriberAtAnotherSite(t *testing.T) {
	c := newCluster(t)
	plant := c.start(c.config("plant-a"))
	hqConfig := c.config("hq")
	hqConfig.Peers, hqConfig.Subscriptions = []string{plant.address}, []config.Subscription{{From: "plant-*", Streams: []string{"*"}}}
	hq := c.start(hqConfig)

	sent := batch(t, "e", 50)
	answer, err := plant.events().Publish(t.Context(), &eventv1.PublishRequest{Events: sent})
	if err != nil || len(answer.GetReceipts()) != 50 || answer.GetReceipts()[49].GetOffset() != 50 {
		t.Fatalf("publish: %v, %v", answer, err)
	}
	hqEvents, hqAdmin := hq.events(), hq.admin()
	until(t, "the replica is complete", func() bool {
		s, err := hqAdmin.GetStatus(t.Context(), &adminv1.GetStatusRequest{})
		return err == nil && len(s.GetReplicas()) == 1 && s.GetReplicas()[0].GetOffset() == 50
	})
	got, _ := collect(t, hqEvents, &eventv1.SubscribeRequest{Stream: "plant-a/production", UntilHead: true})
	if len(got) != 50 {
		t.Fatalf("%d events", len(got))
	}
	for i, r := range got {
		if r.GetOffset() != uint64(i+1) || r.GetSite() != "plant-a" || !proto.Equal(r.GetEvent(), sent[i]) {
			t.Fatalf("event %d is %v", i, r)
		}
	}
	verify, err := hqAdmin.Verify(t.Context(), &adminv1.VerifyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := verify.Recv()
	if err != nil || result.GetResult() != adminv1.VerifyResult_VERIFY_RESULT_VERIFIED || result.GetEvents() != 50 || result.GetOriginHeadOffset() != 50 || !result.GetReplica() {
		t.Errorf("verify: %v, %v", result, err)
	}
}

func TestNodeKeepsItsEventsAcrossARestart(t *testing.T) {
	c := newCluster(t)
	cfg := c.config("plant-a")
	first := c.start(cfg)
	if _, err := first.events().Publish(t.Context(), &eventv1.PublishRequest{Events: batch(t, "e", 10)}); err != nil {
		t.Fatal(err)
	}
	first.end()
	second := c.start(cfg)
	answer, err := second.events().Publish(t.Context(), &eventv1.PublishRequest{Events: batch(t, "e", 11)})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range answer.GetReceipts() {
		if r.GetOffset() != uint64(i+1) || r.GetDuplicate() != (i < 10) {
			t.Errorf("receipt %d is %v", i, r)
		}
	}
}
