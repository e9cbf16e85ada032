package mesh_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
)

// thinConn lets through so many bytes a second in the direction of its reader.
type thinConn struct {
	net.Conn
	bytesPerSecond int
	once           sync.Once
	closed         chan struct{} // with the connection: nobody waits for the line then
}

func newThinConn(conn net.Conn, bytesPerSecond int) *thinConn {
	return &thinConn{Conn: conn, bytesPerSecond: bytesPerSecond, closed: make(chan struct{})}
}

// carry takes the time that so many bytes take.
func (c *thinConn) carry(bytes int) {
	select {
	case <-time.After(time.Duration(bytes) * time.Second / time.Duration(c.bytesPerSecond)):
	case <-c.closed:
	}
}

func (c *thinConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), c.bytesPerSecond/10)])
	c.carry(n)
	return n, err
}

func (c *thinConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// A line of 50 kbit/s: control must not starve behind data, nor data wait for ever.
func TestBacklogDrainsOverAThinLineWithoutFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bytesPerSecond = 50_000 / 8
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		plant.publishTo(plant.stream(), 150, 20<<10) // 3 MB: some seven minutes
		plant.publishTo(quality, 5, 0)
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything})
		dial := hq.config.Dial
		var mu sync.Mutex
		dials := 0
		hq.config.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			dials++
			conn, err := dial(ctx, address)
			return newThinConn(conn, bytesPerSecond), err
		}
		hq.start()
		began := time.Now()
		hq.holdsWithin(plant, quality, time.Minute)
		hq.holdsWithin(plant, plant.stream(), 15*time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if dials != 1 {
			t.Errorf("it took %d connections and %s", dials, time.Since(began))
		}
	})
}

// seen is an Observer.
type seen struct {
	mu       sync.Mutex
	blocks   int
	received []time.Time
}

func (s *seen) Replicated(_ context.Context, _ plantmesh.StreamName, blocks [][]byte, received time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks += len(blocks)
	s.received = append(s.received, received)
}

func TestObserverSeesEveryBlockOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		plant.publish(50)
		s := &seen{}
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything})
		hq.observe = s
		hq.start().holds(plant, plant.stream())
		pass(time.Second)
		plant.publish(1)
		hq.holds(plant, plant.stream())
		hq.stop()
		if s.blocks != 6 {
			t.Errorf("%d blocks", s.blocks)
		}
		if last := s.received[len(s.received)-1]; time.Since(last) > time.Millisecond {
			t.Errorf("received %s ago", time.Since(last))
		}
	})
}
