package netlab_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/cmd/plantmesh/internal/netlab"
)

// ends are both ends of one connection through a proxy.
func ends(t *testing.T) (proxy *netlab.Proxy, near, far net.Conn) {
	t.Helper()
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	target := listen()
	t.Cleanup(func() { _ = target.Close() })
	proxy = netlab.StartProxy(listen(), func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", target.Addr().String())
	})
	t.Cleanup(proxy.Close)
	near, err := net.Dial("tcp", proxy.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	if far, err = target.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	return proxy, near, far
}

func send(t *testing.T, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Fatal(err)
	}
}

// arrives reads as many bytes as the text has.
func arrives(t *testing.T, at net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(at, got); err != nil || string(got) != text {
		t.Fatalf("%q, %v; want %q", got, err, text)
	}
}

// silent holds when a read ends with its deadline. A byte that comes later than that is missed, never invented.
func silent(t *testing.T, at net.Conn) {
	t.Helper()
	_ = at.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := at.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Fatalf("it has %d bytes, %v", n, err)
	}
	_ = at.SetReadDeadline(time.Time{})
}

func TestProxyCarriesBothWaysAndTheEnd(t *testing.T) {
	_, near, far := ends(t)
	send(t, near, "forth")
	arrives(t, far, "forth")
	_ = near.(*net.TCPConn).CloseWrite()
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("%v", err)
	}
	send(t, far, "back")
	arrives(t, near, "back")
}

func TestProxyKeepsTheOrderOfWhatItDelays(t *testing.T) {
	proxy, near, far := ends(t)
	proxy.Set(netlab.Conditions{Delay: time.Millisecond, Jitter: 5 * time.Millisecond})
	for range 20 {
		send(t, near, "0123456789")
	}
	for range 20 {
		arrives(t, far, "0123456789")
	}
}

func TestProxyHoldsAndLetsGo(t *testing.T) {
	proxy, near, far := ends(t)
	proxy.Set(netlab.Conditions{Held: true})
	send(t, near, "held")
	silent(t, far)
	proxy.Set(netlab.Conditions{})
	arrives(t, far, "held")
}

func TestProxyLosesOneDirectionForGood(t *testing.T) {
	proxy, near, far := ends(t)
	proxy.Set(netlab.Conditions{LoseForth: true})
	send(t, near, "lost")
	send(t, far, "back")
	arrives(t, near, "back")
	silent(t, far)
	proxy.Set(netlab.Conditions{})
	send(t, near, "more")
	_ = near.Close()
	silent(t, far) // not even the end
}

func TestProxyTakesConnectionsAndStaysMute(t *testing.T) {
	proxy, _, _ := ends(t)
	proxy.Set(netlab.Conditions{Mute: true})
	conn, err := net.Dial("tcp", proxy.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	send(t, conn, "hello")
	silent(t, conn)
	if proxy.Taken() != 2 {
		t.Errorf("%d connections", proxy.Taken())
	}
}
