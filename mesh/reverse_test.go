package mesh_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// outboundPair starts hq, which knows no address, and plant-b behind a firewall, which links to hq.
func outboundPair(t *testing.T, wall meshtest.Mode) (plant, hq *node) {
	t.Helper()
	w := newWorld(t, meshtest.NewFabric())
	w.fabric.Firewall("plant-b", wall)
	hq = w.add("hq", mesh.Config{Subscriptions: everything}).start()
	plant = w.add("plant-b", mesh.Config{Peers: []string{hq.address}, Outbound: true, Subscriptions: everything}).start()
	return plant, hq
}

// way is the first link of a kind; its state is unspecified if there is none.
func way(s mesh.Status, kind adminv1.LinkKind) mesh.Link {
	for _, l := range s.Links {
		if l.Kind == kind {
			return l
		}
	}
	return mesh.Link{}
}

const (
	dialed          = adminv1.LinkKind_LINK_KIND_DIALED
	reverseAccepted = adminv1.LinkKind_LINK_KIND_REVERSE_ACCEPTED
	reverseServed   = adminv1.LinkKind_LINK_KIND_REVERSE_SERVED
	up              = adminv1.LinkState_LINK_STATE_CONNECTED
)

// is waits until the first link of a kind is in a state, for a reason that holds every one of some words.
func (n *node) is(kind adminv1.LinkKind, state adminv1.LinkState, words ...string) mesh.Link {
	n.Helper()
	return way(n.eventually(fmt.Sprintf("%s %s %q", kind, state, words), func(s mesh.Status) bool {
		l := way(s, kind)
		return l.State == state && !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(l.Reason, word) })
	}), kind)
}

// bothHold waits until each of two sites holds exactly what the other has.
func bothHold(a, b *node) {
	a.Helper()
	a.holds(b, b.stream())
	b.holds(a, a.stream())
}

func TestOutboundSiteReplicatesBothWaysFromBehindAFirewall(t *testing.T) {
	for name, wall := range map[string]meshtest.Mode{"refusing": meshtest.Break, "dropping": meshtest.Hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plant, hq := outboundPair(t, wall)
				for range 5 {
					plant.publish(50)
					hq.publish(50)
					bothHold(plant, hq)
				}
				pass(time.Second) // for the last report
				at, from := plant.running.mesh.Status(), hq.running.mesh.Status()
				if len(at.Links) != 2 || way(at, dialed).State != up || way(at, reverseServed).State != up || way(at, reverseServed).Site != "hq" {
					t.Errorf("links of the plant: %+v", at.Links)
				}
				l := way(from, reverseAccepted)
				if len(from.Links) != 1 || l.State != up || l.Site != "plant-b" || l.Address != "reverse from plant-b" || l.Protocol != mesh.MaxProtocol {
					t.Errorf("links of hq: %+v", from.Links)
				}
				if r := from.Replicas; len(r) != 1 || r[0].Link != l.Address || r[0].State != adminv1.ReplicaState_REPLICA_STATE_CURRENT {
					t.Errorf("replicas of hq: %+v", r)
				}
				if f := at.Followers; len(f) != 1 || f[0].Site != "hq" || !f[0].Connected || f[0].DurableOffset != 250 {
					t.Errorf("followers of the plant: %+v", f)
				}
				for asker, origin := range map[*node]*node{plant: hq, hq: plant} {
					head, err := origin.running.log.Head(origin.stream())
					if err != nil {
						t.Fatal(err)
					}
					chain, offset, err := asker.running.mesh.OriginChain(t.Context(), origin.stream(), head.Incarnation, 250)
					if err != nil || chain != head.Chain || offset != 250 {
						t.Errorf("%s asks %s for its chain: %s, %d, %v", asker.site, origin.site, chain, offset, err)
					}
				}
			})
		})
	}
}

func TestReverseConnectionOverLoopback(t *testing.T) {
	w := newWorld(t, nil)
	hq := w.add("hq", mesh.Config{Subscriptions: everything}).start()
	plant := w.add("plant-b", mesh.Config{Peers: []string{hq.address}, Outbound: true, Subscriptions: everything}).start()
	for range 3 {
		plant.publish(200)
		hq.publish(200)
		bothHold(plant, hq)
	}
	hq.stop()
	plant.publish(50)
	hq.start().publish(50)
	bothHold(plant, hq)
	plant.stop()
	hq.publish(50)
	plant.start().publish(50)
	bothHold(plant, hq)
}

func TestExportPolicyHoldsOverReverseConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		w.fabric.Firewall("plant-b", meshtest.Break)
		hq := w.add("hq", mesh.Config{Subscriptions: everything}).start()
		plant := w.add("plant-b", mesh.Config{
			Peers: []string{hq.address}, Outbound: true,
			Export: []mesh.ExportRule{{Streams: []string{"production"}, To: []string{"*"}}, {Streams: []string{"quality"}, To: []string{"lab"}}},
		}).start()
		plant.publish(10)
		plant.publishTo("plant-b/quality", 10, 0)
		hq.holds(plant, plant.stream())
		pass(time.Minute)
		if heads := hq.running.log.Heads(); len(heads) != 1 {
			t.Errorf("hq holds %+v", heads)
		}
		if _, _, err := hq.running.mesh.OriginChain(t.Context(), "plant-b/quality", 1, 10); err == nil || !strings.Contains(err.Error(), "no export rule") {
			t.Errorf("got %v", err)
		}
	})
}

// Nothing tells either end of a line that hangs. Both notice within the limit of silence, and the guard's grain.
func TestHalfOpenReverseConnectionIsNoticedAtBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := outboundPair(t, meshtest.Hang)
		hq.is(reverseAccepted, up)
		pass(10 * time.Minute) // and a quiet one is not taken for dead
		if since := way(plant.running.mesh.Status(), reverseServed).Since; time.Since(since) < 9*time.Minute {
			t.Errorf("the connection was made anew %s ago", time.Since(since))
		}
		plant.fabric.Cut("plant-b", "hq", meshtest.Hang)
		began := time.Now()
		plant.is(reverseServed, backoff, "connection silent for 15s")
		hq.is(reverseAccepted, adminv1.LinkState_LINK_STATE_WAITING, "connection silent for 15s", "waiting for the site")
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestOutboundSiteLosesNothingOverCutsAndRestarts(t *testing.T) {
	for name, mode := range map[string]meshtest.Mode{"broken": meshtest.Break, "hanging": meshtest.Hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plant, hq := outboundPair(t, meshtest.Hang)
				record := func() {
					plant.publish(50)
					hq.publish(50)
				}
				record()
				bothHold(plant, hq)
				record()
				plant.fabric.Cut("plant-b", "hq", mode)
				record()
				hq.is(reverseAccepted, adminv1.LinkState_LINK_STATE_WAITING)
				plant.fabric.Heal("plant-b", "hq")
				bothHold(plant, hq)

				plant.stop()
				hq.publish(50)
				l := hq.is(reverseAccepted, adminv1.LinkState_LINK_STATE_WAITING, "shutting down", "waiting for the site")
				if !l.RetryTime.IsZero() {
					t.Errorf("an attempt is announced: %+v", l)
				}
				plant.start().publish(50)
				bothHold(plant, hq)

				hq.stop()
				plant.publish(50)
				plant.is(reverseServed, backoff, "nothing listens")
				hq.start().publish(50)
				bothHold(plant, hq)
			})
		})
	}
}

// thinWriter lets through so many bytes a second in the direction of its reader and of its writer.
type thinWriter struct {
	*thinConn
}

func (c thinWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := c.Conn.Write(p[done:min(len(p), done+c.bytesPerSecond/10)])
		done += n
		if err != nil {
			return done, err
		}
		c.carry(n)
	}
	return done, nil
}

func TestReverseConnectionDoesNotFlapOnAThinLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{Subscriptions: everything}).start()
		plant := w.add("plant-b", mesh.Config{Peers: []string{hq.address}, Outbound: true, Subscriptions: everything})
		dial := plant.config.Dial
		plant.config.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			conn, err := dial(ctx, address)
			return thinWriter{newThinConn(conn, 50_000/8)}, err
		}
		plant.start().publishTo(plant.stream(), 150, 20<<10) // 3 MB: some eight minutes
		hq.publishTo(hq.stream(), 50, 20<<10)
		began := time.Now()
		hq.holdsWithin(plant, plant.stream(), 20*time.Minute)
		plant.holdsWithin(hq, hq.stream(), 20*time.Minute)
		for _, l := range []mesh.Link{way(hq.running.mesh.Status(), reverseAccepted), way(plant.running.mesh.Status(), reverseServed), way(plant.running.mesh.Status(), dialed)} {
			if l.State != up || l.Since.Sub(began) > 30*time.Second {
				t.Errorf("made anew after %s: %+v", l.Since.Sub(began), l)
			}
		}
	})
}
