package confirmations

import (
	"slices"

	"github.com/plantmesh/plantmesh"
)

// span is a run of offsets, both ends in it.
type span struct{ First, Last plantmesh.Offset }

// spans are runs of offsets, ascending, with gaps between them.
type spans []span

// at is the index of the first span that does not end before an offset.
func (s spans) at(o plantmesh.Offset) int {
	i, _ := slices.BinarySearchFunc(s, o, func(x span, o plantmesh.Offset) int {
		if x.Last < o {
			return -1
		}
		return 1
	})
	return i
}

func (s spans) has(o plantmesh.Offset) bool {
	i := s.at(o)
	return i < len(s) && s[i].First <= o
}

// add puts an offset in; false if it is in already.
func (s *spans) add(o plantmesh.Offset) bool {
	if s.has(o) {
		return false
	}
	i := s.at(o)
	joinsBefore, joinsAfter := i > 0 && (*s)[i-1].Last+1 == o, i < len(*s) && (*s)[i].First == o+1
	switch {
	case joinsBefore && joinsAfter:
		(*s)[i-1].Last = (*s)[i].Last
		*s = slices.Delete(*s, i, i+1)
	case joinsBefore:
		(*s)[i-1].Last = o
	case joinsAfter:
		(*s)[i].First = o
	default:
		*s = slices.Insert(*s, i, span{o, o})
	}
	return true
}

// cut takes out everything up to an offset.
func (s *spans) cut(o plantmesh.Offset) {
	i := s.at(o + 1)
	*s = slices.Delete(*s, 0, i)
	if len(*s) > 0 && (*s)[0].First <= o {
		(*s)[0].First = o + 1
	}
}
