package mesh_test

import (
	"errors"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// simPlace is one incarnation of a stream.
type simPlace struct {
	stream      plantmesh.StreamName
	incarnation plantmesh.Incarnation
}

// simPlaceOffset is one event's place.
type simPlaceOffset struct {
	simPlace
	offset plantmesh.Offset
}

// holdsOf is how far a site's disk has an incarnation for certain.
func (n *simNode) holdsOf(p simPlace) plantmesh.Offset {
	heads := n.heads
	if n.running != nil {
		heads = n.running.log.AllHeads()
	}
	for _, h := range heads {
		if h.Stream == p.stream && h.Incarnation == p.incarnation {
			return h.Offset
		}
	}
	return 0
}

// noteLoss notes what goes with a disk: of all that it held, whatever no other disk holds from which the origin can have it
// back. What follows may be lost, and no more.
func (s *simulation) noteLoss(n *simNode) {
	for _, h := range n.heads {
		place := simPlace{h.Stream, h.Incarnation}
		left, anywhere := plantmesh.Offset(0), plantmesh.Offset(0)
		if h.Stream.Origin() != n.site {
			left = s.nodes[h.Stream.Origin()].holdsOf(place)
		}
		for _, k := range s.mesh.keepers(h.Stream) {
			if k.name != n.site {
				left = max(left, s.nodes[k.name].holdsOf(place))
			}
		}
		for _, o := range s.order {
			if o != n {
				anywhere = max(anywhere, o.holdsOf(place))
			}
		}
		if before, known := s.kept[place]; !known || left < before {
			s.kept[place] = left
		}
		if h.Stream.Origin() == n.site && !s.lostDisk {
			n.promised(place, anywhere)
		}
	}
	s.lostDisk = true
}

// promised checks what publishers were told about copies, when the first disk of a run is lost.
func (n *simNode) promised(place simPlace, left plantmesh.Offset) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.acked {
		if a.copied && a.Entry.Stream == place.stream && a.Incarnation == place.incarnation && a.Offset > left {
			n.Errorf("%s: the publisher of %s@%d was told of a second copy, and the others hold it up to %d only", n.site, place.stream, a.Offset, left)
		}
	}
}

// due tells whether what was acknowledged at a place has to be there still.
func (s *simulation) due(p simPlace, off plantmesh.Offset) bool {
	kept, lost := s.kept[p]
	return off >= s.floor[p] && (!lost || off <= kept)
}

func isShuttingDown(err error) bool { return errors.Is(err, plantmesh.ErrShuttingDown) }

// simReader reads a stream at a site, from its beginning, while the run goes on.
type simReader struct {
	at    storage.Position
	jumps int // told
}

// read goes on as far as the log does. Whatever is not contiguous has to be told.
func (r *simReader) read(n *simNode, stream plantmesh.StreamName) {
	log := n.running.log
	for {
		to, jump, err := log.Resume(stream, r.at)
		switch {
		case err != nil:
			n.Errorf("%s: a reader of %s at %+v: %v", n.site, stream, r.at, err)
			return
		case jump == nil && to != r.at && r.at.Incarnation != 0:
			n.Errorf("%s: a reader of %s goes on from %+v at %+v and is not told why", n.site, stream, r.at, to)
		case jump != nil && (jump.From != r.at || jump.To != to || jump.Kind == storage.JumpRecreated != (to.Incarnation > r.at.Incarnation) ||
			jump.Kind == storage.JumpTrimmed != (to.Incarnation == r.at.Incarnation && to.Offset > r.at.Offset)):
			n.Errorf("%s: a reader of %s at %+v is sent to %+v by %+v", n.site, stream, r.at, to, *jump)
		}
		r.at = to
		if jump != nil {
			r.jumps++
		}
		blocks, err := log.BlocksOf(n.Context(), stream, to.Incarnation, to.Offset, 1<<20)
		if errors.Is(err, plantmesh.ErrOffsetTrimmed) {
			continue // since it asked
		}
		if err != nil {
			n.Errorf("%s: a reader of %s at %+v: %v", n.site, stream, r.at, err)
			return
		}
		if len(blocks) == 0 && jump == nil {
			return
		}
		for _, b := range blocks {
			if b.First() > r.at.Offset+1 {
				n.Errorf("%s: a reader of %s at %+v gets %d to %d next", n.site, stream, r.at, b.First(), b.Last())
			}
			r.at.Offset = b.Last()
		}
	}
}
