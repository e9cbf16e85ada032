//go:build linux

package netlab_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/cmd/plantmesh/internal/netlab"
)

const (
	thinBits     = 50_000
	backlogBytes = 10 << 20
	holds        = 5
)

// A line of 50 kbit/s behind which ten megabytes of machine reports wait, half an hour's worth: the link never drops, and
// quality holds arrive meanwhile. How long they take is printed, not judged.
func TestUrgentEventsArriveOverAThinLineWithABacklog(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t, "plant-a", "hq")
	plant, hq := lab.Site("plant-a"), lab.Site("hq")
	plant.SetUp([]string{hq.Address()})
	hq.SetUp([]string{plant.Address()}, everything())
	plant.Start()
	hq.Start()
	hq.AwaitLink(plant.Address())
	plant.AwaitLink(hq.Address())
	bulk, urgent := netlab.NewLoad(plant, production), netlab.NewLoad(plant, plantmesh.StreamOf("plant-a", "quality"))
	urgent.Hold(plant, "before")
	hq.AwaitHead("plant-a/quality", 1)

	both := []*netlab.Site{plant, hq}
	var down []int
	for _, s := range both {
		down = append(down, s.Logged("link down"))
	}
	plant.Throttle(thinBits)
	count := bulk.Reports(plant, backlogBytes)
	hq.AwaitHead(production, 1) // the backlog is on its way
	var took []time.Duration
	for i := range holds {
		urgent.Hold(plant, fmt.Sprint(i))
		took = append(took, hq.AwaitHead("plant-a/quality", plantmesh.Offset(i+2)).Round(time.Millisecond))
	}
	t.Logf("%d holds with %d of %d reports behind: slowest %s, all %v", holds, count-int(hq.Head(production)), count, slices.Max(took), took)
	if behind := count - int(hq.Head(production)); behind < count/10 {
		t.Errorf("only %d of %d reports were behind: the line was not thin", behind, count)
	}
	for i, s := range both {
		if n := s.Logged("link down") - down[i]; n != 0 {
			t.Errorf("the link of %s was down %d times", s.Name, n)
		}
	}
	plant.Unthrottle()
	lab.Whole(bulk, hq)
	lab.Whole(urgent, hq)
}
