package plantmesh_test

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
)

// deaf is a connection that stops taking anything, and says nothing of it to who reads.
type deaf struct {
	net.Conn
	broken *atomic.Bool
}

func (d *deaf) Write(p []byte) (int, error) {
	if d.broken.Load() {
		return 0, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	return d.Conn.Write(p)
}

// gRPC reads on after a write has failed, and begins calls on such a connection again and again, without a pause.
func TestConnectionThatTakesNothingMoreIsReplaced(t *testing.T) {
	p, _ := startPlant(t)
	var broken atomic.Bool
	client, err := plantmesh.Dial(p.cfg.Listen, p.mes, plantmesh.WithDialer(func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := p.dial(ctx, address)
		if err != nil || broken.Load() {
			return conn, err
		}
		return &deaf{conn, &broken}, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second) // keepalive takes longer
	defer cancel()
	if _, err := client.Publish(ctx, event(t, 1)); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	if _, err := client.Publish(ctx, event(t, 2)); err != nil {
		t.Error(err)
	}
}
