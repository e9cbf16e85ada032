package mesh_test

import (
	"testing"
	"testing/synctest"
	"time"

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

func allCurrent(s mesh.Status) bool {
	for _, r := range s.Replicas {
		if r.LagEvents > 0 {
			return false
		}
	}
	return len(s.Replicas) > 0
}
