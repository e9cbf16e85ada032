package mesh_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

var seeds = flag.Uint64("mesh.seeds", 4, "how many random histories the simulation plays")

// A mesh of three lives through an hour of cuts, hangs, power cuts and restarts, all the while recording. In the end
// every site holds exactly what every origin has acknowledged.
func TestMeshConvergesAfterAnyHistory(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { simulate(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func simulate(t *testing.T, random *rand.Rand) {
	w := newWorld(t, meshtest.NewFabric())
	names := []plantmesh.SiteID{"plant-a", "plant-b", "hq"}
	var sites []*node
	for _, name := range names {
		n := w.add(name, mesh.Config{Subscriptions: everything})
		n.disk = vfs.NewCrashableMem()
		for _, peer := range names {
			if peer != name {
				n.config.Peers = append(n.config.Peers, meshtest.Address(peer))
			}
		}
		sites = append(sites, n.start())
	}
	acknowledged := map[plantmesh.SiteID]int{}
	for range 60 {
		n := sites[random.IntN(len(sites))]
		other := names[random.IntN(len(names))]
		switch random.IntN(8) {
		case 0:
			w.fabric.Cut(n.site, other, meshtest.Break)
		case 1:
			w.fabric.Cut(n.site, other, meshtest.Hang)
		case 2, 3:
			w.fabric.Heal(n.site, other)
		case 4:
			n.stop()
			n.start()
		case 5:
			n.powerCut(random)
		default:
			count := 1 + random.IntN(40)
			n.publish(count)
			acknowledged[n.site] += count
		}
		pass(time.Duration(random.Int64N(int64(2 * time.Minute))))
	}
	for _, a := range names {
		for _, b := range names {
			w.fabric.Heal(a, b)
		}
	}
	for _, origin := range sites {
		if acknowledged[origin.site] == 0 {
			continue
		}
		for _, n := range sites {
			n.holds(origin, origin.stream())
			if head, err := n.running.log.Head(origin.stream()); err != nil || int(head.Offset) != acknowledged[origin.site] {
				t.Errorf("%s holds %d of %d events of %s, %v", n.site, head.Offset, acknowledged[origin.site], origin.site, err)
			}
		}
	}
	for _, n := range sites {
		n.eventually("all is current", func(s mesh.Status) bool {
			for _, r := range s.Replicas {
				if r.State != adminv1.ReplicaState_REPLICA_STATE_CURRENT {
					return false
				}
			}
			return true
		})
	}
}

// powerCut restarts a node with what its disk held for certain, and some of the rest.
func (n *node) powerCut(random *rand.Rand) {
	n.Helper()
	disk, ok := n.disk.(*vfs.MemFS)
	if !ok {
		n.Fatal("the disk cannot crash")
	}
	survivor := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(100), RNG: random})
	n.stop()
	n.disk = survivor
	n.start()
}
