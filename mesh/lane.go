package mesh

import (
	"context"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
)

// lanes hold one lane for each site that replicates from here. The zero value is ready.
type lanes struct {
	mu    sync.Mutex
	table map[plantmesh.SiteID]*lane
}

// lane orders what all Replicate calls of one site send: the more urgent class first, and no more under way than the
// line needs. What is under way of a class leaves less room for those below it, never for those above.
type lane struct {
	mu      sync.Mutex // guards what follows, and all of its turns
	window  window
	turns   map[*turn]struct{}
	ticket  uint64        // of the last that began to wait
	changed chan struct{} // closed when somebody may have room
}

// turn is one call's place in its lane.
type turn struct {
	lanes *lanes
	lane  *lane
	site  plantmesh.SiteID
	class catalogv1.Class // set once

	packets []packet // under way, oldest first
	flying  int      // bytes of them
	late    int      // how many of them, from the first on, count no more
	overdue int      // bytes of those
	waiting int      // bytes that wait to be sent; 0: none do
	ticket  uint64   // who waited first goes first
}

// enter gives a call its place. Leave it with leave.
func (l *lanes) enter(site plantmesh.SiteID, class catalogv1.Class) *turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.table == nil {
		l.table = map[plantmesh.SiteID]*lane{}
	}
	to, ok := l.table[site]
	if !ok {
		to = &lane{window: newWindow(time.Now()), turns: map[*turn]struct{}{}, changed: make(chan struct{})}
		l.table[site] = to
	}
	t := &turn{lanes: l, lane: to, site: site, class: class}
	to.mu.Lock()
	defer to.mu.Unlock()
	to.turns[t] = struct{}{}
	return t
}

// leave forgets what the call has under way.
func (t *turn) leave() {
	t.lanes.mu.Lock()
	defer t.lanes.mu.Unlock()
	t.lane.mu.Lock()
	defer t.lane.mu.Unlock()
	delete(t.lane.turns, t)
	if len(t.lane.turns) == 0 {
		delete(t.lanes.table, t.site)
	}
	t.lane.moved()
}

// thin tells whether little can be under way to a site that replicates from here.
func (l *lanes) thin(site plantmesh.SiteID) bool {
	l.mu.Lock()
	to := l.table[site]
	l.mu.Unlock()
	if to == nil {
		return false
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	return to.window.delivered > 0 && to.window.size < 64<<10
}

// moved wakes those that wait. l.mu is held.
func (l *lane) moved() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// minPart is what a message holds at least, so that its frame around it does not count.
const minPart = 2 << 10

// share is how much a call should send at once.
func (t *turn) share() int {
	t.lane.mu.Lock()
	defer t.lane.mu.Unlock()
	return max(t.lane.window.size/4, minPart)
}

// take waits for room for bytes, and notes them as under way until a report of mark comes.
func (t *turn) take(ctx context.Context, bytes int, mark uint64) error {
	l := t.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticket++
	t.waiting, t.ticket = bytes, l.ticket
	for {
		now := time.Now()
		recheck := l.release(now)
		if t.mayGo() {
			break
		}
		changed := l.changed
		l.mu.Unlock()
		err := await(ctx, changed, recheck)
		l.mu.Lock()
		if err != nil {
			t.waiting = 0
			l.moved()
			return err
		}
	}
	flying := l.flying(catalogv1.Class_CLASS_BULK)
	t.packets = append(t.packets, packet{
		mark: mark, bytes: bytes, sent: time.Now(), delivered: l.window.delivered, idle: flying+bytes < l.window.size/2,
	})
	t.flying += bytes
	t.waiting = 0
	l.moved() // whoever waited behind this one
	return nil
}

// await waits for a change, or until it is time to look again.
func await(ctx context.Context, changed <-chan struct{}, recheck time.Duration) error {
	timer := time.NewTimer(recheck)
	defer timer.Stop()
	select {
	case <-changed:
		return nil
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mayGo tells whether what waits may be sent now. l.mu is held.
func (t *turn) mayGo() bool {
	l := t.lane
	if !t.fits() {
		return false
	}
	for other := range l.turns {
		if other == t || other.waiting == 0 || !other.fits() {
			continue
		}
		if other.class < t.class || other.class == t.class && other.ticket < t.ticket {
			return false
		}
	}
	flying := l.flying(t.class)
	return flying == 0 || flying+t.waiting <= l.window.size
}

// fits tells whether the call's own bytes leave room. One whose follower takes nothing holds up itself, no other.
func (t *turn) fits() bool { return t.flying == 0 || t.flying+t.waiting <= t.lane.window.size }

// flying is what is under way of a class and those above it, less what is late. l.mu is held.
func (l *lane) flying(class catalogv1.Class) (bytes int) {
	for t := range l.turns {
		if t.class <= class {
			bytes += t.flying - t.overdue
		}
	}
	return bytes
}

// release stops counting packets of which nothing was heard for too long: the line has them no more, or their follower
// does not take them. It returns when to look again. l.mu is held.
func (l *lane) release(now time.Time) time.Duration {
	patience := l.window.patience()
	next := patience
	for t := range l.turns {
		for ; t.late < len(t.packets); t.late++ {
			p := t.packets[t.late]
			if wait := p.sent.Add(patience).Sub(now); wait > 0 {
				next = min(next, wait)
				break
			}
			t.overdue += p.bytes
		}
	}
	return next
}

// reported takes note of what has arrived.
func (t *turn) reported(mark uint64) {
	l := t.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(t.packets) && t.packets[n].mark <= mark {
		l.window.delivered += uint64(t.packets[n].bytes)
		t.flying -= t.packets[n].bytes
		if t.late > 0 {
			t.late, t.overdue = t.late-1, t.overdue-t.packets[n].bytes
		}
		n++
	}
	if n == 0 {
		return
	}
	l.window.sample(t.packets[n-1], time.Now())
	t.packets = append(t.packets[:0], t.packets[n:]...)
	l.moved()
}
