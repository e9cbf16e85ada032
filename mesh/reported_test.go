package mesh_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// What users of other systems report, tried here. docs/guarantees.md has the table.

// prefix checks that a node holds the first bytes of what the origin holds, and nothing else, in every incarnation.
func (n *node) prefix(origin *node, s plantmesh.StreamName) {
	n.Helper()
	all, _ := n.running.log.Incarnations(s) // none yet is a prefix, too
	for _, head := range all {
		got, err := n.running.log.RawBlocksOf(n.Context(), s, head.Incarnation, 0, 1<<30)
		if err != nil {
			n.Fatal(err)
		}
		want, err := origin.running.log.RawBlocksOf(n.Context(), s, head.Incarnation, 0, 1<<30)
		if err != nil || len(got) > len(want) {
			n.Fatalf("%s holds %d blocks of %s, the origin %d, %v", n.site, len(got), s, len(want), err)
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				n.Fatalf("%s: block %d of %s is not the origin's", n.site, i, s)
			}
		}
	}
}

// Whenever one looks, whatever broke, a replica is the beginning of its origin's stream, byte for byte.
func TestReplicaIsAVerifiedPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(3, 3))
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {}, "r": {"a"}, "c": {"a", "r"}}, func(n *node) { n.disk = vfs.NewCrashableMem() })
		a := sites["a"]
		for range 25 {
			a.publish(1 + random.IntN(60))
			switch n := sites[[]plantmesh.SiteID{"r", "c"}[random.IntN(2)]]; random.IntN(4) {
			case 0:
				w.fabric.Cut(n.site, "a", meshtest.Break)
			case 1:
				n.powerCut(random)
			case 2:
				w.fabric.Heal(n.site, "a")
			}
			pass(time.Duration(random.IntN(3000)) * time.Millisecond)
			sites["r"].prefix(a, a.stream())
			sites["c"].prefix(a, a.stream())
		}
		for _, n := range []*node{sites["r"], sites["c"]} {
			w.fabric.Heal(n.site, "a")
			n.holds(a, a.stream())
			n.prefix(a, a.stream())
		}
	})
}

// A hub that is offered a stream over several ways, all of which flap, and that loses its power now and then, never holds one
// of the origin's events twice.
func TestHubNeverHoldsASequenceTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(7, 7))
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {"r1", "r2"}, "r1": {"a"}, "r2": {"a"}, "hub": {"a", "r1", "r2"}}, func(n *node) { n.disk = vfs.NewCrashableMem() })
		a, hub := sites["a"], sites["hub"]
		for i := range 30 {
			a.publish(20)
			from := []plantmesh.SiteID{"a", "r1", "r2"}[i%3]
			w.fabric.Cut("hub", from, []meshtest.Mode{meshtest.Break, meshtest.Hang}[random.IntN(2)])
			pass(time.Duration(random.IntN(4000)) * time.Millisecond)
			if i%5 == 4 {
				hub.powerCut(random)
			}
			w.fabric.Heal("hub", from)
		}
		hub.holds(a, a.stream())
		seen := map[string]plantmesh.Offset{}
		for off := plantmesh.Offset(1); off <= 600; off++ {
			e, err := hub.running.log.Get(a.stream(), off)
			if err != nil {
				t.Fatal(err)
			}
			if id := e.GetEvent().GetId(); plantmesh.Offset(e.GetOffset()) != off || seen[id] != 0 {
				t.Errorf("offset %d says %d, event %s is at %d too", off, e.GetOffset(), id, seen[id])
			} else {
				seen[id] = off
			}
		}
		if head, err := hub.running.log.Head(a.stream()); err != nil || head.Offset != 600 {
			t.Errorf("it holds %+v, %v", head, err)
		}
	})
}

