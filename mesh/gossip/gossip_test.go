package gossip

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
)

// noticed is within how long a death has to be noticed, and patience for how long silence has to be borne.
const (
	noticed  = 20 * time.Second
	patience = 8 * time.Second
)

type edge struct{ a, b plantmesh.SiteID }

var six = []plantmesh.SiteID{"a", "b", "c", "d", "e", "f"}

func topologies() map[string][]edge {
	out := map[string][]edge{}
	for i, a := range six {
		for _, b := range six[i+1:] {
			out["full mesh"] = append(out["full mesh"], edge{a, b})
		}
		if i > 0 {
			out["chain"] = append(out["chain"], edge{six[i-1], a})
			out["hub and spoke"] = append(out["hub and spoke"], edge{"a", a})
		}
		out["ring"] = append(out["ring"], edge{a, six[(i+1)%len(six)]})
	}
	return out
}

func TestSitesLearnEachOtherInEveryTopology(t *testing.T) {
	for name, edges := range topologies() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.startAll(six...)
				for _, e := range edges {
					w.link(e.a, e.b)
				}
				w.allKnow(15*time.Second, six...)
				for _, at := range six {
					for _, m := range w.sites[at].Members() {
						if m.Region != "eu" || m.Version != "test" || m.Address != string(m.Site)+":7443" || m.MaxProtocol != 2 || m.Hops == 0 || m.Via == "" {
							t.Errorf("%s sees %+v", at, m)
						}
					}
				}
				pass(5 * time.Minute)
				w.allKnow(0, six...) // and nobody is doubted later
				switch name {
				case "chain":
					if m := w.member("a", "f"); m.Via != "b" || m.Hops != 5 {
						t.Errorf("way from a to f: %+v", m)
					}
				case "hub and spoke":
					if m := w.member("b", "c"); m.Via != "a" || m.Hops != 2 {
						t.Errorf("way from b to c: %+v", m)
					}
				}
			})
		})
	}
}

func TestPartitionIsSeenFromBothSidesAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startAll(six...)
		for _, e := range topologies()["chain"] {
			if e != (edge{"c", "d"}) {
				w.link(e.a, e.b)
			}
		}
		between := w.link("c", "d")
		w.allKnow(15*time.Second, six...)
		for range 2 {
			between.cut()
			w.settles(noticed+2*time.Second, dead, "a", "d", "e", "f") // three at once, with few to confirm: the cut link tells
			w.settles(noticed+2*time.Second, dead, "f", "a", "b", "c")
			if m := w.member("a", "f"); m.Via != "" || m.Reason != reasonNoWay {
				t.Errorf("%+v", m)
			}
			w.settles(0, alive, "a", "b", "c")
			pass(3 * time.Minute) // memberlist has forgotten the dead
			between = w.link("d", "c")
			w.allKnow(20*time.Second, six...)
		}
	})
}

func TestDeathIsNoticedWithinSeconds(t *testing.T) {
	for name, dies := range map[string]func(*world){
		"its links end":        func(w *world) { w.crash("c") },
		"its links hang":       func(w *world) { w.freeze("c", true) },
		"its links end slowly": func(w *world) { w.freeze("c", true); pass(5 * time.Second); w.crash("c") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.startAll(six...)
				for _, e := range topologies()["hub and spoke"] {
					w.link(e.a, e.b)
				}
				w.allKnow(15*time.Second, six...)
				dies(w)
				for _, at := range []plantmesh.SiteID{"b", "f"} {
					w.settles(noticed, dead, at, "c")
					w.settles(0, alive, at, slices.DeleteFunc(slices.Clone(six), func(s plantmesh.SiteID) bool { return s == at || s == "c" })...)
				}
				if name != "its links hang" { // a link that is up tells against it, until the mesh drops it
					w.settles(noticed, dead, "a", "c")
				}
			})
		})
	}
}

func TestSlowSiteIsNotTakenForDead(t *testing.T) {
	for name, slow := range map[string]func(*world){
		"a long way":          func(*world) {},
		"stopped for a while": func(w *world) { w.freeze("c", true); pass(patience); w.freeze("c", false) },
		"stopped now and then": func(w *world) {
			for range 5 {
				w.freeze("c", true)
				pass(patience / 2)
				w.freeze("c", false)
				pass(patience / 2)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.delay = 100 * time.Millisecond
				w.startAll(six...)
				for _, e := range topologies()["hub and spoke"] {
					w.link(e.a, e.b)
				}
				w.allKnow(30*time.Second, six...)
				done := make(chan struct{})
				go func() {
					defer close(done)
					slow(w)
					pass(time.Minute)
				}()
				for over := false; !over; {
					for _, at := range six {
						if gone := w.seen(at, dead); len(gone) > 0 {
							t.Fatalf("%s takes %v for dead", at, gone)
						}
					}
					select {
					case <-done:
						over = true
					case <-time.After(100 * time.Millisecond):
					}
				}
				w.allKnow(0, six...)
			})
		})
	}
}

func TestSiteThatStopsInOrderIsSeenAsLeftAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		names := []plantmesh.SiteID{"a", "b", "c"}
		w.startAll(names...)
		w.link("a", "b")
		w.link("b", "c")
		w.allKnow(15*time.Second, names...)
		for range 2 {
			began := time.Now()
			w.sites["c"].stop()
			if took := time.Since(began); took >= leaveTimeout {
				t.Errorf("stopping took %s", took)
			}
			w.settles(2*time.Second, left, "a", "c")
			pass(2 * time.Minute)
			w.settles(0, left, "a", "c")
			w.start("c")
			w.link("c", "b")
			w.allKnow(20*time.Second, names...)
		}
	})
}

func TestSiteWhoseClockWentBackIsHeardAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startAll("a", "b")
		ahead := w.sites["b"].directory
		ahead.floor = uint64(time.Now().Add(24 * time.Hour).UnixMicro()) // as if it had spoken tomorrow
		w.link("a", "b")
		w.allKnow(15*time.Second, "a", "b")
		w.crash("b")
		w.settles(noticed, dead, "a", "b")
		w.start("b") // which knows nothing of tomorrow
		w.link("a", "b")
		w.allKnow(15*time.Second, "a", "b")
		if now := w.sites["a"].directory.of("b").sequence(); now <= ahead.floor {
			t.Errorf("sequence %d, before %d", now, ahead.floor)
		}
	})
}

func TestTwoLinksWithOneSiteAreOneMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startAll("a", "b")
		first := w.link("a", "b")
		w.link("b", "a")
		w.allKnow(15*time.Second, "a", "b")
		first.cut()
		pass(time.Minute)
		w.allKnow(0, "a", "b")
	})
}
