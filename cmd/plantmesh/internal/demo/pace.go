package demo

import (
	"sync"
	"time"
)

// line is how a site is connected: what all its wires share, one way and the other.
type line struct{ up, down pace }

// setRate makes the line as thin as so many bits per second each way; 0: as fast as the machine.
func (l *line) setRate(bits int) {
	l.up.setRate(bits)
	l.down.setRate(bits)
}

// pace lets bytes pass at a rate, those of all connections one after the other. The zero value has no limit. It is safe for
// concurrent use.
type pace struct {
	mu    sync.Mutex // guards what follows
	bytes int        // per second; 0: any number
	free  time.Time  // when the line has carried what it was given
}

// chunkBytes is how much of a connection may be on a thin line before another one has its turn.
const chunkBytes = 512

func (p *pace) setRate(bits int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes, p.free = bits/8, time.Time{}
}

// chunk is how many bytes to pass at once, at most most.
func (p *pace) chunk(most int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes > 0 {
		return min(most, chunkBytes)
	}
	return most
}

// pass returns when the line has carried n more bytes.
func (p *pace) pass(n int) {
	if wait := p.give(n, time.Now()); wait > 0 {
		<-time.After(wait)
	}
}

// give puts n bytes on the line at a time, and returns how long it takes until they are over.
func (p *pace) give(n int, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes == 0 {
		return 0
	}
	if p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(n) * time.Second / time.Duration(p.bytes))
	return p.free.Sub(now)
}
