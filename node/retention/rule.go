package retention

import (
	"time"

	"github.com/plantmesh/plantmesh"
)

// Rule says what a stream keeps. The zero value keeps everything.
type Rule struct {
	MaxAge   time.Duration // events recorded longer ago may go; 0: none for their age
	MaxBytes uint64        // blocks beyond this much, the oldest first; 0: none for their size

	// TrimUnfetched lets go also what subscribers do not hold yet. They then meet a gap.
	TrimUnfetched bool
}

// limited tells whether the rule ever lets anything go.
func (r Rule) limited() bool { return r.MaxAge > 0 || r.MaxBytes > 0 }

// Reader is somebody who has a stream up to a place, and wants the rest.
type Reader struct {
	Name        string // as an operator knows it: `site hq`, `consumer odoo`
	Stream      plantmesh.StreamName
	Incarnation plantmesh.Incarnation
	Offset      plantmesh.Offset // durable there
}

// holds tells up to where a reader lets an incarnation of its stream go: the first offset that it still wants.
func (r Reader) holds(i plantmesh.Incarnation) (plantmesh.Offset, bool) {
	switch {
	case r.Incarnation == i:
		return r.Offset + 1, true
	case r.Incarnation < i:
		return 1, true // it has not come to it yet
	}
	return 0, false
}
