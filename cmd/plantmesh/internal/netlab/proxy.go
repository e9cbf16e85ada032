package netlab

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	// chunkBytes is what a proxy takes at a time.
	chunkBytes = 16 << 10
	// chunksUnderWay bounds what is on a delayed line, per direction.
	chunksUnderWay = 1024
)

// Conditions are what a proxied line does to the bytes on it.
type Conditions struct {
	Delay  time.Duration // of each direction
	Jitter time.Duration // at most this on top; bytes keep their order
	Held   bool          // nothing gets through, and nothing is lost: it waits

	// LoseForth and LoseBack drop what the dialing side sends, or what it is sent. TCP cannot get over that, so a connection
	// that has lost something in a direction stays mute in it; its end is not told either.
	LoseForth, LoseBack bool
	// Mute takes new connections and never says a word.
	Mute bool
}

// Proxy is a line of TCP connections whose conditions a test sets. It is made with StartProxy and safe for concurrent use.
type Proxy struct {
	listener net.Listener
	dial     func(context.Context) (net.Conn, error)
	ctx      context.Context //nolint:containedctx // the proxy's life
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	now     Conditions
	changed chan struct{} // closed at the next Set
	taken   int
}

// StartProxy takes connections from a listener and makes one of its own for each. It owns the listener.
func StartProxy(listener net.Listener, dial func(context.Context) (net.Conn, error)) *Proxy {
	ctx, stop := context.WithCancel(context.Background())
	p := &Proxy{listener: listener, dial: dial, ctx: ctx, stop: stop, changed: make(chan struct{})}
	p.running.Go(p.accept)
	return p
}

// Address is where it listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Set changes the conditions, for connections that are there as well.
func (p *Proxy) Set(c Conditions) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = c
	close(p.changed)
	p.changed = make(chan struct{})
}

// Taken counts the connections so far.
func (p *Proxy) Taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// Close ends all connections and waits for what runs.
func (p *Proxy) Close() {
	p.stop()
	_ = p.listener.Close()
	p.running.Wait()
}

func (p *Proxy) conditions() (Conditions, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now, p.changed
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.taken++
		mute := p.now.Mute
		p.mu.Unlock()
		p.running.Go(func() { p.carry(near, mute) })
	}
}

// carry is the life of one connection.
func (p *Proxy) carry(near net.Conn, mute bool) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	defer func() { _ = near.Close() }()
	if mute {
		_, _ = io.Copy(io.Discard, &interruptible{Conn: near, ctx: ctx})
		return
	}
	far, err := p.dial(ctx)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	stop := context.AfterFunc(ctx, func() {
		_ = near.Close()
		_ = far.Close()
	})
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { p.pump(ctx, cancel, near, far, func(c Conditions) bool { return c.LoseForth }) })
	both.Go(func() { p.pump(ctx, cancel, far, near, func(c Conditions) bool { return c.LoseBack }) })
	both.Wait()
}

// interruptible closes a connection when ctx ends, so that a read of it does.
type interruptible struct {
	net.Conn
	ctx  context.Context //nolint:containedctx // of the one read that goes on until the end
	once sync.Once
}

func (i *interruptible) Read(b []byte) (int, error) {
	i.once.Do(func() { context.AfterFunc(i.ctx, func() { _ = i.Close() }) })
	return i.Conn.Read(b)
}

// chunk is what was read at a time; at its end, nothing and why.
type chunk struct {
	data []byte
	due  time.Time
}

// pump carries one direction. A failure of either end is one of the connection; an orderly end is carried on.
func (p *Proxy) pump(ctx context.Context, cancel context.CancelFunc, from, to net.Conn, lost func(Conditions) bool) {
	chunks := make(chan chunk, chunksUnderWay)
	var reading sync.WaitGroup
	defer reading.Wait()
	reading.Go(func() {
		defer close(chunks)
		for due := time.Now(); ; {
			data := make([]byte, chunkBytes)
			n, err := from.Read(data)
			now, _ := p.conditions()
			late := now.Delay
			if now.Jitter > 0 {
				late += rand.N(now.Jitter)
			}
			if at := time.Now().Add(late); at.After(due) {
				due = at
			}
			if n > 0 {
				select {
				case chunks <- chunk{data[:n], due}:
				case <-ctx.Done():
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				cancel()
				return
			}
		}
	})
	mute := false
	for c := range chunks {
		if !p.release(ctx, c.due) {
			continue
		}
		if now, _ := p.conditions(); mute || lost(now) {
			mute = true
			continue
		}
		if _, err := to.Write(c.data); err != nil {
			cancel()
		}
	}
	if now, _ := p.conditions(); mute || lost(now) {
		<-ctx.Done() // nobody is told
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// release waits until a chunk is due and the line is not held. It is false when ctx ended.
func (p *Proxy) release(ctx context.Context, due time.Time) bool {
	if wait := time.Until(due); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	for {
		now, changed := p.conditions()
		if !now.Held {
			return ctx.Err() == nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
