package confirmations

import (
	"cmp"
	"slices"
	"time"

	"github.com/plantmesh/plantmesh"
)

const (
	// maxWaiting bounds the events of a stream that are named as waiting. Behind so many it is not read on.
	maxWaiting = 10_000
	// maxSpans bounds the runs of outcomes of what was not read yet. Beyond it the oldest waiting events are given up.
	maxSpans = 100_000
	// givenUp is how many these are.
	givenUp = 1000
)

// waiting is an event that asks for its outcome.
type waiting struct {
	Offset   plantmesh.Offset
	Type     string
	Subject  string
	Recorded time.Time
}

// history is one incarnation of a stream of the site's own.
type history struct {
	Stream      plantmesh.StreamName
	Incarnation plantmesh.Incarnation
	Frontier    plantmesh.Offset // read up to here
	Waiting     []waiting        // of what was read, ascending
	Told        spans            // outcomes of what was not read yet
	GivenUp     int              // events that nobody waits for any more, since there were too many
}

// told notes that an event has an outcome; false if that was known, or nobody asked.
func (h *history) told(o plantmesh.Offset) bool {
	if o > h.Frontier {
		added := h.Told.add(o)
		if len(h.Told) > maxSpans {
			n := min(givenUp, len(h.Waiting))
			h.Waiting, h.GivenUp = slices.Delete(h.Waiting, 0, n), h.GivenUp+n
		}
		return added
	}
	i, found := slices.BinarySearchFunc(h.Waiting, o, func(w waiting, o plantmesh.Offset) int { return cmp.Compare(w.Offset, o) })
	if found {
		h.Waiting = slices.Delete(h.Waiting, i, i+1)
	}
	return found
}

// read takes the next event in; false if it has to wait, because too many do.
func (h *history) read(w waiting, asks bool) bool {
	if asks && !h.Told.has(w.Offset) {
		if len(h.Waiting) >= maxWaiting {
			return false
		}
		h.Waiting = append(h.Waiting, w)
	}
	h.Frontier = w.Offset
	h.Told.cut(w.Offset)
	return true
}
