//go:build linux

package netlab_test

import (
	"testing"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/cmd/plantmesh/internal/netlab"
)

// A chain: hq and plant-a do not reach each other, the hub between them is killed, cut off and stopped.
func TestChainHealsInTheMiddle(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t, "plant-a", "hub", "hq")
	plant, hub, hq := lab.Site("plant-a"), lab.Site("hub"), lab.Site("hq")
	plant.SetUp([]string{hub.Address()}, everything())
	hub.SetUp([]string{plant.Address(), hq.Address()}, everything())
	hq.SetUp([]string{hub.Address()}, everything())
	plant.DropTo(hq)
	hq.DropTo(plant)
	for _, s := range []*netlab.Site{plant, hub, hq} {
		s.Start()
	}
	load := netlab.StartLoad(plant)
	hq.AwaitHead(production, 50)

	hub.Kill()
	hq.AwaitBroken(hub.Address(), "check that the peer runs")
	hub.Start()
	hq.AwaitMore(production, 20)

	hub.Unplug()
	hq.AwaitBroken(hub.Address(), "check the line")
	hub.Plug()
	hq.AwaitMore(production, 20)

	hub.Pause()
	hq.AwaitBroken(hub.Address(), "whether the peer hangs")
	hub.Resume()
	hq.AwaitMore(production, 20)
	lab.Whole(load, hub, hq)
}

// Two hubs between plant-a and hq: when the one that serves hq fails, the other takes over. How soon is printed.
func TestSecondHubTakesOver(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t, "plant-a", "hub-1", "hub-2", "hq")
	plant, hq := lab.Site("plant-a"), lab.Site("hq")
	hubs := map[string]*netlab.Site{}
	for _, name := range []plantmesh.SiteID{"hub-1", "hub-2"} {
		hub := lab.Site(name)
		hubs[hub.Address()] = hub
		hub.SetUp([]string{plant.Address()}, everything())
		hub.Start()
	}
	plant.SetUp(nil)
	plant.Start()
	hq.SetUp([]string{lab.Site("hub-1").Address(), lab.Site("hub-2").Address()}, everything())
	hq.Start()
	for address := range hubs {
		hq.AwaitLink(address)
	}
	load := netlab.StartLoad(plant)
	hq.AwaitHead(production, 50)

	for _, fault := range []struct {
		name        string
		fail, again func(*netlab.Site)
	}{
		{"killed", (*netlab.Site).Kill, (*netlab.Site).Start},
		{"stopped", (*netlab.Site).Pause, (*netlab.Site).Resume},
		{"cut off", (*netlab.Site).Unplug, (*netlab.Site).Plug},
	} {
		source := hq.Source(production)
		hub := hubs[source]
		if hub == nil {
			t.Fatalf("hq is served by %q", source)
		}
		fault.fail(hub)
		t.Logf("%s is %s: events go on at hq after %s", hub.Name, fault.name, hq.AwaitMore(production, 300))
		if now := hq.Source(production); now == source {
			t.Errorf("hq is still served by %s", now)
		}
		fault.again(hub)
		hq.AwaitLink(source)
	}
	lab.Whole(load, lab.Site("hub-1"), lab.Site("hub-2"), hq)
}

// Nobody can dial plant-a: it calls hq, and hq replicates over that call. Both ends fail in every way.
func TestOutboundSiteComesBackFromEveryFault(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t, "plant-a", "hq")
	plant, hq := lab.Site("plant-a"), lab.Site("hq")
	plant.SetUpOutbound([]string{hq.Address()}, everything())
	hq.SetUp(nil, everything())
	plant.Start()
	hq.Start()
	const reverse = "reverse from plant-a"
	hq.AwaitLink(reverse)
	load := netlab.StartLoad(plant)
	orders := netlab.StartLoad(hq)
	hq.AwaitHead(production, 50)
	comesBack := func() {
		hq.AwaitLink(reverse)
		plant.AwaitLink(hq.Address())
		hq.AwaitMore(production, 20)
		plant.AwaitMore("hq/production", 20)
	}

	plant.Unplug()
	hq.AwaitBroken(reverse, "silent")
	plant.AwaitBroken(hq.Address(), "check the line")
	plant.Plug()
	comesBack()

	plant.Kill()
	hq.AwaitBroken(reverse)
	plant.Start()
	comesBack()

	hq.Kill()
	plant.AwaitBroken(hq.Address(), "check that the peer runs")
	hq.Start()
	comesBack()

	plant.Pause()
	hq.AwaitBroken(reverse, "silent")
	plant.Resume()
	comesBack()

	hq.Pause()
	plant.AwaitBroken(hq.Address(), "whether the peer hangs")
	hq.Resume()
	comesBack()
	lab.Whole(load, hq)
	lab.Whole(orders, plant)
}
