package meshtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/plantmesh/plantmesh"
)

// Mode is what happens to a line that is cut.
type Mode int

const (
	// Break resets connections and refuses new ones at once, as when a router knows that the line is down.
	Break Mode = iota
	// Hang lets nothing through and tells nobody, as when packets vanish. Connections resume when the line heals.
	Hang
)

// Fabric is a network in memory that connects sites pair by pair. Safe for concurrent use.
type Fabric struct {
	mu        sync.Mutex
	listeners map[string]*listener
	lines     map[pair]*line
	firewalls map[plantmesh.SiteID]firewall
}

// firewall is what stands before a site that others dial.
type firewall struct {
	mode  Mode
	lifts chan struct{} // closed when it is gone
}

// pair is two sites in either order.
type pair struct{ a, b plantmesh.SiteID }

func pairOf(a, b plantmesh.SiteID) pair {
	if b < a {
		a, b = b, a
	}
	return pair{a, b}
}

// line is what is between two sites, guarded by Fabric.mu.
type line struct {
	cut   bool
	mode  Mode
	mends chan struct{} // closed when the line heals; not nil while it is cut
	conns map[*conn]struct{}
	shape Shape
	noise noise
}

// NewFabric makes a network without sites.
func NewFabric() *Fabric {
	return &Fabric{listeners: map[string]*listener{}, lines: map[pair]*line{}, firewalls: map[plantmesh.SiteID]firewall{}}
}

// Address is where a site can be reached: <site>:7443.
func Address(site plantmesh.SiteID) string { return string(site) + ":7443" }

// Listen opens a site's address.
func (f *Fabric) Listen(site plantmesh.SiteID) (net.Listener, error) {
	return f.ListenAt(site, Address(site))
}

// ListenAt opens another address of a site.
func (f *Fabric) ListenAt(site plantmesh.SiteID, address string) (net.Listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, taken := f.listeners[address]; taken {
		return nil, &net.OpError{Op: "listen", Net: "fabric", Addr: addr(address), Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	l := &listener{fabric: f, site: site, address: address, incoming: make(chan *conn), closed: make(chan struct{})}
	f.listeners[address] = l
	return l, nil
}

// Dialer is the Dial function of a site.
func (f *Fabric) Dialer(from plantmesh.SiteID) func(ctx context.Context, address string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		c, err := f.dial(ctx, from, address)
		if err != nil {
			return nil, &net.OpError{Op: "dial", Net: "fabric", Addr: addr(address), Err: err}
		}
		return c, nil
	}
}

func (f *Fabric) dial(ctx context.Context, from plantmesh.SiteID, address string) (net.Conn, error) {
	for {
		l, mends, err := f.route(from, address)
		if err != nil {
			return nil, err
		}
		if mends == nil {
			return f.open(ctx, from, l)
		}
		select {
		case <-mends:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// route finds the listener behind an address, or what to wait for while the line hangs.
func (f *Fabric) route(from plantmesh.SiteID, address string) (*listener, <-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.listeners[address]
	if l == nil {
		return nil, nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	switch between := f.line(pairOf(from, l.site)); {
	case between.cut && between.mode == Break:
		return nil, nil, os.NewSyscallError("connect", syscall.ENETUNREACH)
	case between.cut:
		return nil, between.mends, nil
	}
	if wall, ok := f.firewalls[l.site]; ok && from != l.site {
		if wall.mode == Break {
			return nil, nil, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
		}
		return nil, wall.lifts, nil
	}
	return l, nil, nil
}

// open makes a connection and waits until it is accepted.
func (f *Fabric) open(ctx context.Context, from plantmesh.SiteID, l *listener) (net.Conn, error) {
	near, far := f.connect(pairOf(from, l.site), addr(Address(from)), addr(l.address))
	select {
	case l.incoming <- far:
		return near, nil
	case <-l.closed:
		near.fail(syscall.ECONNREFUSED)
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case <-ctx.Done():
		near.fail(syscall.ECONNABORTED)
		return nil, ctx.Err()
	}
}

// connect makes the two ends of a connection over a line.
func (f *Fabric) connect(between pair, from, to addr) (near, far *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.line(between)
	out, in := newFlow(l.shape, &l.noise), newFlow(l.shape, &l.noise)
	forget := func(c *conn) {
		f.mu.Lock()
		delete(l.conns, c)
		f.mu.Unlock()
	}
	near = newConn(in, out, from, to, forget)
	far = newConn(out, in, to, from, forget)
	for _, c := range []*conn{near, far} {
		l.conns[c] = struct{}{}
		if l.cut {
			c.hold(true)
		}
	}
	return near, far
}

// line returns what is between two sites. Callers hold mu.
func (f *Fabric) line(between pair) *line {
	l, ok := f.lines[between]
	if !ok {
		l = &line{conns: map[*conn]struct{}{}}
		f.lines[between] = l
	}
	return l
}

// Cut cuts the line between two sites until Heal.
func (f *Fabric) Cut(a, b plantmesh.SiteID, mode Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.line(pairOf(a, b))
	if !l.cut {
		l.mends = make(chan struct{})
	}
	l.cut, l.mode = true, mode
	for c := range l.conns {
		if mode == Break {
			c.in.fail(syscall.ECONNRESET)
			c.out.fail(syscall.ECONNRESET)
		} else {
			c.hold(true)
		}
	}
}

// Heal mends it.
func (f *Fabric) Heal(a, b plantmesh.SiteID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.line(pairOf(a, b))
	if !l.cut {
		return
	}
	l.cut = false
	close(l.mends)
	for c := range l.conns {
		c.hold(false)
	}
}

// Firewall lets nobody dial a site any more, who is refused at once (Break) or hears nothing (Hang). What the site dials
// goes on to work in both directions, and so do connections that stand.
func (f *Fabric) Firewall(site plantmesh.SiteID, mode Mode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lifts := make(chan struct{})
	if before, ok := f.firewalls[site]; ok {
		lifts = before.lifts
	}
	f.firewalls[site] = firewall{mode: mode, lifts: lifts}
}

// Open takes the firewall away.
func (f *Fabric) Open(site plantmesh.SiteID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if wall, ok := f.firewalls[site]; ok {
		close(wall.lifts)
		delete(f.firewalls, site)
	}
}

// addr is an address in the fabric.
type addr string

func (addr) Network() string  { return "fabric" }
func (a addr) String() string { return string(a) }

// listener is a site's open address.
type listener struct {
	fabric   *Fabric
	site     plantmesh.SiteID
	address  string
	incoming chan *conn
	once     sync.Once
	closed   chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, fmt.Errorf("accept at %s: %w", l.address, net.ErrClosed)
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.fabric.mu.Lock()
		delete(l.fabric.listeners, l.address)
		l.fabric.mu.Unlock()
	})
	return nil
}

func (l *listener) Addr() net.Addr { return addr(l.address) }
