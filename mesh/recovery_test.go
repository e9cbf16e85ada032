package mesh_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	"github.com/plantmesh/plantmesh/storage"
)

const quality plantmesh.StreamName = "plant-a/quality"

// mutual is a plant and a headquarters that dial each other. The plant's disk can crash.
func mutual(t *testing.T) (plant, hq *node) {
	w := newWorld(t, meshtest.NewFabric())
	plant = w.add("plant-a", mesh.Config{Peers: []string{meshtest.Address("hq")}})
	plant.disk = vfs.NewCrashableMem()
	hq = w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything}).start()
	return plant.start(), hq
}

// loseDisk restarts a node with nothing but its certificate. In virtual time no clock tick would tell the new history from
// the old.
func (n *node) loseDisk() {
	n.stop()
	n.disk = vfs.NewMem()
	n.config.SigningKey = n.signingKey(n.creds)
	pass(time.Minute)
	n.start()
}

func (n *node) histories(s plantmesh.StreamName) []plantmesh.Head {
	n.Helper()
	all, err := n.running.log.Incarnations(s)
	if err != nil {
		n.Fatal(err)
	}
	return all
}

func TestOriginThatLostItsDiskFetchesItsStreamsBackAndGoesOnInANewIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := mutual(t)
		plant.publish(300)
		hq.holds(plant, plant.stream())
		old := hq.histories(plant.stream())
		plant.loseDisk()
		plant.publish(20) // waits until the old history is back
		hq.holds(plant, plant.stream())
		got := plant.histories(plant.stream())
		if len(got) != 2 || got[0] != old[0] || got[1].Offset != 20 || !slices.Equal(got, hq.histories(plant.stream())) {
			t.Errorf("the origin has %+v, its replica %+v; it was %+v", got, hq.histories(plant.stream()), old)
		}
		if report, err := plant.running.log.VerifyOf(t.Context(), plant.stream(), old[0].Incarnation, nil); err != nil || report.Events != 300 || report.Signed != 300 {
			t.Errorf("what was recovered: %+v, %v", report, err)
		}
		if off, err := plant.running.log.LookupOf(plant.stream(), old[0].Incarnation, "//plant-a/test", "7"); err != nil || off != 7 {
			t.Errorf("an event of the old history is found at %d, %v", off, err)
		}
	})
}

func TestOriginRestoredFromABackupIsCompletedByItsPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := mutual(t)
		plant.publish(50)
		backup := plant.disk.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
		plant.publish(50)
		hq.holds(plant, plant.stream())
		old := hq.histories(plant.stream())
		plant.stop()
		plant.disk = backup
		plant.start().publish(10)
		hq.holds(plant, plant.stream())
		if got := plant.histories(plant.stream()); len(got) != 2 || got[0] != old[0] || got[1].Offset != 10 {
			t.Errorf("the origin has %+v, want %+v and 10 events more", got, old)
		}
	})
}

func TestOriginThatNobodyCanGiveItsHistoryGoesOnAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := mutual(t)
		plant.publish(30)
		hq.holds(plant, plant.stream())
		old := hq.histories(plant.stream())
		plant.fabric.Cut("plant-a", "hq", meshtest.Hang)
		plant.loseDisk()
		began := time.Now()
		plant.publish(5)
		if waited := time.Since(began); waited > mesh.DefaultRecoveryWait+time.Second {
			t.Errorf("it waited %s for peers that cannot be reached", waited)
		}
		fresh := plant.histories(plant.stream())
		plant.fabric.Heal("plant-a", "hq")
		hq.holds(plant, plant.stream())
		want := []plantmesh.Head{old[0], fresh[0]}
		waitFor(t, plant, func() bool { return slices.Equal(plant.histories(plant.stream()), want) }) // late, but not never
		if got := hq.histories(plant.stream()); !slices.Equal(got, want) {
			t.Errorf("the replica has %+v, want %+v", got, want)
		}
	})
}

// waitFor waits for a condition on a log.
func waitFor(t *testing.T, n *node, ok func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		changed := n.running.log.Changed()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("not reached: %+v", n.running.log.AllHeads())
		}
	}
}

