package demo

import (
	"io"
	"net"
	"testing"
	"time"
)

func TestWireCarriesUntilItIsCutAndAgainWhenMended(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() { // an echo
		for {
			conn, err := target.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn); _ = conn.Close() }()
		}
	}()
	w, err := newWire(target.Addr().String(), new(line), new(line))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	conn := dialWire(t, w)
	if !echoes(conn) {
		t.Error("the wire does not carry")
	}
	w.setCut(true)
	if echoes(conn) {
		t.Error("a connection survives the cut")
	}
	if echoes(dialWire(t, w)) {
		t.Error("a cut wire carries")
	}
	w.setCut(false)
	if !echoes(dialWire(t, w)) {
		t.Error("a mended wire does not carry")
	}
}

func dialWire(t *testing.T, w *wire) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", w.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func echoes(conn net.Conn) bool {
	if _, err := conn.Write([]byte("ping")); err != nil {
		return false
	}
	var back [4]byte
	_, err := io.ReadFull(conn, back[:])
	return err == nil && string(back[:]) == "ping"
}

// Whoever sends, all connections of a line share its rate.
func TestLineCarriesAsMuchAsItsRateAndOneAfterTheOther(t *testing.T) {
	var l line
	now := time.Unix(0, 0)
	if wait := l.up.give(1<<20, now); wait != 0 {
		t.Errorf("a line without a limit takes %s", wait)
	}
	l.setRate(50_000)
	for i, want := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond} {
		if wait := l.up.give(625, now); wait != want {
			t.Errorf("chunk %d takes %s, want %s", i, wait, want)
		}
	}
	if wait := l.down.give(625, now); wait != 100*time.Millisecond {
		t.Errorf("the other way takes %s", wait)
	}
	if wait := l.up.give(625, now.Add(time.Minute)); wait != 100*time.Millisecond {
		t.Errorf("a line that was idle takes %s", wait)
	}
}
