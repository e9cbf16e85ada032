package demo

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// wire is the way from one site to another: a TCP proxy that can be cut, and is as thin as the lines of the two.
type wire struct {
	listener net.Listener
	target   string
	from, to *line
	done     sync.WaitGroup

	forth, back atomic.Int64 // bytes carried from and to who dialed

	mu    sync.Mutex // guards what follows
	cut   bool
	conns map[net.Conn]bool
}

// wireBuffer is how much is copied at once where no line is thin.
const wireBuffer = 32 << 10

func newWire(target string, from, to *line) (*wire, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{listener: listener, target: target, from: from, to: to, conns: map[net.Conn]bool{}}
	w.done.Go(w.accept)
	return w, nil
}

func (w *wire) address() string { return w.listener.Addr().String() }

func (w *wire) accept() {
	for {
		conn, err := w.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		w.done.Go(func() { w.carry(conn) })
	}
}

// carry copies both ways until one side closes or the wire is cut.
func (w *wire) carry(near net.Conn) {
	if !w.hold(near) {
		return
	}
	defer w.drop(near)
	far, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	if !w.hold(far) {
		return
	}
	defer w.drop(far)
	var back sync.WaitGroup
	back.Go(func() {
		w.paced(near, far, &w.to.up, &w.from.down, &w.back)
		_ = near.Close()
	})
	w.paced(far, near, &w.from.up, &w.to.down, &w.forth)
	_ = far.Close()
	back.Wait()
}

// paced copies until one side closes, at the pace of both lines.
func (w *wire) paced(dst io.Writer, src io.Reader, up, down *pace, carried *atomic.Int64) {
	buffer := make([]byte, wireBuffer)
	for {
		n, err := src.Read(buffer[:down.chunk(up.chunk(wireBuffer))])
		up.pass(n)
		down.pass(n)
		carried.Add(int64(n))
		if _, failed := dst.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

// hold keeps a connection for cutting; on a cut wire it closes it.
func (w *wire) hold(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		_ = c.Close()
		return false
	}
	w.conns[c] = true
	return true
}

func (w *wire) drop(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
	_ = c.Close()
}

// setCut cuts the wire, with all that runs over it, or mends it.
func (w *wire) setCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		for c := range w.conns {
			_ = c.Close()
		}
	}
}

func (w *wire) close() {
	_ = w.listener.Close()
	w.setCut(true)
	w.done.Wait()
}
