package storage

import (
	"slices"

	"github.com/plantmesh/plantmesh"
)

// Jump is where a reader's way through a stream is not contiguous.
type Jump struct {
	Kind JumpKind
	From Position // everything up to here was read
	To   Position // reading goes on behind this
}

// JumpKind is why.
type JumpKind int

// The kinds of jumps.
const (
	// JumpTrimmed: the events in between are not kept any more.
	JumpTrimmed JumpKind = iota + 1
	// JumpRecreated: the origin lost its log and began a new incarnation; offsets begin anew.
	JumpRecreated
	// JumpLost: the events in between are damaged here, and nobody who could be asked has them.
	JumpLost
)

// String is the kind in a word, for metrics and people.
func (k JumpKind) String() string {
	switch k {
	case JumpTrimmed:
		return "trimmed"
	case JumpRecreated:
		return "recreated"
	case JumpLost:
		return "lost"
	}
	return "unknown"
}

// Resume tells where a reader goes on who has dealt with everything up to a position: right there, or elsewhere, and then
// why. The zero position stands before everything that is held. A position that nothing is behind yet is returned as it is.
//
// Errors: plantmesh.ErrUnknownStream.
func (l *Log) Resume(s plantmesh.StreamName, p Position) (Position, *Jump, error) {
	current, _, err := l.lookup(s)
	if err != nil {
		return p, nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	all := append(slices.Clone(l.older[s]), current)
	if p.Incarnation == 0 {
		return all[0].start(), nil, nil
	}
	for i, st := range all {
		jump := &Jump{Kind: JumpRecreated, From: p, To: st.start()}
		switch last := i == len(all)-1; {
		case st.record.incarnation < p.Incarnation:
			continue
		case st.record.incarnation > p.Incarnation:
			return jump.To, jump, nil
		case p.Offset >= st.head.offset && !last:
			continue // to the next incarnation
		case p.Offset < jump.To.Offset:
			jump.Kind = JumpTrimmed
			return jump.To, jump, nil
		}
		for _, d := range st.damage {
			if d.Lost && d.First <= p.Offset+1 && p.Offset < d.Last {
				jump.Kind, jump.To.Offset = JumpLost, d.Last
				return jump.To, jump, nil
			}
		}
		break
	}
	return p, nil, nil
}

// start is the position before the first event held.
func (st *stream) start() Position {
	return Position{Incarnation: st.record.incarnation, Offset: st.begin.before}
}
