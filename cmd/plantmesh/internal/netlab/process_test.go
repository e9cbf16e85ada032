//go:build linux

package netlab_test

import (
	"testing"

	"github.com/plantmesh/plantmesh/cmd/plantmesh/internal/netlab"
)

// A process that is stopped keeps its connections, and its machine acknowledges what arrives: only that nothing is said
// tells that it hangs.
func TestStoppedProcessIsNoticedAndGoesOn(t *testing.T) {
	for _, name := range []string{"plant-a", "hq"} {
		t.Run(name, func(t *testing.T) {
			lab, plant, hq, load := two(t)
			stopped, other := plant, hq
			if name == "hq" {
				stopped, other = hq, plant
			}
			stopped.Pause()
			other.AwaitBroken(stopped.Address(), "whether the peer hangs")
			stopped.Resume()
			recovers(plant, hq)
			lab.Whole(load, hq)
		})
	}
}

// kill -9 of either side, again and again, while events come in.
func TestKilledProcessesUnderLoadLoseAndDoubleNothing(t *testing.T) {
	lab, plant, hq, load := two(t)
	for range 3 {
		for _, killed := range []*netlab.Site{hq, plant} {
			other := plant
			if killed == plant {
				other = hq
			}
			killed.Kill()
			other.AwaitBroken(killed.Address(), "nothing listens at this address: check that the peer runs")
			killed.Start()
			recovers(plant, hq)
		}
	}
	lab.Whole(load, hq)
}
