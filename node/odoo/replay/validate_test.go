package replay

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

var begin = time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)

// office has one stream, of events one second apart about subjects in turn.
type office struct {
	events   int
	trimmed  plantmesh.Offset
	position plantmesh.Offset
	parked   map[string]plantmesh.Offset
	gone     map[string]bool
	journal  []odoo.Applied
}

const production = plantmesh.StreamName("plant-a/production")

func id(offset plantmesh.Offset) string { return odoo.EventKey("//mes", fmt.Sprint(offset)) }

func (o *office) apply(offsets ...plantmesh.Offset) {
	for _, offset := range offsets {
		o.journal = append(o.journal, odoo.Applied{ID: int64(len(o.journal) + 1), Event: id(offset)})
	}
}

func (o *office) Positions(context.Context) (map[plantmesh.StreamName]plantmesh.Offset, error) {
	return map[plantmesh.StreamName]plantmesh.Offset{production: o.position}, nil
}

func (o *office) Parked(_ context.Context, _ plantmesh.StreamName, subject string) (plantmesh.Offset, error) {
	return o.parked[subject], nil
}

func (o *office) Discarded(context.Context) (map[string]bool, error) { return o.gone, nil }

func (o *office) Events(_ context.Context, _ plantmesh.StreamName, since time.Time) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		if o.trimmed > 0 && !yield(Item{First: 1, Last: o.trimmed}, nil) {
			return
		}
		for offset := o.trimmed + 1; int(offset) <= o.events; offset++ {
			at := begin.Add(time.Duration(offset) * time.Second)
			if at.Before(since) {
				continue
			}
			e := &eventv1.Event{Source: "//mes", Id: fmt.Sprint(offset), Subject: fmt.Sprintf("order/%d", offset%3)}
			if !yield(Item{Event: &eventv1.RecordedEvent{Event: e, Offset: uint64(offset), RecordedTime: timestamppb.New(at)}}, nil) {
				return
			}
		}
	}
}

func (o *office) AppliedOf(_ context.Context, events []string) ([]odoo.Applied, error) {
	var rows []odoo.Applied
	for _, row := range o.journal {
		for _, e := range events {
			if row.Event == e {
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

func (o *office) validate(t *testing.T, since, until time.Time) Report {
	t.Helper()
	v := Validation{Node: o, Journal: o, HasEffect: func(plantmesh.StreamName, Item) bool { return true }, Since: since, Until: until}
	r, err := v.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEachEventIsCountedWhereItIs(t *testing.T) {
	for _, c := range []struct {
		name   string
		office office
		apply  []plantmesh.Offset
		want   Counts
	}{
		{"all applied", office{events: 6, position: 6}, []plantmesh.Offset{1, 2, 3, 4, 5, 6}, Counts{Recorded: 6, Applied: 6}},
		{"some wait for their turn, one of them is applied already", office{events: 6, position: 3}, []plantmesh.Offset{1, 2, 3, 5}, Counts{Recorded: 6, Applied: 4, Queued: 2}},
		{"a subject is held back from its second event on", office{events: 9, position: 9, parked: map[string]plantmesh.Offset{"order/1": 4}},
			[]plantmesh.Offset{1, 2, 3, 5, 6, 8, 9}, Counts{Recorded: 9, Applied: 7, Parked: 2}},
		{"one was given up", office{events: 3, position: 3, gone: map[string]bool{id(2): true}}, []plantmesh.Offset{1, 3}, Counts{Recorded: 3, Applied: 2, Discarded: 1}},
		{"one is nowhere", office{events: 3, position: 3}, []plantmesh.Offset{1, 3}, Counts{Recorded: 3, Applied: 2, Missing: 1}},
		{"one before the parked one is nowhere", office{events: 9, position: 9, parked: map[string]plantmesh.Offset{"order/1": 7}},
			[]plantmesh.Offset{1, 2, 3, 5, 6, 8, 9}, Counts{Recorded: 9, Applied: 7, Parked: 1, Missing: 1}},
		{"one is twice in Odoo", office{events: 3, position: 3}, []plantmesh.Offset{1, 2, 2, 3}, Counts{Recorded: 3, Applied: 2, Doubled: 1}},
		{"two of a subject changed places", office{events: 4, position: 4}, []plantmesh.Offset{4, 1, 2, 3}, Counts{Recorded: 4, Applied: 4, Reordered: 1}},
		{"the oldest are not held", office{events: 4, position: 4, trimmed: 2}, []plantmesh.Offset{3, 4}, Counts{Recorded: 2, Applied: 2, NotHeld: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.office.apply(c.apply...)
			r := c.office.validate(t, begin, begin.Add(time.Hour))
			if r.Total != c.want || r.Valid != (c.want.faults() == 0) || (len(r.Findings) == 0) != r.Valid {
				t.Errorf("counted %+v (valid %t, %v), want %+v", r.Total, r.Valid, r.Findings, c.want)
			}
		})
	}
}

func TestOnlyTheSpanIsLookedAtAndAllOfIt(t *testing.T) {
	o := &office{events: 3 * atOnce, position: 3 * atOnce}
	for offset := range plantmesh.Offset(3 * atOnce) {
		o.apply(offset + 1)
	}
	r := o.validate(t, begin.Add(10*time.Second), begin.Add((2*atOnce+20)*time.Second))
	if want := (Counts{Recorded: 2*atOnce + 11, Applied: 2*atOnce + 11}); r.Total != want || !r.Valid {
		t.Errorf("counted %+v, want %+v", r.Total, want)
	}
}

func TestFindingsAreBoundedAndAllCounted(t *testing.T) {
	o := &office{events: 3 * maxFindings, position: 3 * maxFindings}
	if r := o.validate(t, begin, begin.Add(time.Hour)); r.Total.Missing != 3*maxFindings || len(r.Findings) != maxFindings {
		t.Errorf("%d missing, %d named, want %d and %d", r.Total.Missing, len(r.Findings), 3*maxFindings, maxFindings)
	}
}
