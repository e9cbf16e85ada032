package mesh_test

import (
	"context"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// bulkProduction has production as bulk: the catalog has it as standard.
func bulkProduction(s plantmesh.StreamName) catalogv1.Class {
	if s.Domain() == "production" {
		return catalogv1.Class_CLASS_BULK
	}
	return catalogv1.Class_CLASS_UNSPECIFIED
}

// publishBlocks records blocks that are nearly as large as blocks get.
func (n *node) publishBlocks(stream plantmesh.StreamName, count int) {
	n.Helper()
	for range count {
		var w storage.Write
		for range 45 {
			w.Entries = append(w.Entries, storage.Entry{Stream: stream, Event: n.event(20 << 10)})
		}
		if _, err := n.running.log.Append(n.Context(), w); err != nil {
			n.Fatal(err)
		}
	}
}

// stored is how large a stream is on disk.
func (n *node) stored(stream plantmesh.StreamName) int {
	for _, s := range n.running.log.Streams() {
		if s.Head.Stream == stream {
			return int(s.StoredBytes)
		}
	}
	return 0
}

// 10 MB of bulk backlog, and now and then an urgent event.
func TestUrgentEventsOvertakeABulkBacklogOnThinLines(t *testing.T) {
	for name, c := range map[string]struct {
		shape  meshtest.Shape
		blocks int
		every  time.Duration
	}{
		"50 kbit/s":                        {meshtest.Shape{BytesPerSecond: 50_000 / 8, Delay: 20 * time.Millisecond}, 14, 5 * time.Second},
		"50 kbit/s, 600 ms round trip":     {meshtest.Shape{BytesPerSecond: 50_000 / 8, Delay: 300 * time.Millisecond}, 14, 5 * time.Second},
		"1 Mbit/s, 200 ms round trip":      {meshtest.Shape{BytesPerSecond: 1_000_000 / 8, Delay: 100 * time.Millisecond}, 28, 200 * time.Millisecond},
		"half of it is urgent, 256 kbit/s": {meshtest.Shape{BytesPerSecond: 256_000 / 8, Delay: 50 * time.Millisecond}, 7, 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { overtake(t, c.shape, c.blocks, c.every) })
		})
	}
}

func overtake(t *testing.T, shape meshtest.Shape, blocks int, every time.Duration) {
	w := newWorld(t, meshtest.NewFabric())
	w.fabric.Shape("plant-a", "hq", shape)
	plant := w.add("plant-a", mesh.Config{ClassOf: bulkProduction}).start()
	plant.publishBlocks(plant.stream(), blocks)
	plant.publishTo(quality, 1, 0)
	hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything})
	var dials atomic.Int32
	dial := hq.config.Dial
	hq.config.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, address)
	}
	hq.start()
	hq.holdsWithin(plant, quality, time.Minute)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Hour)
	defer cancel()
	var latencies []time.Duration
	caughtUp := func() bool {
		head, _ := hq.running.log.Head(plant.stream())
		want, _ := plant.running.log.Head(plant.stream())
		return head.Offset == want.Offset
	}
	for i := 1; !caughtUp() && ctx.Err() == nil; i++ {
		published := time.Now()
		plant.publishTo(quality, 1, 0)
		if _, err := hq.running.log.WaitHead(ctx, quality, plantmesh.Offset(i)); err != nil {
			t.Fatal(err)
		}
		latencies = append(latencies, time.Since(published))
		pass(every/2 + time.Duration(i*7919%1000)*every/1000)
	}
	took := time.Since(began)
	hq.holdsWithin(plant, plant.stream(), time.Minute)
	slices.Sort(latencies)
	p99 := latencies[len(latencies)*99/100]
	ideal := time.Duration(plant.stored(plant.stream())+plant.stored(quality)) * time.Second / time.Duration(shape.BytesPerSecond)
	t.Logf("%d urgent events: p50 %s, p99 %s, max %s; %d bytes of bulk in %s, %s at least", len(latencies), latencies[len(latencies)/2], p99,
		latencies[len(latencies)-1], plant.stored(plant.stream()), took, ideal)
	if p99 > 5*time.Second || len(latencies) < 100 {
		t.Errorf("p99 of %d urgent events is %s", len(latencies), p99)
	}
	if took > ideal*3/2 {
		t.Errorf("the bulk took %s, the line needs %s for it", took, ideal)
	}
	if dials.Load() != 1 {
		t.Errorf("%d connections", dials.Load())
	}
}

func TestRelayKnowsTheClassThatTheOriginNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{ClassOf: bulkProduction}).start()
		plant.publish(5)
		relay := w.add("relay", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything}).start()
		relay.holds(plant, plant.stream())
		client := w.client(w.credentials(w.ca, siteID("hq")), "hq", relay.address)
		watch, err := client.WatchStreams(t.Context(), &peerv1.WatchStreamsRequest{Protocol: mesh.MaxProtocol})
		if err != nil {
			t.Fatal(err)
		}
		first, err := watch.Recv()
		if err != nil || len(first.GetHeads()) != 1 || first.GetHeads()[0].GetClass() != catalogv1.Class_CLASS_BULK {
			t.Errorf("%v, %v", first, err)
		}
	})
}

// What frames in parts and windows cost on a line without bounds but its length.
func TestWindowOpensOnALongFatLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		w.fabric.Shape("plant-a", "hq", meshtest.Shape{BytesPerSecond: 100 << 20, Delay: 100 * time.Millisecond})
		plant := w.add("plant-a", mesh.Config{ClassOf: bulkProduction}).start()
		plant.publishBlocks(plant.stream(), 60)
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything})
		hq.start()
		began := time.Now()
		hq.holdsWithin(plant, plant.stream(), time.Minute)
		took := time.Since(began)
		t.Logf("%d bytes in %s", plant.stored(plant.stream()), took)
		if took > 15*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
