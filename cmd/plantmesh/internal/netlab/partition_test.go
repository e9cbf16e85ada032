//go:build linux

package netlab_test

import (
	"testing"

	"github.com/plantmesh/plantmesh/cmd/plantmesh/internal/netlab"
)

// A site whose cable is pulled goes on recording; both sides say why they do not hear of each other, and catch up.
func TestPartitionUnderLoadHeals(t *testing.T) {
	lab, plant, hq, load := two(t)
	plant.Unplug()
	hq.AwaitBroken(plant.Address(), "check the line")
	plant.AwaitBroken(hq.Address(), "check the line")
	plant.AwaitMore(production, 100)
	plant.Plug()
	recovers(plant, hq)
	lab.Whole(load, hq)
}

// A line that works in one direction only is down: both sides notice, whichever direction it is.
func TestLineThatIsDeafInOneDirectionIsNoticed(t *testing.T) {
	for _, c := range []struct {
		name     string
		deafened func(plant, hq *netlab.Site) (from, to *netlab.Site)
	}{
		{"from plant-a to hq", func(plant, hq *netlab.Site) (from, to *netlab.Site) { return plant, hq }},
		{"from hq to plant-a", func(plant, hq *netlab.Site) (from, to *netlab.Site) { return hq, plant }},
	} {
		t.Run(c.name, func(t *testing.T) {
			lab, plant, hq, load := two(t)
			from, to := c.deafened(plant, hq)
			from.DropTo(to)
			hq.AwaitBroken(plant.Address(), "check the line")
			plant.AwaitBroken(hq.Address(), "check the line")
			plant.AwaitMore(production, 50)
			from.ReachTo(to)
			recovers(plant, hq)
			lab.Whole(load, hq)
		})
	}
}

// The machine itself refuses to send: a route that is gone.
func TestMissingRouteIsNamed(t *testing.T) {
	lab, plant, hq, load := two(t)
	hq.NoRouteTo(plant)
	hq.AwaitBroken(plant.Address(), "no route to the peer: check the line")
	hq.RouteTo(plant)
	recovers(plant, hq)
	lab.Whole(load, hq)
}

// A line that comes and goes: every time it is there, events get through.
func TestFlappingLineLosesAndDoublesNothing(t *testing.T) {
	lab, plant, hq, load := two(t)
	for range 8 {
		plant.Unplug()
		plant.AwaitMore(production, 60)
		plant.Plug()
		hq.AwaitMore(production, 30)
	}
	recovers(plant, hq)
	lab.Whole(load, hq)
}

// Large frames vanish and small ones pass, as in a tunnel whose routers tell nobody what fits: connections stand and nothing
// comes through them.
func TestLineThatDropsLargeFramesIsNoticed(t *testing.T) {
	lab, plant, hq, load := two(t)
	plant.DropLargerThan(400)
	hq.AwaitBroken(plant.Address(), "check the line")
	plant.PassAll()
	recovers(plant, hq)
	lab.Whole(load, hq)
}
