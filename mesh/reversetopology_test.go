package mesh_test

import (
	"fmt"
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
	for name, topology := range map[string]struct {
		outbound []plantmesh.SiteID
		peers    map[plantmesh.SiteID][]plantmesh.SiteID
	}{
		"hub and spokes":               {[]plantmesh.SiteID{"a", "b", "c"}, map[plantmesh.SiteID][]plantmesh.SiteID{"hq": nil, "a": {"hq"}, "b": {"hq"}, "c": {"hq"}}},
		"two hubs":                     {[]plantmesh.SiteID{"a", "b"}, map[plantmesh.SiteID][]plantmesh.SiteID{"hq": {"dr"}, "dr": {"hq"}, "a": {"hq", "dr"}, "b": {"hq", "dr"}}},
		"full mesh with one":           {[]plantmesh.SiteID{"a"}, map[plantmesh.SiteID][]plantmesh.SiteID{"a": {"b", "c"}, "b": {"c"}, "c": {"b"}}},
		"chain with one in the middle": {[]plantmesh.SiteID{"b"}, map[plantmesh.SiteID][]plantmesh.SiteID{"a": nil, "b": {"a", "c"}, "c": nil}},
		"chain with one at each end":   {[]plantmesh.SiteID{"a", "d"}, map[plantmesh.SiteID][]plantmesh.SiteID{"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"c"}}},
		"ring with every other":        {[]plantmesh.SiteID{"a", "c"}, map[plantmesh.SiteID][]plantmesh.SiteID{"a": {"b", "d"}, "b": nil, "c": {"b", "d"}, "d": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, meshtest.NewFabric())
				var sites []*node
				for site, peers := range topology.peers {
					config := mesh.Config{Subscriptions: everything, Outbound: slices.Contains(topology.outbound, site)}
					for _, peer := range peers {
						config.Peers = append(config.Peers, meshtest.Address(peer))
					}
					if config.Outbound {
						w.fabric.Firewall(site, meshtest.Hang)
					}
					n := w.add(site, config).start()
					n.publish(30)
					sites = append(sites, n)
				}
				allHold(sites)
				for _, n := range sites {
					n.stop()
					n.start().publish(30)
				}
				allHold(sites)
			})
		})
	}
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
