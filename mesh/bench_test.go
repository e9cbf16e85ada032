package mesh_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/storage"
)

// BenchmarkBacklog replicates a backlog of events of 1 KiB that hardly compress, over loopback TCP and TLS, from disk to
// disk: each side has a log of its own there.
func BenchmarkBacklog(b *testing.B) {
	const events, perBlock = 50_000, 250
	w := newWorld(b, nil)
	plant := w.add("plant-a", mesh.Config{})
	plant.disk, plant.dir = vfs.Default, b.TempDir()
	plant.start()
	for range events / perBlock {
		write := storage.Write{}
		for range perBlock {
			write.Entries = append(write.Entries, storage.Entry{Stream: plant.stream(), Event: plant.event(1024)})
		}
		if _, err := plant.running.log.Append(b.Context(), write); err != nil {
			b.Fatal(err)
		}
	}
	bytes := plant.running.log.Streams()[0].StoredBytes
	b.SetBytes(int64(bytes))
	for b.Loop() {
		b.StopTimer()
		hq := w.add(plantmesh.SiteID("hq"), mesh.Config{Peers: []string{plant.address}, Subscriptions: everything})
		hq.disk, hq.dir = vfs.Default, b.TempDir()
		b.StartTimer()
		hq.start()
		if _, err := hq.running.log.WaitHead(b.Context(), plant.stream(), events-1); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		hq.stop()
		b.StartTimer()
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkUrgentOverThinLine measures, in real time and through real sockets with all that the kernel buffers, how long an
// urgent event takes over a line of 50 kbit/s that a bulk backlog fills.
func BenchmarkUrgentOverThinLine(b *testing.B) {
	w := newWorld(b, nil)
	plant := w.add("plant-a", mesh.Config{ClassOf: bulkProduction}).start()
	plant.publishBlocks(plant.stream(), 14)
	plant.publishTo(quality, 1, 0)
	hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything})
	hq.config.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		return newThinConn(conn, 50_000/8), err
	}
	hq.start()
	if _, err := hq.running.log.WaitHead(b.Context(), quality, 0); err != nil {
		b.Fatal(err)
	}
	var worst time.Duration
	offset := plantmesh.Offset(1)
	for b.Loop() {
		b.StopTimer()
		pass(time.Duration(offset%7) * 300 * time.Millisecond)
		b.StartTimer()
		published := time.Now()
		plant.publishTo(quality, 1, 0)
		if _, err := hq.running.log.WaitHead(b.Context(), quality, offset); err != nil {
			b.Fatal(err)
		}
		offset++
		worst = max(worst, time.Since(published))
	}
	b.ReportMetric(worst.Seconds(), "s/worst")
	if head, _ := hq.running.log.Head(plant.stream()); head.Offset == plant.running.log.Streams()[0].Head.Offset {
		b.Error("the backlog was gone before the end")
	}
}

// BenchmarkReport measures how long after an event is durable at its origin the origin knows that it is durable at a
// subscriber too: half of what min_copies: 2 would cost.
func BenchmarkReport(b *testing.B) {
	w := newWorld(b, nil)
	plant := w.add("plant-a", mesh.Config{})
	plant.disk, plant.dir = vfs.Default, b.TempDir()
	plant.start().publish(1)
	hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything})
	hq.disk, hq.dir = vfs.Default, b.TempDir()
	hq.start()
	known := func(offset plantmesh.Offset) bool {
		f := plant.running.mesh.Status().Followers
		return len(f) == 1 && f[0].DurableOffset >= offset
	}
	for !known(1) {
		<-time.After(time.Millisecond)
	}
	offset := plantmesh.Offset(1)
	var waited time.Duration
	for b.Loop() {
		plant.publish(1)
		began := time.Now()
		for offset++; !known(offset); {
			<-time.After(10 * time.Microsecond)
		}
		waited += time.Since(began)
	}
	b.ReportMetric(float64(waited.Microseconds())/float64(b.N), "µs/report")
}
