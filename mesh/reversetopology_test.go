package mesh_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
)

// allHold waits until every site holds exactly what every other has recorded.
func allHold(sites []*node) {
	for _, origin := range sites {
		for _, n := range sites {
			if n != origin {
				n.Helper()
				n.holds(origin, origin.stream())
			}
		}
	}
}

// Whatever the lines look like, and wherever the sites are that nobody can dial: every event reaches every site.
func TestOutboundSitesWorkInEveryTopology(t *testing.T) {
	for name, tc := range map[string]struct {
		outbound []plantmesh.SiteID
		links    topology
	}{
		"hub and spokes":               {[]plantmesh.SiteID{"a", "b", "c"}, topology{"hq": nil, "a": {"hq"}, "b": {"hq"}, "c": {"hq"}}},
		"two hubs":                     {[]plantmesh.SiteID{"a", "b"}, topology{"hq": {"dr"}, "dr": {"hq"}, "a": {"hq", "dr"}, "b": {"hq", "dr"}}},
		"full mesh with one":           {[]plantmesh.SiteID{"a"}, topology{"a": {"b", "c"}, "b": {"c"}, "c": {"b"}}},
		"chain with one in the middle": {[]plantmesh.SiteID{"b"}, topology{"a": nil, "b": {"a", "c"}, "c": nil}},
		"chain with one at each end":   {[]plantmesh.SiteID{"a", "d"}, topology{"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"c"}}},
		"ring with every other":        {[]plantmesh.SiteID{"a", "c"}, topology{"a": {"b", "d"}, "b": nil, "c": {"b", "d"}, "d": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, meshtest.NewFabric())
				sites := slices.Collect(maps.Values(w.build(tc.links, func(n *node) {
					if n.config.Outbound = slices.Contains(tc.outbound, n.site); n.config.Outbound {
						w.fabric.Firewall(n.site, meshtest.Hang)
					}
				})))
				for range 2 {
					for _, n := range sites {
						n.publish(30)
					}
					allHold(sites)
					for _, n := range sites {
						n.stop()
						n.start()
					}
				}
			})
		})
	}
}

// hq knows no address, so it has nobody to ask when it starts. Its history comes back when the sites do that hold it.
func TestHubThatLostItsDiskGetsItsHistoryBackOverReverseConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := outboundPair(t, meshtest.Hang)
		hq.publish(100)
		plant.holds(hq, hq.stream())
		old := hq.histories(hq.stream())
		hq.loseDisk()
		hq.publish(10)
		waitFor(t, hq, func() bool {
			got := hq.histories(hq.stream())
			return len(got) == 2 && got[0] == old[0] && got[1].Offset == 10
		})
		plant.holds(hq, hq.stream())
	})
}

// Two sites that nobody can dial, and the hub they dial, live through cuts, hangs, power cuts and restarts.
func TestOutboundSitesConvergeAfterAnyHistory(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulateOutbound(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func simulateOutbound(t *testing.T, random *rand.Rand) {
	w := newWorld(t, meshtest.NewFabric())
	hub := w.add("hq", mesh.Config{Subscriptions: everything})
	plants := []*node{}
	for _, site := range []plantmesh.SiteID{"plant-a", "plant-b"} {
		w.fabric.Firewall(site, meshtest.Hang)
		plants = append(plants, w.add(site, mesh.Config{Peers: []string{meshtest.Address("hq")}, Outbound: true, Subscriptions: everything}))
	}
	all := append([]*node{hub}, plants...)
	for _, n := range all {
		n.disk = vfs.NewCrashableMem()
		n.start().publish(1)
	}
	for range 60 {
		n, plant := all[random.IntN(len(all))], plants[random.IntN(len(plants))]
		switch random.IntN(8) {
		case 0:
			w.fabric.Cut("hq", plant.site, meshtest.Break)
		case 1:
			w.fabric.Cut("hq", plant.site, meshtest.Hang)
		case 2, 3:
			w.fabric.Heal("hq", plant.site)
		case 4:
			n.stop()
			n.start()
		case 5:
			n.powerCut(random)
		default:
			n.publish(1 + random.IntN(40))
		}
		pass(time.Duration(random.Int64N(int64(time.Minute))))
	}
	for _, plant := range plants {
		w.fabric.Heal("hq", plant.site)
	}
	allHold(all)
}
