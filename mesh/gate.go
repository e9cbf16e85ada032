package mesh

import (
	"fmt"
	"time"

	"github.com/plantmesh/plantmesh"
)

// gate tells whether a stream comes now by the subscriptions that ask for it, and when to ask again; zero: never.
func (m *Mesh) gate(s plantmesh.StreamName, now time.Time) (open bool, change time.Time) {
	for _, sub := range m.Subscriptions() {
		if !sub.Matches(s) {
			continue
		}
		if sub.Schedule == nil {
			return true, time.Time{}
		}
		until, ok := sub.Schedule.opened(now, m.pullers.since())
		if !ok {
			until = sub.Schedule.Next(now)
		}
		switch {
		case ok && !open, ok == open && (change.IsZero() || ok == until.After(change)):
			open, change = ok, until
		}
	}
	return open, change
}

// allowance is what of a stream may come now.
type allowance struct {
	open   bool
	change time.Time        // when the window closes or opens; zero: never
	limit  plantmesh.Offset // outside of a window: up to the last exception; 0: nothing
}

// allowed tells what of a choice may be pulled. What comes before an exception comes with it, older incarnations included.
func (p *puller) allowed(c choice) allowance {
	if p.name.Origin() == p.mesh.self.Site {
		return allowance{open: true}
	}
	var a allowance
	if a.open, a.change = p.mesh.gate(p.name, time.Now()); a.open {
		return a
	}
	held, _ := p.mesh.log.Incarnations(p.name) // none, if the stream is not known here
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, o := range c.source.heads {
		due := min(o.exception, o.offset)
		switch {
		case due <= heldOf(held, i):
		case i == c.incarnation:
			a.limit = max(a.limit, due)
		case i > c.incarnation && c.ahead:
			a.limit = max(a.limit, c.source.heads[c.incarnation].offset)
		}
	}
	return a
}

// closedReason is what an operator reads of a stream outside of its window.
func closedReason(opens time.Time) string {
	if opens.IsZero() {
		return "outside of its window"
	}
	return fmt.Sprintf("outside of its window, which opens at %s; exceptions come at once", opens.Format(time.RFC3339))
}

// exceptions are the last ones of other sites' streams, as they were told; guarded by classes.mu.
type exceptions map[history]plantmesh.Offset

// learnException notes what a site says.
func (c *classes) learnException(s plantmesh.StreamName, i plantmesh.Incarnation, off plantmesh.Offset) {
	if off == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exceptions == nil {
		c.exceptions = exceptions{}
	}
	if key := (history{s, i}); off > c.exceptions[key] {
		c.exceptions[key] = off
		if c.changed != nil {
			close(c.changed)
			c.changed = nil
		}
	}
}

// heard is closed when the next exception is learnt of.
func (c *classes) heard() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

// exceptionOf is the last exception in an incarnation of a stream, as far as it is known; 0: none.
func (m *Mesh) exceptionOf(s plantmesh.StreamName, i plantmesh.Incarnation) plantmesh.Offset {
	if s.Origin() == m.self.Site {
		off, _ := m.log.LastException(s, i) // an unknown stream has none
		return off
	}
	m.classes.mu.Lock()
	defer m.classes.mu.Unlock()
	return m.classes.exceptions[history{s, i}]
}

// upTo are the blocks up to the one that holds an offset.
func (m *Mesh) upTo(blocks [][]byte, off plantmesh.Offset) [][]byte {
	for i, b := range blocks {
		if last, err := m.log.LastOffset(b); err == nil && last >= off {
			return blocks[:i+1]
		}
	}
	return blocks
}
