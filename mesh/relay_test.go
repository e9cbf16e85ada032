package mesh_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// topology is who dials whom.
type topology map[plantmesh.SiteID][]plantmesh.SiteID

func (w *world) build(t topology, change ...func(*node)) map[plantmesh.SiteID]*node {
	w.Helper()
	sites := map[plantmesh.SiteID]*node{}
	for site, peers := range t {
		n := w.add(site, mesh.Config{Subscriptions: everything})
		for _, p := range peers {
			n.config.Peers = append(n.config.Peers, meshtest.Address(p))
		}
		for _, f := range change {
			f(n)
		}
		sites[site] = n
	}
	for _, n := range sites {
		n.start()
	}
	return sites
}

func TestEveryTopologyCarriesEveryStreamEverywhere(t *testing.T) {
	for name, links := range map[string]topology{
		"chain":     {"a": {"b"}, "b": {"a", "c"}, "c": {"b", "d"}, "d": {"c"}},
		"ring":      {"a": {"b", "d"}, "b": {"a", "c"}, "c": {"b", "d"}, "d": {"c", "a"}},
		"hub":       {"hub": {"a", "b", "c"}, "a": {"hub"}, "b": {"hub"}, "c": {"hub"}},
		"full mesh": {"a": {"b", "c", "d"}, "b": {"a", "c", "d"}, "c": {"a", "b", "d"}, "d": {"a", "b", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sites := newWorld(t, meshtest.NewFabric()).build(links)
				for range 3 {
					for _, n := range sites {
						n.publish(15)
					}
					pass(time.Second)
				}
				for _, origin := range sites {
					for _, n := range sites {
						n.holds(origin, origin.stream())
					}
				}
				pass(time.Minute) // and it stays quiet: no copies run in circles
				for _, n := range sites {
					if head, err := n.running.log.Head("a/production"); n.site != "hub" && sites["a"] != nil && (err != nil || head.Offset != 45) {
						t.Errorf("%s has %+v, %v", n.site, head, err)
					}
				}
			})
		})
	}
}

func TestRelayEnforcesTheRulesThatTheOriginSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {"hub"}, "hub": {"a", "b", "c"}, "b": {"hub"}, "c": {"hub"}}, func(n *node) {
			if n.site == "a" {
				n.config.Export = []mesh.ExportRule{{Streams: []string{"*"}, To: []string{"hub", "b"}}, {Streams: []string{"quality"}, To: []string{"*"}, Regions: []string{"us"}}}
			}
		})
		a, b, c := sites["a"], sites["b"], sites["c"]
		a.publish(10)
		a.publishTo("a/quality", 10, 0)
		b.holds(a, "a/production")
		b.holds(a, "a/quality")
		pass(time.Minute)
		for _, s := range []plantmesh.StreamName{"a/production", "a/quality"} {
			if head, err := c.running.log.Head(s); !errors.Is(err, plantmesh.ErrUnknownStream) {
				t.Errorf("c holds %+v of %s, %v", head, s, err)
			}
			if err := c.replicate("hub", s); !errors.Is(err, plantmesh.ErrExportDenied) {
				t.Errorf("asked for %s, the relay answers %v", s, err)
			}
		}
	})
}

// replicate asks a site for a stream from its beginning, and returns how that ends.
func (n *node) replicate(from plantmesh.SiteID, s plantmesh.StreamName) error {
	n.Helper()
	call, err := n.client(n.creds, n.site, meshtest.Address(from)).Replicate(n.Context())
	if err != nil {
		n.Fatal(err)
	}
	start := &peerv1.ReplicateStart{Stream: string(s), Protocol: mesh.MaxProtocol}
	if err := call.Send(&peerv1.ReplicateRequest{Message: &peerv1.ReplicateRequest_Start{Start: start}}); err != nil {
		n.Fatal(err)
	}
	_, err = call.Recv()
	return plantmesh.FromStatus(err)
}

func TestRulesThatChangeReachTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {"hub"}, "hub": {"a", "b"}, "b": {"hub"}})
		a, b := sites["a"], sites["b"]
		a.publish(10)
		b.holds(a, a.stream())
		a.stop()
		a.config.Export = []mesh.ExportRule{{Streams: []string{"*"}, To: []string{"hub"}}}
		a.start() // nothing new is published: the rules alone travel
		w.eventuallyDenied(b, a.stream())
		a.publish(5)
		sites["hub"].holds(a, a.stream())
		pass(time.Minute)
		if head, err := b.running.log.Head(a.stream()); err != nil || head.Offset != 10 {
			t.Errorf("b holds %+v, %v", head, err)
		}
	})
}

