package mesh_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// pair starts plant-a, and hq which links to it.
func pair(t *testing.T) (plant, hq *node) {
	t.Helper()
	w := newWorld(t, meshtest.NewFabric())
	plant = w.add("plant-a", mesh.Config{}).start()
	hq = w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything}).start()
	return plant, hq
}

func connected(s mesh.Status) bool {
	return s.Links[0].State == adminv1.LinkState_LINK_STATE_CONNECTED
}

func TestBacklogAndLiveEventsReachTheSubscriber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		plant.publish(500)
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything}).start()
		hq.holds(plant, plant.stream())
		for range 20 {
			plant.publish(7)
			hq.holds(plant, plant.stream())
		}
	})
}

func TestReplicationOverLoopback(t *testing.T) {
	w := newWorld(t, nil)
	plant := w.add("plant-a", mesh.Config{}).start()
	plant.publish(500)
	hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything}).start()
	hq.holds(plant, plant.stream())
	plant.publish(50)
	hq.holds(plant, plant.stream())
}

func TestLagIsKnownOnBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := pair(t)
		plant.publish(10)
		hq.holds(plant, plant.stream())
		pass(time.Second)
		r, f := hq.running.mesh.Status().Replicas[0], plant.running.mesh.Status().Followers[0]
		if r.State != adminv1.ReplicaState_REPLICA_STATE_CURRENT || r.Offset != 10 || r.LagEvents != 0 || r.Link != plant.address {
			t.Errorf("replica %+v", r)
		}
		if !f.Connected || f.Site != "hq" || f.DurableOffset != 10 || f.LagEvents != 0 {
			t.Errorf("follower %+v", f)
		}
	})
}

func TestPartitionLosesAndDoublesNothing(t *testing.T) {
	for name, mode := range map[string]meshtest.Mode{"broken": meshtest.Break, "hanging": meshtest.Hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plant, hq := pair(t)
				for range 3 {
					plant.publish(50)
					hq.holds(plant, plant.stream())
					plant.publish(50) // on its way when the line goes
					plant.fabric.Cut("plant-a", "hq", mode)
					plant.publish(50)
					hq.eventually("link down", func(s mesh.Status) bool {
						r := s.Replicas[0]
						return !connected(s) && s.Links[0].Reason != "" && r.State == adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED && r.Reason != ""
					})
					plant.eventually("the origin notices", func(s mesh.Status) bool {
						return !s.Followers[0].Connected && s.Followers[0].LagEvents > 0 && s.Followers[0].Reason != ""
					})
					plant.fabric.Heal("plant-a", "hq")
					hq.holds(plant, plant.stream())
				}
			})
		})
	}
}

func TestShortHangIsSatOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := pair(t)
		since := hq.eventually("connected", connected).Links[0].Since
		plant.fabric.Cut("plant-a", "hq", meshtest.Hang)
		plant.publish(50)
		pass(8 * time.Second)
		plant.fabric.Heal("plant-a", "hq")
		hq.holds(plant, plant.stream())
		if s := hq.running.mesh.Status().Links[0]; s.Since != since {
			t.Errorf("the link was made anew: %+v", s)
		}
	})
}

func TestRestartOfEitherSideGoesOnFromItsHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := pair(t)
		plant.publish(50)
		hq.holds(plant, plant.stream())

		hq.stop()
		plant.publish(50)
		hq.start().holds(plant, plant.stream())

		plant.stop()
		s := hq.eventually("link down", func(s mesh.Status) bool {
			return s.Links[0].State == adminv1.LinkState_LINK_STATE_BACKOFF && s.Replicas[0].State == adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED
		})
		if r := s.Replicas[0]; r.Offset != 100 {
			t.Errorf("replica %+v", r)
		}
		plant.start().publish(50)
		hq.holds(plant, plant.stream())
	})
}

func TestPeerThatCallsIsCalledBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{Peers: []string{meshtest.Address("plant-a")}, Subscriptions: everything}).start()
		pass(5 * time.Minute) // the back-off is at its longest
		w.add("plant-a", mesh.Config{Peers: []string{hq.address}}).start()
		began := time.Now()
		hq.eventually("connected", connected)
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestReplicaOfAnEarlierRunIsShownBeforeItsOriginIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := pair(t)
		plant.publish(10)
		hq.holds(plant, plant.stream())
		hq.stop()
		plant.stop()
		hq.start()
		r := hq.running.mesh.Status().Replicas
		if len(r) != 1 || r[0].State != adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED || r[0].Offset != 10 || r[0].Reason == "" {
			t.Errorf("replicas %+v", r)
		}
	})
}

func TestOnlySubscribedStreamsAreReplicated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		plant.publishTo("plant-a/production", 3, 0)
		plant.publishTo("plant-a/quality", 3, 0)
		hq := w.add("hq", mesh.Config{
			Peers: []string{plant.address}, Subscriptions: []mesh.Subscription{{From: "plant-*", Streams: []string{"qual*"}}},
		}).start()
		hq.holds(plant, "plant-a/quality")
		pass(time.Minute)
		if heads := hq.running.log.Heads(); len(heads) != 1 {
			t.Errorf("it holds %+v", heads)
		}
	})
}

func TestRingOfSitesReplicatesEveryStreamFromItsOriginOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := []*node{}
		for _, site := range []string{"plant-a", "plant-b", "hq"} {
			n := w.add(plantmesh.SiteID(site), mesh.Config{Subscriptions: everything})
			for _, peer := range []string{"plant-a", "plant-b", "hq"} {
				if peer != site {
					n.config.Peers = append(n.config.Peers, meshtest.Address(plantmesh.SiteID(peer)))
				}
			}
			sites = append(sites, n.start())
		}
		for _, n := range sites {
			n.publish(40)
		}
		for _, n := range sites {
			for _, origin := range sites {
				if n != origin {
					n.holds(origin, origin.stream())
				}
			}
			if heads := n.running.log.Heads(); len(heads) != 3 {
				t.Errorf("%s holds %d streams", n.site, len(heads))
			}
		}
	})
}

func TestShutdownEndsCallsOfPeersPromptly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := pair(t)
		plant.publish(10)
		hq.holds(plant, plant.stream())
		began := time.Now()
		plant.stop() // stops gracefully, so it waits for open calls
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %s", took)
		}
		reason := hq.eventually("link down", func(s mesh.Status) bool { return !connected(s) }).Links[0].Reason
		if !strings.Contains(reason, "the peer is shutting down") {
			t.Errorf("reason %q", reason)
		}
	})
}
