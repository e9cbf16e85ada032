//go:build linux

package netlab_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/cmd/plantmesh/internal/netlab"
)

// A machine that loses its power says nothing: its peers' connections stay open and silent.
func TestPeerThatVanishesWithoutAWordIsNoticed(t *testing.T) {
	lab, plant, hq, load := two(t)
	plant.Unplug()
	plant.Kill()
	hq.AwaitBroken(plant.Address(), "check the line")
	plant.Plug()
	plant.Start()
	recovers(plant, hq)
	lab.Whole(load, hq)
}

// proxied are plant-a under load and hq, which dials it through a proxy.
func proxied(t *testing.T) (lab *netlab.Lab, plant, hq *netlab.Site, line *netlab.Proxy, load *netlab.Load) {
	t.Helper()
	t.Parallel()
	lab = netlab.New(t, "plant-a", "hq")
	plant, hq = lab.Site("plant-a"), lab.Site("hq")
	line = hq.ProxyTo(plant)
	plant.SetUp(nil)
	hq.SetUp([]string{line.Address()}, everything())
	plant.Start()
	hq.Start()
	hq.AwaitLink(line.Address())
	load = netlab.StartLoad(plant)
	hq.AwaitHead(production, 50)
	return lab, plant, hq, line, load
}

// Connections that are half open, in either direction, and a firewall that takes new ones and never answers.
func TestHalfOpenConnectionIsNoticedAndNamed(t *testing.T) {
	for name, c := range map[string]netlab.Conditions{
		"nothing comes back": {LoseBack: true},
		"nothing goes forth": {LoseForth: true},
		"both":               {LoseForth: true, LoseBack: true},
		"and new ones mute":  {LoseForth: true, LoseBack: true, Mute: true},
	} {
		t.Run(name, func(t *testing.T) {
			lab, _, hq, line, load := proxied(t)
			line.Set(c)
			reason := []string{"check the line"}
			if c.Mute {
				reason = []string{"no answer within", "the firewalls in between, and whether the peer hangs"}
			}
			hq.AwaitBroken(line.Address(), reason...)
			line.Set(netlab.Conditions{})
			hq.AwaitLink(line.Address())
			hq.AwaitMore(production, 20)
			lab.Whole(load, hq)
		})
	}
}

// A long way with jitter, and stalls as loss makes them: slow is not dead.
func TestLongLineThatStallsKeepsItsLink(t *testing.T) {
	lab, _, hq, line, load := proxied(t)
	taken, down := line.Taken(), hq.Logged("link down")
	long := netlab.Conditions{Delay: 150 * time.Millisecond, Jitter: 100 * time.Millisecond}
	stalled := long
	stalled.Held = true
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 6 {
		line.Set(stalled)
		held := time.NewTimer(time.Second + time.Duration(random.Int64N(int64(3*time.Second)))) // far below the silence that drops a link
		<-held.C
		line.Set(long)
		hq.AwaitMore(production, 20)
	}
	if line.Taken() != taken || hq.Logged("link down") != down {
		t.Errorf("the link did not last: %d new connections, %d times down", line.Taken()-taken, hq.Logged("link down")-down)
	}
	lab.Whole(load, hq)
}
