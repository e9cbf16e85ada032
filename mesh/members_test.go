package mesh_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

const (
	alive = adminv1.MemberState_MEMBER_STATE_ALIVE
	dead  = adminv1.MemberState_MEMBER_STATE_DEAD
	left  = adminv1.MemberState_MEMBER_STATE_LEFT
)

// sees waits until a node sees other sites in a state.
func (n *node) sees(state adminv1.MemberState, sites ...plantmesh.SiteID) mesh.Status {
	n.Helper()
	return n.eventually(fmt.Sprintf("%s sees %v as %s", n.site, sites, state), func(s mesh.Status) bool {
		return !slices.ContainsFunc(sites, func(site plantmesh.SiteID) bool { return memberOf(s, site).State != state })
	})
}

func memberOf(s mesh.Status, site plantmesh.SiteID) mesh.Member {
	for _, m := range s.Members {
		if m.Site == site {
			return m
		}
	}
	return mesh.Member{}
}

// plants adds sites plant-0 and so on, which know of hq only.
func (w *world) plants(count int, config func(site plantmesh.SiteID) mesh.Config) (nodes []*node, sites []plantmesh.SiteID) {
	for i := range count {
		site := plantmesh.SiteID(fmt.Sprintf("plant-%d", i))
		nodes, sites = append(nodes, w.add(site, config(site)).start()), append(sites, site)
	}
	return nodes, sites
}

func TestSitesThatKnowOneSeedLearnAllOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{}).start()
		plants, sites := w.plants(4, func(plantmesh.SiteID) mesh.Config { return mesh.Config{Peers: []string{hq.address}, Version: "9"} })
		hq.sees(alive, sites...)
		for i, plant := range plants {
			others := slices.DeleteFunc(slices.Clone(sites), func(s plantmesh.SiteID) bool { return s == sites[i] })
			s := plant.sees(alive, append(others, "hq")...)
			if m := memberOf(s, others[0]); m.Via != "hq" || m.Hops != 2 || m.Version != "9" || m.Region != "eu" || m.Measured {
				t.Errorf("%s sees %+v", plant.site, m)
			}
			if m := memberOf(s, "hq"); m.Via != "hq" || m.Hops != 1 || !m.Measured {
				t.Errorf("%s sees %+v", plant.site, m)
			}
		}
		plants[0].stop()
		plants[1].sees(left, "plant-0")
		plants[0].start()
		plants[1].sees(alive, "plant-0")
	})
}

func TestMembersThatAdvertiseAnAddressAreLinked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{}).start()
		plants, _ := w.plants(3, func(site plantmesh.SiteID) mesh.Config {
			return mesh.Config{Peers: []string{hq.address}, Advertise: meshtest.Address(site), Subscriptions: everything}
		})
		linked := func(to plantmesh.SiteID) func(mesh.Status) bool {
			return func(s mesh.Status) bool { return memberOf(s, to).Hops == 1 && memberOf(s, to).Measured }
		}
		plants[0].eventually("a link from plant-0 to plant-1", linked("plant-1"))
		plants[1].eventually("a link from plant-1 to plant-0", linked("plant-0"))
		hq.eventually("a link from hq to plant-2", linked("plant-2"))
		plants[0].publish(30)
		hq.stop() // nobody needs it any more
		plants[2].holds(plants[0], plants[0].stream())
		plants[0].stop()
		gone := func(s mesh.Status) bool {
			return !slices.ContainsFunc(s.Links, func(l mesh.Link) bool { return l.Address == meshtest.Address("plant-0") })
		}
		plants[1].eventually("the link with a site that left goes", gone)
		plants[0].start() // which knows only hq, and that is down
		plants[0].config.Peers = append(plants[0].config.Peers, plants[1].address)
		plants[0].stop()
		plants[0].start()
		plants[2].eventually("a link from plant-2 to plant-0 again", linked("plant-0"))
	})
}