// Ids that come again, at one site and at several, hold up nobody: they are told apart where they are recorded.
func TestSourceWithDuplicateIDsCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {}, "b": {}, "hub": {"a", "b"}})
		hub := sites["hub"]
		for range 40 {
			for _, n := range []*node{sites["a"], sites["b"]} {
				e := n.event(0)
				e.Source = "//shared" // the same source and id at both sites
				for range 3 {
					if _, err := n.running.log.Append(t.Context(), storage.Write{Entries: []storage.Entry{{Stream: n.stream(), Event: e}}}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		for _, n := range []*node{sites["a"], sites["b"]} {
			hub.holds(n, n.stream())
			if head, err := hub.running.log.Head(n.stream()); err != nil || head.Offset != 40 {
				t.Errorf("%s: %+v, %v", n.site, head, err)
			}
		}
		hub.current()
	})
}

// current waits until every replica is.
func (n *node) current() {
	n.Helper()
	n.eventually("all is current", func(s mesh.Status) bool {
		for _, r := range s.Replicas {
			if r.State != adminv1.ReplicaState_REPLICA_STATE_CURRENT {
				return false
			}
		}
		return len(s.Replicas) > 0
	})
}

// What makes mirrors elsewhere stand still until somebody restarts them. Here nobody does.
func TestReplicaNeedsNoRestart(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, plant, hq *node){
		"after the source hung for an hour": func(_ *testing.T, plant, _ *node) {
			plant.fabric.Cut("plant-a", "hq", meshtest.Hang)
			plant.publish(50)
			pass(time.Hour)
			plant.fabric.Heal("plant-a", "hq")
		},
		"after the origin was recreated": func(_ *testing.T, plant, _ *node) { plant.loseDisk() },
		"after the origin was recreated twice while it was away": func(_ *testing.T, plant, _ *node) {
			for range 2 {
				plant.fabric.Cut("plant-a", "hq", meshtest.Hang)
				plant.loseDisk()
				plant.publish(20)
			}
			plant.fabric.Heal("plant-a", "hq")
		},
		"to get what was recorded offline": func(_ *testing.T, plant, _ *node) {
			plant.stop()
			plant.config.Peers = nil // nobody can be asked, and nobody asks
			plant.fabric.Cut("plant-a", "hq", meshtest.Break)
			plant.start().publish(500)
			plant.stop()
			plant.fabric.Heal("plant-a", "hq")
			plant.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plant, hq := mutual(t)
				plant.publish(30)
				hq.holds(plant, plant.stream())
				harm(t, plant, hq)
				plant.publish(10)
				hq.holds(plant, plant.stream())
				hq.current()
			})
		})
	}
}

// stuckLog takes nothing of one stream while it is told to.
type stuckLog struct {
	*storage.Log
	stream plantmesh.StreamName
	goOn   chan struct{}
}

func (l stuckLog) AppendBlocks(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, checkpoints ...plantmesh.Checkpoint) (plantmesh.Head, error) {
	if s == l.stream {
		<-l.goOn
	}
	return l.Log.AppendBlocks(ctx, s, blocks, checkpoints...)
}

// A follower whose disk hangs takes nothing any more, and flow control holds its source back: both sides say so.
func TestFlowControlStallIsVisibleAtBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		stuck := make(chan struct{})
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything})
		hq.wrap = func(l *storage.Log) mesh.Log { return stuckLog{l, plant.stream(), stuck} }
		hq.start()
		plant.publishTo(plant.stream(), 800, 20<<10) // more than the follower keeps in memory
		pass(time.Minute)
		at := hq.eventually("the follower says that nothing comes on", func(s mesh.Status) bool {
			return len(s.Replicas) == 1 && strings.Contains(s.Replicas[0].Reason, "nothing came for")
		}).Replicas[0]
		if at.LagEvents != 800 || at.Link != plant.address {
			t.Errorf("at the follower: %+v", at)
		}
		f := plant.running.mesh.Status().Followers[0]
		if !f.Connected || f.LagEvents != 800 || time.Since(f.LastReportTime) < 30*time.Second {
			t.Errorf("at the source: %+v, now %s", f, time.Now())
		}
		close(stuck)
		hq.holds(plant, plant.stream())
		hq.current()
		if f := plant.running.mesh.Status().Followers[0]; f.LagEvents != 0 {
			t.Errorf("at the source afterwards: %+v", f)
		}
	})
}

// One stream of fifty cannot go on, for its copy here is of another history. The others are as they would be without it.
func TestStreamThatCannotGoOnHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		disk := vfs.NewCrashableMem()
		plant := w.add("plant-a", mesh.Config{})
		plant.disk = disk
		plant.start().publish(20)
		backup := disk.CrashClone(vfs.CrashCloneCfg{})
		plant.publish(20)
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything}).start()
		hq.holds(plant, plant.stream())
		plant.stop()
		plant.disk = backup
		plant.start().publish(20) // under offsets that hq holds already
		var others []plantmesh.StreamName
		for i := range 50 {
			others = append(others, plantmesh.StreamOf("plant-a", fmt.Sprint("line-", i)))
			plant.publishTo(others[i], 30, 0)
		}
		hq.stalled(plant.stream(), "chain diverged")
		for _, r := range hq.running.mesh.Status().Replicas {
			if diverged := errors.Is(r.Err, plantmesh.ErrChainDiverged); diverged != (r.Stream == plant.stream()) {
				t.Errorf("replica %+v", r)
			}
		}
		for _, s := range others {
			hq.holdsWithin(plant, s, 10*time.Second)
		}
		if !connected(hq.running.mesh.Status()) {
			t.Error("the link went down with the stream")
		}
	})
}
