package mesh_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/mesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// gate forwards a loopback address to another, byte by byte, and can stop doing so without telling anybody.
type gate struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu    sync.Mutex // held while nothing passes
	conns []net.Conn
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: listener, to: to}
	g.running.Go(g.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		g.mu.Lock()
		for _, c := range g.conns {
			_ = c.Close()
		}
		g.mu.Unlock()
		g.running.Wait()
	})
	return g
}

func (g *gate) accept() {
	for {
		in, err := g.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", g.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		g.mu.Lock()
		g.conns = append(g.conns, in, out)
		g.mu.Unlock()
		g.running.Go(func() { splice(gated{out, g}, in) })
		g.running.Go(func() { splice(gated{in, g}, out) })
	}
}

// shut lets nothing through until the returned function is called, or the test ends.
func (g *gate) shut(t *testing.T) (open func()) {
	g.mu.Lock()
	open = sync.OnceFunc(g.mu.Unlock)
	t.Cleanup(open)
	return open
}

// gated waits before each write, and before it tells of an end, while nothing passes.
type gated struct {
	net.Conn
	gate *gate
}

func (c gated) Write(p []byte) (int, error) {
	c.gate.mu.Lock()
	c.gate.mu.Unlock() //nolint:staticcheck // waits for the gate
	return c.Conn.Write(p)
}

func (c gated) Close() error {
	c.gate.mu.Lock()
	c.gate.mu.Unlock() //nolint:staticcheck // waits for the gate
	return c.Conn.Close()
}

// On real sockets: a line that lets nothing through and tells nobody, while both ends go on recording.
func TestHalfOpenReverseConnectionOverLoopbackIsReplaced(t *testing.T) {
	w := newWorld(t, nil)
	quick := mesh.Timings{DialTimeout: 2 * time.Second, Heartbeat: 250 * time.Millisecond, Silence: time.Second, MaxBackoff: time.Second, RefusedRetry: time.Second}
	hq := w.add("hq", mesh.Config{Subscriptions: everything, Timings: quick}).start()
	g := newGate(t, hq.address)
	plant := w.add("plant-b", mesh.Config{Peers: []string{g.listener.Addr().String()}, Outbound: true, Subscriptions: everything, Timings: quick}).start()
	for range 2 {
		plant.publish(50)
		hq.publish(50)
		bothHold(plant, hq)
		open := g.shut(t)
		plant.publish(50)
		hq.publish(50)
		hq.is(reverseAccepted, adminv1.LinkState_LINK_STATE_WAITING, "connection silent")
		plant.is(reverseServed, backoff)
		open()
		bothHold(plant, hq)
	}
}
