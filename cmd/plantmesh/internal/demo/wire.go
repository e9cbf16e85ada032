package demo

import (
	"errors"
	"io"
	"net"
	"sync"
)

// wire is the line from one site to another: a TCP proxy that can be cut.
type wire struct {
	listener net.Listener
	target   string
	done     sync.WaitGroup

	mu    sync.Mutex // guards what follows
	cut   bool
	conns map[net.Conn]bool
}

func newWire(target string) (*wire, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{listener: listener, target: target, conns: map[net.Conn]bool{}}
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
		_, _ = io.Copy(near, far)
		_ = near.Close()
	})
	_, _ = io.Copy(far, near)
	_ = far.Close()
	back.Wait()
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
