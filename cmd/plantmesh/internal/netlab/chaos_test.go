//go:build linux

package netlab_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/cmd/plantmesh/internal/netlab"
)

const (
	// seedVariable repeats a run's faults. Their moments are the machine's.
	seedVariable = "PLANTMESH_SEED"
	faults       = 14
)

// fault is one way to fail, and how it ends.
type fault struct {
	name        string
	begin, heal func(victim, other *netlab.Site)
}

var kinds = []fault{
	{"is cut off", func(v, _ *netlab.Site) { v.Unplug() }, func(v, _ *netlab.Site) { v.Plug() }},
	{"is killed", func(v, _ *netlab.Site) { v.Kill() }, func(v, _ *netlab.Site) { v.Start() }},
	{"is stopped", func(v, _ *netlab.Site) { v.Pause() }, func(v, _ *netlab.Site) { v.Resume() }},
	{"loses what it sends", func(v, o *netlab.Site) { v.DropTo(o) }, func(v, o *netlab.Site) { v.ReachTo(o) }},
	{"has no route", func(v, o *netlab.Site) { v.NoRouteTo(o) }, func(v, o *netlab.Site) { v.RouteTo(o) }},
	{"has a thin line", func(v, _ *netlab.Site) { v.Throttle(100_000) }, func(v, _ *netlab.Site) { v.Unthrottle() }},
	{"loses large frames", func(v, _ *netlab.Site) { v.DropLargerThan(400) }, func(v, _ *netlab.Site) { v.PassAll() }},
}

// Three sites that all replicate from each other, in several topologies, and one or two faults at a time that a seed chooses.
func TestRandomFaultsLoseAndDoubleNothing(t *testing.T) {
	for name, setUp := range map[string]func(plantA, plantB, hq *netlab.Site){
		"full mesh": func(plantA, plantB, hq *netlab.Site) {
			plantA.SetUp([]string{plantB.Address(), hq.Address()}, everything())
			plantB.SetUp([]string{plantA.Address(), hq.Address()}, everything())
			hq.SetUp([]string{plantA.Address(), plantB.Address()}, everything())
		},
		"hub": func(plantA, plantB, hq *netlab.Site) {
			plantA.SetUp([]string{hq.Address()}, everything())
			plantB.SetUp([]string{hq.Address()}, everything())
			hq.SetUp([]string{plantA.Address(), plantB.Address()}, everything())
		},
		"hub of outbound sites": func(plantA, plantB, hq *netlab.Site) {
			plantA.SetUpOutbound([]string{hq.Address()}, everything())
			plantB.SetUpOutbound([]string{hq.Address()}, everything())
			hq.SetUp(nil, everything())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := netlab.New(t, "plant-a", "plant-b", "hq")
			sites := []*netlab.Site{lab.Site("plant-a"), lab.Site("plant-b"), lab.Site("hq")}
			setUp(sites[0], sites[1], sites[2])
			loads := make([]*netlab.Load, len(sites))
			for i, s := range sites {
				s.Start()
				loads[i] = netlab.StartLoad(s)
			}
			for i, s := range sites {
				sites[(i+1)%3].AwaitHead(plantmesh.StreamOf(s.Name, "production"), 20)
			}
			misfortune(t, sites)
			for i := range sites {
				lab.Whole(loads[i], sites[(i+1)%3], sites[(i+2)%3])
			}
		})
	}
}

// misfortune lets things go wrong. The site that none of the faults of a round is at measures how long they last, by what it
// records.
func misfortune(t *testing.T, sites []*netlab.Site) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv(seedVariable), 10, 64); err == nil {
		seed = given
	}
	t.Logf("%s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range faults {
		first := random.IntN(3)
		victims, witness := []*netlab.Site{sites[first]}, sites[(first+2)%3]
		if random.IntN(3) == 0 {
			victims = append(victims, sites[(first+1)%3])
		}
		var healing []func()
		for _, victim := range victims {
			kind := kinds[random.IntN(len(kinds))]
			t.Logf("%s %s", victim.Name, kind.name)
			kind.begin(victim, witness)
			healing = append(healing, func() { kind.heal(victim, witness) })
		}
		witness.AwaitMore(plantmesh.StreamOf(witness.Name, "production"), plantmesh.Offset(20+random.IntN(1500)))
		for _, heal := range healing {
			heal()
		}
	}
}
