package consumer

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Collection has the events of a stream wait in the log. An event is due as soon as an opening has come since it was recorded at its site,
// so one that arrives late, or an opening that was missed, is made up for at once, and a restart needs no memory of either.
type Collection struct {
	// Next is the first opening after a time.
	Next func(after time.Time) time.Time
	// AtOnce tells which events do not wait. Earlier ones of their subject that wait go before them, at once too.
	AtOnce func(*eventv1.RecordedEvent) bool
}

const (
	// maxEarly is how many events may be taken before others of their stream that wait. At one more, all that wait up to there are due.
	maxEarly = 10_000
	// maxSubjects bounds the subjects that are known to have something waiting. Of more, the log is asked.
	maxSubjects = 1 << 16
	// mostAhead is how far the clock of a site may be ahead. Events from beyond that do not wait for their time to come.
	mostAhead = 24 * time.Hour
)

// collecting is how far a collected stream is looked through behind what is due, for what does not wait.
type collecting struct {
	*Collection
	opened time.Time        // an opening that has come: what was recorded before it is due
	opens  time.Time        // when the first event that waits is due
	open   plantmesh.Offset // nothing waits up to here

	looked   plantmesh.Offset    // up to where
	subjects map[uint64]struct{} // hashes, of what waits up to there; nil: too many
	sweep    *sweep              // nil: nothing to take
}

// sweep goes through what waits once more, and takes what is before an event that does not.
type sweep struct {
	done, until plantmesh.Offset
	last        map[string]plantmesh.Offset // by subject: its last event that does not wait
}

var subjectSeed = maphash.MakeSeed()

// collect begins to collect the events of a stream, if it is one of those.
func (r *reader) collect(s *source) {
	s.collecting = nil
	if c := r.collected(s.name); c != nil {
		s.collecting = &collecting{Collection: c}
	}
}

// due tells whether an event has not to wait any more.
func (c *collecting) due(e *eventv1.RecordedEvent) bool {
	now, at := time.Now(), e.GetRecordedTime().AsTime()
	if plantmesh.Offset(e.GetOffset()) <= c.open || at.Before(c.opened) || at.After(now.Add(mostAhead)) {
		return true
	}
	next := c.Next(at)
	if next.After(now) {
		c.opens = next
		return false
	}
	c.opened = next
	return true
}

// waits tells whether all that a stream has behind what was read waits, as far as it is known.
func (s *source) waits() bool {
	return s.collecting != nil && s.read >= s.collecting.open && time.Now().Before(s.collecting.opens)
}

// hold begins to look through what is behind an event that was read: the next one waits.
func (s *source) hold() {
	s.collecting.looked, s.collecting.subjects, s.collecting.sweep = s.read, map[uint64]struct{}{}, nil
}

// look finds events that do not wait, and takes them after those of their subjects that are before them.
//
// Errors: errPassed if the stream has to be read on whatever waits.
func (r *reader) look(ctx context.Context, s *source) error {
	c := s.collecting
	for len(s.waiting) == 0 {
		from := c.looked
		if c.sweep != nil {
			from = c.sweep.done
		}
		head, err := r.log.HeadOf(s.name, s.incarnation)
		if err == nil && from >= head.Offset {
			return r.end(s, head.Offset)
		}
		if err != nil {
			return c.passed(c.looked, err)
		}
		blocks, err := r.log.BlocksOf(ctx, s.name, s.incarnation, from, 1)
		if err != nil {
			return c.passed(c.looked, err)
		}
		if len(blocks) == 0 {
			return nil
		}
		batch, err := blocks[0].Batch()
		if err != nil {
			return err
		}
		if c.sweep == nil {
			s.lookThrough(batch.GetEvents(), r.wants)
		} else {
			s.takeEarly(batch.GetEvents())
		}
		if len(s.ahead) > maxEarly {
			c.open, c.sweep = c.looked, nil
			return errPassed
		}
	}
	return nil
}

// lookThrough looks at the events of a block for those that do not wait, and notes the subjects of the others.
func (s *source) lookThrough(events []*eventv1.RecordedEvent, wants func(*eventv1.Event) bool) {
	c := s.collecting
	last, from := map[string]plantmesh.Offset{}, c.looked
	for _, e := range events {
		offset, subject := plantmesh.Offset(e.GetOffset()), e.GetEvent().GetSubject()
		if offset <= c.looked {
			continue
		}
		c.looked = offset
		if _, dealt := s.ahead[offset]; dealt || wants != nil && !wants(e.GetEvent()) {
			continue
		}
		hash := maphash.String(subjectSeed, subject)
		if !c.AtOnce(e) {
			c.note(hash)
			continue
		}
		last[subject] = offset
		if _, waits := c.subjects[hash]; waits || c.subjects == nil {
			from = s.read
		}
	}
	if len(last) > 0 {
		c.sweep = &sweep{done: from, until: c.looked, last: last}
	}
}

func (c *collecting) note(hash uint64) {
	if len(c.subjects) == maxSubjects {
		c.subjects = nil
	}
	if c.subjects != nil {
		c.subjects[hash] = struct{}{}
	}
}

// takeEarly takes from a block what the sweep is for. Whoever reads on later passes over it.
func (s *source) takeEarly(events []*eventv1.RecordedEvent) {
	c := s.collecting
	for _, e := range events {
		offset := plantmesh.Offset(e.GetOffset())
		if offset <= c.sweep.done {
			continue
		}
		c.sweep.done = offset
		if _, dealt := s.ahead[offset]; !dealt && offset <= c.sweep.last[e.GetEvent().GetSubject()] {
			s.ahead[offset] = struct{}{}
			s.waiting = append(s.waiting, e)
		}
	}
	if c.sweep.done >= c.sweep.until {
		c.sweep = nil
	}
}

// errPassed says that events of a stream wait no more, since it cannot be looked through behind them.
var errPassed = errors.New("waits no more")

// passed has everything up to an offset wait no more if an error says that the stream goes on elsewhere, or is damaged: whoever reads on
// finds out how, and has to have dealt with what is before.
func (c *collecting) passed(upTo plantmesh.Offset, err error) error {
	for _, elsewhere := range []error{plantmesh.ErrIncarnationChanged, plantmesh.ErrOffsetTrimmed, plantmesh.ErrCorruptBlock} {
		if errors.Is(err, elsewhere) {
			c.open = upTo
			return errPassed
		}
	}
	return err
}

// end is reached where there is nothing more. If another incarnation has begun, what waits holds it up no longer.
func (r *reader) end(s *source, head plantmesh.Offset) error {
	current, err := r.log.Head(s.name)
	if err == nil && current.Incarnation != s.incarnation {
		err = plantmesh.ErrIncarnationChanged
	}
	return s.collecting.passed(head, err)
}
