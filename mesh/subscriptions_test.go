package mesh_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
)

func TestSubscriptionsChangeWhileTheNodeRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"plant-a": {}, "plant-b": {}, "hq": {"plant-a", "plant-b"}}, func(n *node) { n.config.Subscriptions = nil })
		a, b, hq := sites["plant-a"], sites["plant-b"], sites["hq"]
		a.publish(10)
		b.publish(10)
		pass(time.Minute)
		if heads := hq.running.log.Heads(); len(heads) != 0 {
			t.Fatalf("nobody asked for %+v", heads)
		}
		hq.running.mesh.SetSubscriptions([]mesh.Subscription{{From: "plant-*", Streams: []string{"*"}}})
		hq.holds(a, a.stream())
		hq.holds(b, b.stream())

		hq.running.mesh.SetSubscriptions([]mesh.Subscription{{From: "plant-b", Streams: []string{"production"}}})
		a.publish(10)
		b.publish(10)
		hq.holds(b, b.stream())
		pass(time.Minute)
		if head, err := hq.running.log.Head(a.stream()); err != nil || head.Offset != 10 {
			t.Errorf("after unsubscribing hq holds %+v, %v", head, err)
		}
		if err := hq.running.log.Remove(a.stream()); err != nil {
			t.Fatal(err)
		}
		if s := hq.running.mesh.Status(); len(s.Replicas) != 1 || s.Replicas[0].Stream != b.stream() {
			t.Errorf("replicas %+v", s.Replicas)
		}
		hq.running.mesh.SetSubscriptions(everything) // and all over again
		hq.holds(a, a.stream())
		c := w.add("plant-c", mesh.Config{Peers: []string{hq.address}}).start() // a site not known before
		c.publish(5)
		hq.running.mesh.SetSubscriptions(everything)
		pass(time.Minute)
		hq.eventually("all is current", allCurrent)
	})
}

// A copy that is removed comes anew as a whole, though the source has nothing new, and also while the source goes on.
func TestRemovedReplicaComesAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"plant-a": {}, "hub": {"plant-a"}, "hq": {"hub"}})
		a, hub, hq := sites["plant-a"], sites["hub"], sites["hq"]
		a.publish(10)
		hq.holds(a, a.stream())
		pass(time.Minute)
		for range 10 {
			for _, n := range []*node{hub, hq} {
				if err := n.running.mesh.Remove(a.stream()); err != nil {
					t.Fatal(err)
				}
			}
			hub.holdsWithin(a, a.stream(), 10*time.Second)
			hq.holdsWithin(a, a.stream(), 2*mesh.DefaultStallRetry) // it may have asked the hub while that had no copy
			a.publish(3)                                            // is under way at the next removal
		}
		hq.holds(a, a.stream())
		if err := a.running.mesh.Remove(a.stream()); !errors.Is(err, plantmesh.ErrInvalidRequest) {
			t.Errorf("removing a site's own stream: %v", err)
		}
		if err := hq.running.mesh.Remove("plant-x/production"); !errors.Is(err, plantmesh.ErrUnknownStream) {
			t.Errorf("removing a stream that nobody knows: %v", err)
		}
	})
}

func allCurrent(s mesh.Status) bool {
	for _, r := range s.Replicas {
		if r.LagEvents > 0 {
			return false
		}
	}
	return len(s.Replicas) > 0
}
