package meshtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/nettest"

	"github.com/plantmesh/plantmesh/mesh/meshtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial connects a to b.
func dial(t *testing.T, f *meshtest.Fabric) (near, far net.Conn, listener net.Listener) {
	t.Helper()
	listener, err := f.Listen("b")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- conn
	}()
	near, err = f.Dialer("a")(t.Context(), meshtest.Address("b"))
	if err != nil {
		t.Fatal(err)
	}
	far = <-accepted
	t.Cleanup(func() {
		_ = near.Close()
		_ = far.Close()
		_ = listener.Close()
	})
	return near, far, listener
}

func TestConnectionsBehaveAsConnectionsDo(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		near, far, listener := dial(t, meshtest.NewFabric())
		return near, far, func() { _ = errors.Join(near.Close(), far.Close(), listener.Close()) }, nil
	})
}

func TestBrokenLineResetsAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := meshtest.NewFabric()
		near, far, _ := dial(t, f)
		f.Cut("b", "a", meshtest.Break)
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read: %v", err)
		}
		if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write: %v", err)
		}
		if _, err := f.Dialer("a")(t.Context(), meshtest.Address("b")); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("dial: %v", err)
		}
		if _, err := f.Dialer("c")(t.Context(), meshtest.Address("nobody")); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial nobody: %v", err)
		}
	})
}

func TestHangingLineTellsNobodyAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := meshtest.NewFabric()
		near, far, _ := dial(t, f)
		f.Cut("a", "b", meshtest.Hang)
		if _, err := near.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_ = far.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := f.Dialer("a")(ctx, meshtest.Address("b")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial: %v", err)
		}
		_ = near.Close() // which the other side cannot know
		if _, err := far.Write([]byte("anybody?")); err != nil {
			t.Errorf("write: %v", err)
		}
		f.Heal("a", "b")
		_ = far.SetReadDeadline(time.Time{})
		if got, err := io.ReadAll(far); err != nil || !bytes.Equal(got, []byte("hello")) {
			t.Errorf("after healing: %q, %v", got, err)
		}
		if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to nobody: %v", err)
		}
	})
}

func TestOnlyTheLineThatIsCutIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := meshtest.NewFabric()
		near, far, _ := dial(t, f)
		f.Cut("a", "c", meshtest.Break)
		f.Heal("a", "c")
		f.Heal("a", "c")
		if _, err := near.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if _, err := far.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
		if _, err := f.Listen("b"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("second listener: %v", err)
		}
	})
}

func TestFirewallLetsConnectionsThroughOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := meshtest.NewFabric()
		near, far, _ := dial(t, f)
		f.Firewall("b", meshtest.Break)
		if _, err := f.Dialer("a")(t.Context(), meshtest.Address("b")); !errors.Is(err, syscall.EHOSTUNREACH) {
			t.Errorf("dial: %v", err)
		}
		if _, err := far.Write([]byte("x")); err != nil {
			t.Errorf("a connection that stands: %v", err)
		}
		if _, err := near.Read(make([]byte, 1)); err != nil {
			t.Errorf("a connection that stands: %v", err)
		}
		f.Firewall("b", meshtest.Hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := f.Dialer("a")(ctx, meshtest.Address("b")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial: %v", err)
		}
		listener, err := f.Listen("a")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }()
		go func() {
			if conn, err := listener.Accept(); err == nil {
				_ = conn.Close()
			}
		}()
		out, err := f.Dialer("b")(t.Context(), meshtest.Address("a"))
		if err != nil {
			t.Fatalf("from behind the firewall: %v", err)
		}
		_ = out.Close()
		f.Open("b")
	})
}

func TestCorruptLineChangesBytesUntilItIsMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := meshtest.NewFabric()
		near, far, _ := dial(t, f)
		differs := func() (n int) {
			sent, got := bytes.Repeat([]byte{7}, 10_000), make([]byte, 10_000)
			go func() {
				if _, err := near.Write(sent); err != nil {
					t.Error(err)
				}
			}()
			if _, err := io.ReadFull(far, got); err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if got[i] != sent[i] {
					n++
				}
			}
			return n
		}
		if n := differs(); n != 0 {
			t.Errorf("a sound line changed %d bytes", n)
		}
		f.Corrupt("b", "a", 1000)
		if n := differs(); n < 3 || n > 40 {
			t.Errorf("it changed %d bytes of 10,000, one in 1000 is due", n)
		}
		f.Corrupt("a", "b", 0)
		if n := differs(); n != 0 {
			t.Errorf("a mended line changed %d bytes", n)
		}
	})
}