func TestReaderOfAReplicaIsToldOfTheOriginsNewIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := mutual(t)
		plant.publish(30)
		hq.holds(plant, plant.stream())
		at := storage.Position{Incarnation: hq.histories(plant.stream())[0].Incarnation, Offset: 30}
		plant.loseDisk()
		plant.publish(1)
		hq.holds(plant, plant.stream())
		to, jump, err := hq.running.log.Resume(plant.stream(), at)
		if err != nil || jump == nil || jump.Kind != storage.JumpRecreated || to.Offset != 0 || to.Incarnation <= at.Incarnation {
			t.Errorf("a reader goes on at %+v by %+v, %v", to, jump, err)
		}
	})
}

func TestNewReplicaOfATrimmedStreamBeginsWhereTheStreamDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {}, "r": {"a"}})
		a, r := sites["a"], sites["r"]
		a.publish(100)
		r.holds(a, a.stream())
		if first, err := a.running.log.Trim(t.Context(), a.stream(), 0, 55); err != nil || first != 51 {
			t.Fatal(first, err)
		}
		b := w.add("b", mesh.Config{Peers: []string{a.address}, Subscriptions: everything}).start()
		waitFor(t, b, func() bool { head, err := b.running.log.Head(a.stream()); return err == nil && head.Offset == 100 })
		report, err := b.running.log.Verify(t.Context(), a.stream())
		if err != nil || report.Events != 50 || report.Signed != 100 {
			t.Errorf("from the origin: %+v, %v", report, err)
		}
		// Who follows a trimmed copy goes on where it was, and who holds less than it begins at is told so.
		c := w.add("c", mesh.Config{Peers: []string{meshtest.Address("b")}, Subscriptions: everything}).start()
		waitFor(t, c, func() bool { head, err := c.running.log.Head(a.stream()); return err == nil && head.Offset == 100 })
		late := w.add("late", mesh.Config{Peers: []string{r.address}, Subscriptions: everything}).start()
		waitFor(t, late, func() bool { head, err := late.running.log.Head(a.stream()); return err == nil && head.Offset == 100 })
		late.stop()
		a.publish(100)
		if _, err := a.running.log.Trim(t.Context(), a.stream(), 0, 150); err != nil {
			t.Fatal(err)
		}
		late.config.Peers = []string{a.address}
		late.start().stalled(a.stream(), "offset trimmed", "it holds 141 to 200", "plantmesh replicas remove")
	})
}

// Nothing new happens that would tell the new replica of the second history once it has the first.
func TestNewReplicaOfAQuietStreamGetsEveryIncarnation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := mutual(t)
		plant.publish(30)
		hq.holds(plant, plant.stream())
		plant.loseDisk()
		plant.publish(10)
		pass(time.Minute)
		late := plant.add("late", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything}).start()
		waitFor(t, late, func() bool {
			got, _ := late.running.log.Incarnations(plant.stream())
			return slices.Equal(got, plant.histories(plant.stream()))
		})
	})
}

// A backup was restored, and the site stops again before its peers have answered: nothing is written behind what they hold.
func TestOriginThatStopsBeforeItIsCompletedWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := mutual(t)
		plant.publish(50)
		backup := plant.disk.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
		plant.publish(50)
		hq.holds(plant, plant.stream())
		plant.stop()
		plant.disk = backup
		plant.fabric.Cut("plant-a", "hq", meshtest.Hang)
		plant.start()
		p, err := plant.running.log.Submit(storage.Write{Entries: []storage.Entry{{Stream: plant.stream(), Event: plant.event(0)}}})
		if err != nil {
			t.Fatal(err)
		}
		plant.stop()
		if receipts, err := p.Wait(t.Context()); !errors.Is(err, plantmesh.ErrShuttingDown) {
			t.Errorf("it was answered with %+v, %v", receipts, err)
		}
		plant.fabric.Heal("plant-a", "hq")
		plant.start().publish(10)
		hq.holds(plant, plant.stream())
		waitFor(t, plant, func() bool { // if the line took longer than the origin waits, what it lacks is filled in afterwards
			got := plant.histories(plant.stream())
			return len(got) == 2 && got[0].Offset == 100 && got[1].Offset == 10
		})
	})
}
