package mesh

import (
	"cmp"
	"slices"
	"time"

	"github.com/plantmesh/plantmesh"
)

// source is a linked site that offers a stream.
type source struct {
	session *session
	heads   map[plantmesh.Incarnation]offer
	faults  int       // calls that failed in a row
	until   time.Time // it is not asked before, because the last call failed
}

// offer is how far a source has an incarnation.
type offer struct {
	offset    plantmesh.Offset
	time      time.Time
	exception plantmesh.Offset // last one; 0: none
}

// choice is what to pull, and from whom.
type choice struct {
	source      *source
	incarnation plantmesh.Incarnation
	ahead       bool // the source has more than is held here
}

// choose decides what to pull next: the oldest incarnation of which somebody has more than is held here, for readers get
// history in order; if nobody has, the newest one, to wait for what comes. Among those who are ahead the origin is first,
// then who has most, then who is nearest. A choice that is as good as any is kept.
//
// held are the incarnations here, oldest first. Sources that failed are passed over until their time comes.
func choose(held []plantmesh.Head, sources []*source, origin plantmesh.SiteID, current choice, now time.Time) (choice, bool) {
	var all []choice
	for _, src := range sources {
		if src.until.After(now) {
			continue
		}
		for i, o := range src.heads {
			all = append(all, choice{source: src, incarnation: i, ahead: o.offset > heldOf(held, i)})
		}
	}
	if len(all) == 0 {
		return choice{}, false
	}
	rank := func(a, b choice) int {
		oldest := cmp.Compare(a.incarnation, b.incarnation)
		if !a.ahead {
			oldest = -oldest // among those that are not ahead, the newest
		}
		return cmp.Or(
			-compareBool(a.ahead, b.ahead),
			oldest,
			-compareBool(a.source.session.site() == origin, b.source.session.site() == origin),
			-compareBool(a.source == current.source, b.source == current.source),
			-cmp.Compare(a.source.heads[a.incarnation].offset, b.source.heads[b.incarnation].offset),
			cmp.Compare(a.source.session.roundTrip(), b.source.session.roundTrip()),
			cmp.Compare(a.source.session.site(), b.source.session.site()),
		)
	}
	return slices.MinFunc(all, rank), true
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// heldOf is how far an incarnation is held; 0 if it is not.
func heldOf(held []plantmesh.Head, i plantmesh.Incarnation) plantmesh.Offset {
	for _, h := range held {
		if h.Incarnation == i {
			return h.Offset
		}
	}
	return 0
}
