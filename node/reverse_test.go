package node_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// linkOf is a node's first link of a kind.
func (r *running) linkOf(kind adminv1.LinkKind) *adminv1.Link {
	for _, l := range r.status().GetLinks() {
		if l.GetKind() == kind {
			return l
		}
	}
	return nil
}

// hq knows no address of plant-b: whatever it asks plant-b, it asks over the connection that plant-b opened.
func TestOutboundSiteIsAFullMemberOverRealSockets(t *testing.T) {
	c := newCluster(t)
	hqConfig := c.config("hq")
	hqConfig.Listen = freePort(t)
	hqConfig.Subscriptions = []config.Subscription{{From: "plant-*", Streams: []string{"*"}}}
	hq := c.start(hqConfig)
	plantConfig := c.config("plant-b")
	plantConfig.Reach, plantConfig.Peers = config.ReachOutbound, []string{hqConfig.Listen}
	plantConfig.Subscriptions = []config.Subscription{{From: "hq", Streams: []string{"*"}}}
	plant := c.start(plantConfig)
	for round, restart := range []func(){
		func() {},
		func() { hq.end(); hq = c.start(hqConfig) },
		func() { plant.end(); plant = c.start(plantConfig) },
	} {
		restart()
		plant.publishReleases(t, fmt.Sprintf("plant %d", round), 40)
		hq.publishReleases(t, fmt.Sprintf("hq %d", round), 40)
		hq.holdsWhole(t, "plant-b/production", uint64(40*(round+1)))
		plant.holdsWhole(t, "hq/production", uint64(40*(round+1)))
	}
	if l := hq.status().GetLinks(); len(l) != 1 || l[0].GetKind() != adminv1.LinkKind_LINK_KIND_REVERSE_ACCEPTED || l[0].GetState() != adminv1.LinkState_LINK_STATE_CONNECTED {
		t.Errorf("links of hq: %v", l)
	}
	if l := plant.linkOf(adminv1.LinkKind_LINK_KIND_REVERSE_SERVED); l.GetState() != adminv1.LinkState_LINK_STATE_CONNECTED || l.GetSite() != "hq" {
		t.Errorf("link of plant-b: %v", l)
	}
	if log := hq.logs.String(); strings.Contains(log, "a connection is refused") {
		t.Errorf("a reverse connection is logged as refused:\n%s", log)
	}
}

// A node of the previous version does not know reverse connections. What can work works, the status says what cannot, and
// the upgrade mends it without anybody doing more.
func TestOutboundSiteNamesAPeerThatIsTooOldForReverseConnections(t *testing.T) {
	c := newCluster(t)
	oldConfig, plantConfig := c.config("hq"), c.config("plant-b")
	oldConfig.Listen, plantConfig.Listen = freePort(t), freePort(t)
	oldConfig.Subscriptions = []config.Subscription{{From: "*", Streams: []string{"*"}}}
	oldConfig.Peers = []string{freePort(t)} // nobody: the plant cannot be dialed
	end := c.startPrevious(oldConfig)
	plantConfig.Reach, plantConfig.Peers = config.ReachOutbound, []string{oldConfig.Listen}
	plantConfig.Subscriptions = oldConfig.Subscriptions
	plant := c.start(plantConfig)
	plant.publishReleases(t, "plant", 30)
	until(t, "the previous version serves", func() bool {
		return plant.linkOf(adminv1.LinkKind_LINK_KIND_DIALED).GetState() == adminv1.LinkState_LINK_STATE_CONNECTED
	})
	c.reach(oldConfig.Listen).publishReleases(t, "old", 20)
	plant.holdsWhole(t, "hq/production", 20)
	until(t, "the status says that the peer is too old", func() bool {
		l := plant.linkOf(adminv1.LinkKind_LINK_KIND_REVERSE_SERVED)
		return l.GetState() == adminv1.LinkState_LINK_STATE_REFUSED && strings.Contains(l.GetReason(), "does not take reverse connections, so it cannot call this site: upgrade it")
	})

	end()
	upgraded := c.start(oldConfig)
	upgraded.holdsWhole(t, "plant-b/production", 30)
	upgraded.publishReleases(t, "new", 5)
	plant.holdsWhole(t, "hq/production", 25)
}
