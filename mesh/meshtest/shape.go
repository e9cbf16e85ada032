package meshtest

import (
	"time"

	"github.com/plantmesh/plantmesh"
)

// Shape is what a line does to each direction of each connection over it. The zero value does nothing.
type Shape struct {
	BytesPerSecond int           // 0: any number
	Delay          time.Duration // one way: half a round trip
}

// Shape has the connections between two sites that are opened from now on take time. In a bubble of testing/synctest that
// time is virtual.
func (f *Fabric) Shape(a, b plantmesh.SiteID, s Shape) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.line(pairOf(a, b)).shape = s
}

// segmentBytes arrive at once on a shaped line.
const segmentBytes = 1400

// way is what a shaped line knows of the bytes under way, in order.
type way struct {
	shape    Shape
	busy     time.Time // until when the line carries what has entered
	segments []segment
}

type segment struct {
	bytes int
	due   time.Time
}

// capacity is how much is under way before a writer waits.
func (w *way) capacity() int {
	if w.shape.Delay > 0 && w.shape.BytesPerSecond == 0 {
		return 64 * flowBytes
	}
	return flowBytes + 2*int(float64(w.shape.BytesPerSecond)*w.shape.Delay.Seconds())
}

func (w *way) enter(bytes int) {
	if w.shape == (Shape{}) {
		return
	}
	if now := time.Now(); w.busy.Before(now) {
		w.busy = now
	}
	for bytes > 0 {
		n := min(bytes, segmentBytes)
		bytes -= n
		if w.shape.BytesPerSecond > 0 {
			w.busy = w.busy.Add(time.Duration(n) * time.Second / time.Duration(w.shape.BytesPerSecond))
		}
		w.segments = append(w.segments, segment{n, w.busy.Add(w.shape.Delay)})
	}
}

// arrived is how many of the bytes under way may be read, or how long until the first may.
func (w *way) arrived(all int) (ready int, due time.Duration) {
	if w.shape == (Shape{}) {
		return all, 0
	}
	now := time.Now()
	for _, s := range w.segments {
		if s.due.After(now) {
			break
		}
		ready += s.bytes
	}
	if ready == 0 {
		due = w.segments[0].due.Sub(now)
	}
	return ready, due
}

// took forgets bytes that were read.
func (w *way) took(n int) {
	for n > 0 && len(w.segments) > 0 {
		s := &w.segments[0]
		k := min(n, s.bytes)
		n, s.bytes = n-k, s.bytes-k
		if s.bytes == 0 {
			w.segments = w.segments[1:]
		}
	}
}
