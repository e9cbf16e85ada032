package mesh_test

import (
	"errors"
	"fmt"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// always checks what holds at every moment: nobody holds what policy withholds from it, and readers are told of every jump.
func (s *simulation) always() {
	for _, n := range s.order {
		if n.running == nil {
			continue
		}
		for _, h := range n.running.log.AllHeads() {
			if n.site != h.Stream.Origin() && !s.mesh.mayHold(n.plan, h.Stream) {
				s.Errorf("%s holds %+v, which policy withholds from it", n.site, h)
			}
		}
		for _, h := range n.running.log.Heads() {
			r := n.readers[h.Stream]
			if r == nil {
				r = &simReader{}
				n.readers[h.Stream] = r
			}
			r.read(n, h.Stream)
		}
	}
}

// missing is what has not come about yet that has to, once nothing is broken any more; empty: nothing.
func (s *simulation) missing() string {
	for _, origin := range s.order {
		for _, h := range origin.running.log.AllHeads() {
			if h.Stream.Origin() != origin.site || s.trimmedHard[h.Stream] {
				continue
			}
			for _, sub := range s.mesh.subscribers(h.Stream) {
				got, err := s.nodes[sub.name].running.log.HeadOf(h.Stream, h.Incarnation)
				if err != nil || got.Offset < h.Offset || got.Offset > h.Offset && !s.lostBehind(h) {
					return fmt.Sprintf("%s has %+v, %s has %+v, %v", origin.site, h, sub.name, got, err)
				}
				if why := s.nodes[sub.name].notCurrent(h.Stream); why != "" {
					return why
				}
			}
		}
		for _, a := range origin.acked {
			place := simPlace{a.Entry.Stream, a.Incarnation}
			if !s.due(place, a.Offset) {
				continue
			}
			if h, err := origin.running.log.HeadOf(place.stream, place.incarnation); err != nil || h.Offset < a.Offset {
				return fmt.Sprintf("%s has acknowledged %s@%d of incarnation %d, and holds %+v, %v", origin.site, place.stream, a.Offset, place.incarnation, h, err)
			}
		}
	}
	return ""
}

func (n *simNode) notCurrent(stream plantmesh.StreamName) string {
	for _, r := range n.running.mesh.Status().Replicas {
		if r.Stream == stream && r.State != adminv1.ReplicaState_REPLICA_STATE_CURRENT {
			return fmt.Sprintf("%s: %s is not current: %+v", n.site, stream, r)
		}
	}
	return ""
}

// whole checks everything that each site holds.
func (s *simulation) whole() {
	for _, n := range s.order {
		for _, h := range n.running.log.AllHeads() {
			report, err := n.running.log.VerifyOf(n.Context(), h.Stream, h.Incarnation, func(c plantmesh.Checkpoint) error {
				_, err := n.running.mesh.Verifier().Verify(c.Signed)
				return err
			})
			if err != nil || report.Head.Offset != h.Offset || report.Head.Chain != h.Chain {
				s.Errorf("%s: verify %+v: %+v, %v", n.site, h, report, err)
			}
			if n.site != h.Stream.Origin() {
				s.copyOf(n, h, report.Signed)
			}
		}
		s.recordedOnce(n)
		for stream, r := range n.readers {
			h, err := n.running.log.Head(stream)
			if err != nil || r.at.Incarnation != h.Incarnation || r.at.Offset != h.Offset {
				s.Errorf("%s: a reader of %s is at %+v, the head at %+v, %v", n.site, stream, r.at, h, err)
			}
		}
	}
}

// isRead checks that readers everywhere have come to what was recorded last.
func (s *simulation) isRead(last []simPlaceOffset) {
	for _, at := range last {
		if s.trimmedHard[at.stream] {
			continue
		}
		for _, sub := range append(s.mesh.subscribers(at.stream), s.mesh.site(at.stream.Origin())) {
			if r := s.nodes[sub.name].readers[at.stream]; r == nil || r.at.Incarnation != at.incarnation || r.at.Offset != at.offset {
				s.Errorf("%s: the last event of %s is at %d of incarnation %d, and its reader at %+v", sub.name, at.stream, at.offset, at.incarnation, r)
			}
		}
	}
}

// copyOf checks that a replica is a prefix of its origin's history, and signed.
func (s *simulation) copyOf(n *simNode, h plantmesh.Head, signed plantmesh.Offset) {
	if signed != h.Offset {
		s.Errorf("%s: %+v is signed up to %d", n.site, h, signed)
	}
	origin, place := s.nodes[h.Stream.Origin()].running.log, simPlace{h.Stream, h.Incarnation}
	own, err := origin.HeadOf(h.Stream, h.Incarnation)
	if err != nil {
		if _, lost := s.kept[place]; !lost {
			s.Errorf("%s: %+v, which its origin does not know: %v", n.site, h, err)
		}
		return
	}
	if h.Offset > own.Offset && !s.lostBehind(own) {
		s.Errorf("%s: %+v, its origin has %+v", n.site, h, own)
	}
	at := min(h.Offset, own.Offset)
	there, thereErr := origin.ChainOf(n.Context(), h.Stream, h.Incarnation, at)
	here, hereErr := n.running.log.ChainOf(n.Context(), h.Stream, h.Incarnation, at)
	if err := errors.Join(thereErr, hereErr); errors.Is(err, plantmesh.ErrOffsetTrimmed) && s.floor[place] > at {
		return
	}
	if thereErr != nil || hereErr != nil || here != there {
		s.Errorf("%s: %+v, chain %s after %d; its origin's is %s: %v, %v", n.site, h, here, at, there, hereErr, thereErr)
	}
}

// lostBehind tells whether what follows on an origin's history went with its disk. Who is not linked to the origin may have it.
func (s *simulation) lostBehind(h plantmesh.Head) bool {
	kept, lost := s.kept[simPlace{h.Stream, h.Incarnation}]
	return lost && kept <= h.Offset
}

// recordedOnce checks an origin's streams against what its publisher knows.
func (s *simulation) recordedOnce(n *simNode) {
	for _, h := range n.running.log.AllHeads() {
		if h.Stream.Origin() != n.site {
			continue
		}
		place, ids := simPlace{h.Stream, h.Incarnation}, map[string]plantmesh.Offset{}
		first, err := n.running.log.Earliest(h.Stream, h.Incarnation)
		if err != nil {
			s.Error(err)
		}
		for off := max(first, s.floor[place]); off <= h.Offset; off++ {
			e, err := n.running.log.GetOf(h.Stream, h.Incarnation, off)
			if err != nil {
				s.Errorf("%s: %s@%d of incarnation %d: %v", n.site, h.Stream, off, h.Incarnation, err)
				break
			}
			id := e.GetEvent().GetId()
			if before := ids[id]; before != 0 {
				s.Errorf("%s: %s has event %s at %d and %d of incarnation %d", n.site, h.Stream, id, before, off, h.Incarnation)
			}
			ids[id] = off
			if published := n.seen[id]; published == nil || plantmesh.ContentHash(published) != plantmesh.ContentHash(e.GetEvent()) {
				s.Errorf("%s: %s@%d of incarnation %d was not published so: %v", n.site, h.Stream, off, h.Incarnation, e)
			}
		}
		for _, a := range n.acked {
			if a.Entry.Stream == h.Stream && a.Incarnation == h.Incarnation && s.due(place, a.Offset) && a.Offset >= first && ids[a.Event.GetId()] != a.Offset {
				s.Errorf("%s: event %s was acknowledged at %+v, and is at %d", n.site, a.Event.GetId(), a.Receipt, ids[a.Event.GetId()])
			}
		}
	}
}

// troubles are a site's links, and the streams that do not come or go as they should.
func (n *simNode) troubles() string {
	status, text := n.running.mesh.Status(), ""
	for _, l := range status.Links {
		text += fmt.Sprintf("\n  %s to %s: %s %s", l.Kind, l.Address, l.State, l.Reason)
	}
	for _, r := range status.Replicas {
		text += fmt.Sprintf("\n  %s from %s: %s %d of %d %s", r.Stream, r.Link, r.State, r.Offset, r.SourceOffset, r.Reason)
	}
	for _, f := range status.Followers {
		if !f.Connected || f.LagEvents > 0 {
			text += fmt.Sprintf("\n  %s to %s: incarnation %d to %d, lacks %d: %s", f.Stream, f.Site, f.Incarnation, f.DurableOffset, f.LagEvents, f.Reason)
		}
	}
	return text
}