func (w *world) eventuallyDenied(n *node, s plantmesh.StreamName) {
	w.Helper()
	for range 60 {
		if errors.Is(n.replicate("hub", s), plantmesh.ErrExportDenied) {
			return
		}
		pass(time.Second)
	}
	w.Fatal("the relay goes on serving")
}

func TestStreamMovesToAnotherSourceWithinTwoSecondsOfAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {}, "r1": {"a"}, "r2": {"a"}, "c": {"r1", "r2"}})
		a, c := sites["a"], sites["c"]
		for i := range 6 {
			a.publish(10)
			c.holds(a, a.stream())
			link := c.sourceOf(a.stream())
			site := plantmesh.SiteID(link[:len(link)-len(":7443")])
			w.fabric.Cut("c", site, meshtest.Hang)
			a.publish(10)
			began := time.Now()
			c.holds(a, a.stream())
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("round %d: %s hung, and it took %s", i, site, took)
			}
			w.fabric.Heal("c", site)
			pass(2 * time.Minute)
		}
	})
}

// sourceOf is the address of the link that a stream comes over.
func (n *node) sourceOf(s plantmesh.StreamName) string {
	n.Helper()
	for _, r := range n.running.mesh.Status().Replicas {
		if r.Stream == s && r.Link != "" {
			return r.Link
		}
	}
	n.Fatalf("%s comes from nowhere: %+v", s, n.running.mesh.Status().Replicas)
	return ""
}

func TestOriginIsPreferredToARelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {}, "r": {"a"}, "c": {"r", "a"}})
		a, c := sites["a"], sites["c"]
		for i := range 3 {
			a.publish(10)
			c.holds(a, a.stream())
			pass(30 * time.Second)
			if got := c.sourceOf(a.stream()); got != a.address {
				t.Errorf("round %d: it comes from %s", i, got)
			}
			w.fabric.Cut("c", "a", meshtest.Break)
			a.publish(10)
			c.holds(a, a.stream())
			if got := c.sourceOf(a.stream()); got != meshtest.Address("r") {
				t.Errorf("round %d: without the origin it comes from %s", i, got)
			}
			w.fabric.Heal("c", "a")
			pass(2 * time.Minute)
			if got := c.sourceOf(a.stream()); got != a.address {
				t.Errorf("round %d: with the origin back it comes from %s", i, got)
			}
		}
	})
}

func TestRelayServesWhatItHoldsWhileTheOriginIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {}, "r": {"a"}})
		a, r := sites["a"], sites["r"]
		for range 20 {
			a.publishTo(a.stream(), 20, 8000) // more than one distance between checkpoints
		}
		r.holds(a, a.stream())
		head, err := a.running.log.Head(a.stream())
		if err != nil {
			t.Fatal(err)
		}
		a.stop()
		c := w.add("c", mesh.Config{Peers: []string{r.address}, Subscriptions: everything}).start()
		waitFor(t, c, func() bool { got, err := c.running.log.Head(a.stream()); return err == nil && got == head })
		report, err := c.running.log.Verify(t.Context(), a.stream())
		if err != nil || report.Signed != head.Offset || report.Checkpoints < 5 {
			t.Errorf("verified %+v, %v", report, err)
		}
	})
}

func TestWaitingForCopiesCountsWhatIsDurableElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {"b", "c"}, "b": {"a"}, "c": {"a"}})
		a := sites["a"]
		a.publish(10)
		i := a.histories(a.stream())[0].Incarnation
		if err := a.running.mesh.WaitCopies(t.Context(), a.stream(), i, 10, 3); err != nil {
			t.Fatal(err)
		}
		w.fabric.Cut("a", "c", meshtest.Hang)
		a.publish(10)
		if err := a.running.mesh.WaitCopies(t.Context(), a.stream(), i, 20, 2); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := a.running.mesh.WaitCopies(ctx, a.stream(), i, 20, 3); !errors.Is(err, plantmesh.ErrCopiesMissing) {
			t.Errorf("a third copy behind a hanging line: %v", err)
		}
	})
}
