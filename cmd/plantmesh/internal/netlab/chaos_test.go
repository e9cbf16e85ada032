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

// Three sites that all replicate from each other, and one or two faults at a time that a seed chooses.
func TestRandomFaultsLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv(seedVariable), 10, 64); err == nil {
		seed = given
	}
	t.Logf("%s=%d", seedVariable, seed)
	random := rand.New(rand.NewPCG(seed, 0))

	names := []plantmesh.SiteID{"plant-a", "plant-b", "hq"}
	lab := netlab.New(t, names...)
	var sites []*netlab.Site
	for _, name := range names {
		sites = append(sites, lab.Site(name))
	}
	for i, s := range sites {
		s.SetUp([]string{sites[(i+1)%3].Address(), sites[(i+2)%3].Address()}, everything())
		s.Start()
	}
	loads := map[*netlab.Site]*netlab.Load{}
	for i, s := range sites {
		loads[s] = netlab.StartLoad(s)
		sites[(i+1)%3].AwaitHead(plantmesh.StreamOf(s.Name, "production"), 20)
	}
	for range faults {
		// The site that none of the faults is at measures how long they last.
		first := random.IntN(3)
		victims := []*netlab.Site{sites[first]}
		if random.IntN(3) == 0 {
			victims = append(victims, sites[(first+1)%3])
		}
		witness := sites[(first+2)%3]
		var healing []func()
		for _, victim := range victims {
			kind := kinds[random.IntN(len(kinds))]
			other := sites[(first+2)%3]
			t.Logf("%s %s", victim.Name, kind.name)
			kind.begin(victim, other)
			healing = append(healing, func() { kind.heal(victim, other) })
		}
		witness.AwaitMore(plantmesh.StreamOf(witness.Name, "production"), plantmesh.Offset(20+random.IntN(1500)))
		for _, heal := range healing {
			heal()
		}
	}
	for i, s := range sites {
		lab.Whole(loads[s], sites[(i+1)%3], sites[(i+2)%3])
	}
}
