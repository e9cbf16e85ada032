package meshtest

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// flowBytes is how much is under way in one direction before a writer waits.
const flowBytes = 256 << 10

// flow is one direction of a connection.
type flow struct {
	mu     sync.Mutex
	bytes  []byte
	way    way           // how long they are under way
	noise  *noise        // what it does to them
	held   bool          // nothing is let through
	eof    bool          // the writer closed
	gone   bool          // the reader closed
	err    error         // the connection failed
	change chan struct{} // closed at the next change of any of these
}

func newFlow(s Shape, n *noise) *flow {
	return &flow{change: make(chan struct{}), way: way{shape: s}, noise: n}
}

// changed wakes both ends. Callers hold mu.
func (f *flow) changed() {
	close(f.change)
	f.change = make(chan struct{})
}

func (f *flow) hold(held bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = held
	f.changed()
}

func (f *flow) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	f.bytes = nil
	f.changed()
}

func (f *flow) closeWrite() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.eof = true
	f.changed()
}

// closeRead drops what is under way. The writer learns of it with its next write, once the line lets it.
func (f *flow) closeRead() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone, f.bytes = true, nil
	f.changed()
}

// tick wakes both ends because time has passed.
func (f *flow) tick() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed()
}

// take moves bytes out. If there is nothing to do yet, it returns what to wait for.
func (f *flow) take(p []byte) (n int, wait <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case f.held || len(f.bytes) == 0 && !f.eof:
		return 0, f.change, nil
	case len(f.bytes) == 0:
		return 0, nil, io.EOF
	}
	ready, due := f.way.arrived(len(f.bytes))
	if ready == 0 {
		time.AfterFunc(due, f.tick)
		return 0, f.change, nil
	}
	n = copy(p, f.bytes[:ready])
	f.noise.damage(p[:n])
	f.way.took(n)
	f.bytes = f.bytes[n:]
	f.changed()
	return n, nil, nil
}

// give moves bytes in as far as there is room.
func (f *flow) give(p []byte) (n int, wait <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.err != nil:
		return 0, nil, f.err
	case f.gone && !f.held:
		return 0, nil, syscall.EPIPE
	}
	n = min(len(p), f.way.capacity()-len(f.bytes))
	if n <= 0 {
		return 0, f.change, nil
	}
	f.bytes = append(f.bytes, p[:n]...)
	f.way.enter(n)
	f.changed()
	return n, nil, nil
}

// conn is one end of a connection.
type conn struct {
	in, out       *flow
	local, remote addr
	forget        func(*conn)

	once          sync.Once
	closed        chan struct{}
	read, written deadline
}

func newConn(in, out *flow, local, remote addr, forget func(*conn)) *conn {
	return &conn{in: in, out: out, local: local, remote: remote, forget: forget, closed: make(chan struct{})}
}

// hold stops both directions, or lets them go on.
func (c *conn) hold(held bool) {
	c.in.hold(held)
	c.out.hold(held)
}

// fail ends both directions.
func (c *conn) fail(err error) {
	c.in.fail(err)
	c.out.fail(err)
	_ = c.Close()
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		if err := c.check("read", &c.read); err != nil {
			return 0, err
		}
		n, wait, err := c.in.take(p)
		if errors.Is(err, io.EOF) {
			return 0, err
		}
		if err != nil {
			return 0, c.opError("read", err)
		}
		if wait == nil || len(p) == 0 {
			return n, nil
		}
		c.wait(wait, &c.read)
	}
}

func (c *conn) Write(p []byte) (int, error) {
	done := 0
	for {
		if err := c.check("write", &c.written); err != nil {
			return done, err
		}
		n, wait, err := c.out.give(p[done:])
		if done += n; err != nil {
			return done, c.opError("write", err)
		}
		if done == len(p) {
			return done, nil
		}
		if wait != nil {
			c.wait(wait, &c.written)
		}
	}
}

// check finds what forbids an operation on this end.
func (c *conn) check(op string, d *deadline) error {
	select {
	case <-c.closed:
		return c.opError(op, net.ErrClosed)
	default:
	}
	select {
	case <-d.passed():
		return c.opError(op, os.ErrDeadlineExceeded)
	default:
		return nil
	}
}

func (c *conn) wait(change <-chan struct{}, d *deadline) {
	select {
	case <-change:
	case <-c.closed:
	case <-d.passed():
	case <-d.moved():
	}
}

func (c *conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "fabric", Source: c.local, Addr: c.remote, Err: err}
}

// Close lets the other side read what is under way, and refuses what it writes.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.out.closeWrite()
		c.in.closeRead()
		c.read.set(time.Time{})
		c.written.set(time.Time{})
		c.forget(c)
	})
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.written.set(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.written.set(t)
	return nil
}
