package main

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"
)

// proxy is a line of some round-trip time to an address. It has no limit but what is under way.
type proxy struct {
	listener net.Listener
	target   string
	delay    time.Duration // one way

	mu    sync.Mutex
	conns []net.Conn
}

// chunksUnderWay bounds the memory of one direction: times 64 KiB. Nothing near it is ever under way.
const chunksUnderWay = 4096

func newProxy(target string, roundTrip time.Duration) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // does not wait
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, target: target, delay: roundTrip / 2}
	go p.accept()
	return p, nil
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target) //nolint:noctx // loopback
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, near, far)
		p.mu.Unlock()
		go p.carry(near, far)
		go p.carry(far, near)
	}
}

type chunk struct {
	due   time.Time
	bytes []byte
}

// carry hands bytes on when they have been under way for long enough.
func (p *proxy) carry(from, to net.Conn) {
	line := make(chan chunk, chunksUnderWay)
	go func() {
		defer close(line)
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				line <- chunk{time.Now().Add(p.delay), bytes.Clone(buffer[:n])}
			}
			if err != nil {
				return
			}
		}
	}()
	broken := false
	for c := range line {
		if broken {
			continue
		}
		<-time.After(time.Until(c.due))
		_, err := to.Write(c.bytes)
		broken = err != nil
	}
	_ = to.Close()
}

// pause waits for a time, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
