package replay

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// atOnce is how many events one call asks the journal about.
const atOnce = 500

// Node is the node that faces Odoo, as far as a validation asks it.
type Node interface {
	// Positions are up to where each stream is dealt with: what is behind has its turn still to come.
	Positions(ctx context.Context) (map[plantmesh.StreamName]plantmesh.Offset, error)
	// Parked is the first event of a subject that is held back; 0 if none is.
	Parked(ctx context.Context, stream plantmesh.StreamName, subject string) (plantmesh.Offset, error)
	// Discarded are the events that somebody gave up, by [odoo.EventKey].
	Discarded(ctx context.Context) (map[string]bool, error)
	// Events are those of a stream that were recorded since a time, in order. An item without an event is a run of offsets that the node does
	// not hold any more.
	Events(ctx context.Context, stream plantmesh.StreamName, since time.Time) iter.Seq2[Item, error]
}

// Item is an event, or a run of offsets without events.
type Item struct {
	Incarnation plantmesh.Incarnation
	Event       *eventv1.RecordedEvent
	First, Last plantmesh.Offset // of the run
}

// Journal is what Odoo remembers of applied events.
type Journal interface {
	// AppliedOf are the rows of these events, by [odoo.EventKey], in the order in which they were applied.
	AppliedOf(ctx context.Context, events []string) ([]odoo.Applied, error)
}

// Validation is what a proof is made of.
type Validation struct {
	Node    Node
	Journal Journal
	// HasEffect tells whether Odoo has anything to do for an event.
	HasEffect func(stream plantmesh.StreamName, i Item) bool
	// Streams are those to look at; none: all that the node applies.
	Streams []plantmesh.StreamName
	// Since and Until bound when the events were recorded, by the clock of their sites.
	Since, Until time.Time

	positions map[plantmesh.StreamName]plantmesh.Offset
	discarded map[string]bool
	report    Report
}

// Run looks at every event of the span. The node may go on meanwhile: its positions are asked for before what is parked, and that before the
// journal, so what moves on in between is found where it went.
//
// Errors: of the node and of Odoo; none of them says anything about the events.
func (v *Validation) Run(ctx context.Context) (Report, error) {
	v.report = Report{Since: v.Since, Until: v.Until, Streams: []Stream{}, Findings: []Finding{}}
	var err error
	if v.positions, err = v.Node.Positions(ctx); err != nil {
		return Report{}, err
	}
	if v.discarded, err = v.Node.Discarded(ctx); err != nil {
		return Report{}, err
	}
	streams := v.Streams
	if len(streams) == 0 {
		streams = slices.Sorted(maps.Keys(v.positions))
	}
	for _, name := range streams {
		if _, ok := v.positions[name]; !ok {
			return Report{}, fmt.Errorf("stream %s: %w: the node does not apply it in Odoo", name, plantmesh.ErrUnknownStream)
		}
		s := &stream{Validation: v, name: name, last: map[string]int64{}}
		if err := s.run(ctx); err != nil {
			return Report{}, fmt.Errorf("stream %s: %w", name, err)
		}
		v.report.Streams = append(v.report.Streams, Stream{Name: name, Counts: s.counts})
		v.report.Total.add(s.counts)
	}
	v.report.Valid = v.report.Total.faults() == 0
	return v.report, nil
}

func (v *Validation) found(f Finding) {
	if len(v.report.Findings) < maxFindings {
		v.report.Findings = append(v.report.Findings, f)
	}
}

// stream is one that is looked at.
type stream struct {
	*Validation
	name   plantmesh.StreamName
	counts Counts
	chunk  []Item
	last   map[string]int64 // row of the journal, of the last event of a subject
}

func (s *stream) run(ctx context.Context) error {
	for item, err := range s.Node.Events(ctx, s.name, s.Since) {
		if err != nil {
			return err
		}
		if item.Event == nil {
			s.counts.NotHeld += int(item.Last - item.First + 1)
			s.found(Finding{Stream: s.name, Offset: item.First, What: fmt.Sprintf("the node does not hold offsets %d to %d any more: ask their site", item.First, item.Last)})
			continue
		}
		if item.Event.GetRecordedTime().AsTime().After(s.Until) {
			break
		}
		s.counts.Recorded++
		if !s.HasEffect(s.name, item) {
			s.counts.NoEffect++
			continue
		}
		if s.chunk = append(s.chunk, item); len(s.chunk) == atOnce {
			if err := s.judge(ctx); err != nil {
				return err
			}
		}
	}
	return s.judge(ctx)
}

// judge decides on the events of a chunk.
func (s *stream) judge(ctx context.Context) error {
	parked := map[string]plantmesh.Offset{}
	var keys []string
	for _, item := range s.chunk {
		subject := item.Event.GetEvent().GetSubject()
		if _, ok := parked[subject]; !ok && s.dealtWith(item) {
			offset, err := s.Node.Parked(ctx, s.name, subject)
			if err != nil {
				return err
			}
			parked[subject] = offset
		}
		keys = append(keys, keyOf(item))
	}
	if len(keys) == 0 {
		return nil
	}
	all, err := s.Journal.AppliedOf(ctx, keys)
	if err != nil {
		return err
	}
	rows := map[string][]int64{}
	for _, a := range all {
		rows[a.Event] = append(rows[a.Event], a.ID)
	}
	for _, item := range s.chunk {
		s.decide(item, rows[keyOf(item)], parked[item.Event.GetEvent().GetSubject()])
	}
	s.chunk = s.chunk[:0]
	return nil
}

// decide counts an event where it belongs. rows are those that the journal has of it.
func (s *stream) decide(item Item, rows []int64, parked plantmesh.Offset) {
	offset, subject := plantmesh.Offset(item.Event.GetOffset()), item.Event.GetEvent().GetSubject()
	finding := Finding{Stream: s.name, Offset: offset, Event: keyOf(item), Subject: subject}
	switch {
	case len(rows) > 1:
		s.counts.Doubled++
		finding.What = fmt.Sprintf("applied %d times", len(rows))
		s.found(finding)
	case len(rows) == 1:
		s.counts.Applied++
		if rows[0] < s.last[subject] {
			s.counts.Reordered++
			finding.What = "applied before an earlier event of its subject"
			s.found(finding)
		}
		s.last[subject] = max(s.last[subject], rows[0])
	case s.discarded[keyOf(item)]:
		s.counts.Discarded++
	case parked != 0 && parked <= offset:
		s.counts.Parked++
	case !s.dealtWith(item):
		s.counts.Queued++
	default:
		s.counts.Missing++
		finding.What = "the node is past it, but Odoo does not have it, and it is not parked"
		s.found(finding)
	}
}

// dealtWith tells whether the node is past an event.
func (s *stream) dealtWith(item Item) bool {
	return plantmesh.Offset(item.Event.GetOffset()) <= s.positions[s.name]
}

func keyOf(item Item) string {
	e := item.Event.GetEvent()
	return odoo.EventKey(e.GetSource(), e.GetId())
}
