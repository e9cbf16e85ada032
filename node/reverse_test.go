package node_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// verified asks a node to compare its copy of a stream with the origin's.
func (r *running) verified(stream string) *adminv1.VerifyResponse {
	r.cluster.t.Helper()
	call, err := r.admin().Verify(r.cluster.t.Context(), &adminv1.VerifyRequest{Streams: []string{stream}})
	if err != nil {
		r.cluster.t.Fatal(err)
	}
	frame, err := call.Recv()
	if err != nil {
		r.cluster.t.Fatal(err)
	}
	return frame
}

// replicated is how far a node's copy of a stream reaches.
func (r *running) replicated(stream string) uint64 {
	for _, s := range r.status().GetStreams() {
		if s.GetStream() == stream {
			return s.GetHeadOffset()
		}
	}
	return 0
}

// hq knows no address of plant-b: whatever it asks plant-b, it asks over the connection that plant-b opened.
func TestOutboundSiteIsAFullMemberOverRealSockets(t *testing.T) {
	c := newCluster(t)
	hqConfig := c.config("hq")
	hqConfig.Subscriptions = []config.Subscription{{From: "plant-*", Streams: []string{"*"}}}
	hq := c.start(hqConfig)
	plantConfig := c.config("plant-b")
	plantConfig.Reach, plantConfig.Peers = config.ReachOutbound, []string{hq.address}
	plantConfig.Subscriptions = []config.Subscription{{From: "hq", Streams: []string{"*"}}}
	plant := c.start(plantConfig)
	hqConfig.Listen = hq.address // where it comes back

	publish := func(prefix string) {
		for _, r := range []*running{hq, plant} {
			if _, err := r.events().Publish(t.Context(), &eventv1.PublishRequest{Events: batch(t, r.cfg.Site+prefix, 40)}, grpc.WaitForReady(true)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for round, restart := range []func(){
		func() {},
		func() { hq.end(); hq = c.start(hqConfig) },
		func() { plant.end(); plant = c.start(plantConfig) },
	} {
		restart()
		publish(strings.Repeat("x", round+1))
		want := uint64(40 * (round + 1))
		until(t, "hq has what plant-b has", func() bool { return hq.replicated("plant-b/production") == want })
		until(t, "plant-b has what hq has", func() bool { return plant.replicated("hq/production") == want })
	}
	for r, stream := range map[*running]string{hq: "plant-b/production", plant: "hq/production"} {
		if v := r.verified(stream); v.GetResult() != adminv1.VerifyResult_VERIFY_RESULT_VERIFIED || v.GetOriginHeadOffset() != 120 {
			t.Errorf("%s: %v", stream, v)
		}
	}
	links := hq.status().GetLinks()
	if len(links) != 1 || links[0].GetKind() != adminv1.LinkKind_LINK_KIND_REVERSE_ACCEPTED || links[0].GetState() != adminv1.LinkState_LINK_STATE_CONNECTED {
		t.Errorf("links of hq: %v", links)
	}
	links = plant.status().GetLinks()
	if len(links) != 2 || links[1].GetKind() != adminv1.LinkKind_LINK_KIND_REVERSE_SERVED || links[1].GetState() != adminv1.LinkState_LINK_STATE_CONNECTED {
		t.Errorf("links of plant-b: %v", links)
	}
	if log := hq.logs.String(); strings.Contains(log, "a connection is refused") {
		t.Errorf("a reverse connection is logged as refused:\n%s", log)
	}
}