func TestConfiguredAddressIsPreferredToAnAdvertisedOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{Advertise: meshtest.Address("plant-a")}).start()
		relay(t, w, "detour", "detour:7443", plant.address)
		b := w.add("plant-b", mesh.Config{Peers: []string{plant.address}}).start()
		w.fabric.Cut("hq", "detour", meshtest.Break)
		hq := w.add("hq", mesh.Config{Peers: []string{"detour:7443", b.address}}).start()
		direct := func(s mesh.Status) bool {
			return slices.ContainsFunc(s.Links, func(l mesh.Link) bool {
				return l.Address == plant.address && l.State == adminv1.LinkState_LINK_STATE_CONNECTED
			})
		}
		hq.eventually("a link to the advertised address", direct)
		w.fabric.Heal("hq", "detour")
		s := hq.eventually("the configured link takes over", func(s mesh.Status) bool {
			return len(s.Links) == 2 && s.Links[0].State == adminv1.LinkState_LINK_STATE_CONNECTED
		})
		if s.Links[0].Address != "detour:7443" || s.Links[0].Site != "plant-a" {
			t.Errorf("links %+v", s.Links)
		}
	})
}

func TestAddressThatLeadsToAnotherSiteIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{}).start()
		w.add("other", mesh.Config{}).start()
		w.add("plant-a", mesh.Config{Peers: []string{hq.address}, Advertise: meshtest.Address("other")}).start()
		s := hq.eventually("the link is refused", func(s mesh.Status) bool { return len(s.Links) == 1 && s.Links[0].State == refused })
		if s.Links[0].Site != "plant-a" {
			t.Errorf("links %+v", s.Links)
		}
	})
}

func TestStreamsThatAreWithheldFromAnybodyAreNotNamedByGossip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{Subscriptions: everything}).start()
		plant := w.add("plant-a", mesh.Config{Peers: []string{hq.address}, Export: []mesh.ExportRule{
			{Streams: []string{"quality"}, To: []string{"*"}}, {Streams: []string{"finance"}, To: []string{"hq"}},
			{Streams: []string{"maintenance"}, To: []string{"*"}, Regions: []string{"eu"}},
		}}).start()
		hq.config.Peers = []string{plant.address}
		hq.stop()
		hq.start()
		other := w.add("plant-b", mesh.Config{Peers: []string{hq.address}, Advertise: meshtest.Address("plant-b")}).start()
		for _, domain := range []string{"quality", "finance", "maintenance", "production"} {
			plant.publishTo(plantmesh.StreamOf("plant-a", domain), 5, 0)
		}
		for _, domain := range []string{"quality", "finance", "maintenance"} {
			hq.holds(plant, plantmesh.StreamOf("plant-a", domain))
		}
		for _, holder := range []plantmesh.SiteID{"plant-a", "hq"} {
			other.eventually("heads of "+string(holder), func(s mesh.Status) bool { return len(memberOf(s, holder).Held) > 0 })
			pass(5 * time.Minute)
			s := other.running.mesh.Status()
			if held := memberOf(s, holder).Held; len(held) != 1 || held[0].Stream != "plant-a/quality" || held[0].Offset != 5 {
				t.Errorf("of %s is told %+v", holder, held)
			}
		}
	})
}

func TestHungSiteIsNoticedAsDeadAndHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{}).start()
		plants, sites := w.plants(3, func(plantmesh.SiteID) mesh.Config { return mesh.Config{Peers: []string{hq.address}} })
		for _, p := range plants {
			p.sees(alive, slices.DeleteFunc(append(slices.Clone(sites), "hq"), func(s plantmesh.SiteID) bool { return s == p.site })...)
		}
		began := time.Now()
		w.fabric.Cut("hq", "plant-0", meshtest.Hang)
		plants[1].sees(dead, "plant-0")
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("noticed after %s", took)
		}
		hq.sees(dead, "plant-0")
		plants[0].sees(dead, "hq", "plant-1", "plant-2")
		plants[1].sees(alive, "hq", "plant-2")
		w.fabric.Heal("hq", "plant-0")
		plants[1].sees(alive, "plant-0")
		plants[0].sees(alive, "hq", "plant-1", "plant-2")
	})
}

func TestOutboundSitesAreAliveToEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{}).start()
		plants, _ := w.plants(2, func(plantmesh.SiteID) mesh.Config { return mesh.Config{Peers: []string{hq.address}, Outbound: true} })
		s := plants[0].sees(alive, "hq", "plant-1")
		if m := memberOf(s, "plant-1"); !m.Outbound || m.Via != "hq" {
			t.Errorf("%+v", m)
		}
		pass(10 * time.Minute)
		plants[0].sees(alive, "hq", "plant-1")
		plants[1].sees(alive, "hq", "plant-0")
		if s := hq.running.mesh.Status(); s.ClockSkews != 0 {
			t.Errorf("clock skews %d", s.ClockSkews)
		}
	})
}
