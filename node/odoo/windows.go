package odoo

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// DefaultWindowBatch is how many collected events share a call: of postings, seconds of Odoo's work, far below its limit_time_real of two minutes.
const DefaultWindowBatch = 200

// Window has events of some streams collected, and applied together at certain times.
type Window struct {
	// Streams are patterns of streams, site/domain. A stream that several windows name is of the first.
	Streams []string `yaml:"streams"`
	// Schedule is when they are applied, as a cron expression of minute, hour, day of month, month and day of week.
	Schedule string `yaml:"schedule"`
	Timezone string `yaml:"timezone,omitempty"` // of the schedule, such as Europe/Berlin; empty: UTC
	// Batch is how many of these events one call carries, all in one transaction. 0: DefaultWindowBatch.
	Batch int `yaml:"batch,omitempty"`
	// AtOnce has a CEL expression for each type of which some events do not wait: those for which it is true. The event is its payload.
	AtOnce map[string]string `yaml:"at_once,omitempty"`
}

// windows are compiled.
type windows []window

type window struct {
	path       string
	streams    []mesh.Subscription
	schedule   *mesh.Schedule
	batch      int
	atOnce     map[string]condition // by full name of the type
	collection *consumer.Collection
}

// windows compiles all windows. The error joins all faults, each with its path and value.
func (c Config) windows() (windows, error) {
	var all windows
	var faults []error
	for i, w := range c.Windows {
		one, err := w.compile(fmt.Sprintf("odoo.windows[%d]", i))
		all, faults = append(all, one), append(faults, err)
	}
	return all, errors.Join(faults...)
}

func (w Window) compile(path string) (window, error) {
	one := window{path: path, batch: cmp.Or(w.Batch, DefaultWindowBatch), atOnce: map[string]condition{}}
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(path+format, args...)) }
	if len(w.Streams) == 0 {
		fault(".streams: name at least one, such as \"*/finance\"")
	}
	for i, pattern := range w.Streams {
		at := fmt.Sprintf("%s.streams[%d]", path, i)
		site, domain, ok := strings.Cut(pattern, "/")
		s := mesh.Subscription{From: site, Streams: []string{domain}}
		if err := s.Check(at); !ok || err != nil {
			fault(".streams[%d] %q: give site/domain, in which * stands for any characters, such as \"*/finance\"", i, pattern)
		}
		one.streams = append(one.streams, s)
	}
	if one.batch < 1 || one.batch > 500 {
		fault(".batch %d: must be 1 to 500", w.Batch)
	}
	var err error
	if one.schedule, err = mesh.ParseSchedule(w.Schedule, time.Minute, w.Timezone); err != nil {
		fault(".%w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(w.AtOnce)) {
		kind, c, err := compileCondition(name, w.AtOnce[name])
		if err != nil {
			fault(".at_once.%s: %w", name, err)
		}
		one.atOnce[kind.Name] = c
	}
	if err := errors.Join(faults...); err != nil {
		return window{}, err
	}
	one.collection = &consumer.Collection{Next: one.schedule.Next, AtOnce: one.passes}
	return one, nil
}

// passes tells whether an event does not wait: its type passes batch windows, or the condition of its type says so. One that cannot be asked goes at
// once, so that nothing urgent waits for a mistake.
func (w window) passes(e *eventv1.RecordedEvent) bool {
	kind, err := plantmesh.LookupEventType(e.GetEvent().GetType())
	if err != nil || kind.Exception {
		return true
	}
	c, ok := w.atOnce[kind.Name]
	return ok && c.holds(e)
}

// of is the window of a stream; nil: none.
func (all windows) of(s plantmesh.StreamName) *window {
	for i, w := range all {
		if slices.ContainsFunc(w.streams, func(p mesh.Subscription) bool { return p.Matches(s) }) {
			return &all[i]
		}
	}
	return nil
}

// Collected says how the events of a stream wait; nil: they do not.
func (a *Applier) Collected(s plantmesh.StreamName) *consumer.Collection {
	if w := a.windows.of(s); w != nil {
		return w.collection
	}
	return nil
}

// bulkCalls is how many calls' worth of collected events wait for Odoo: one is under way while the next comes together.
const bulkCalls = 2

// Bulk is how many collected events have to be handed over at once, so that calls are filled; 0: none are.
func (a *Applier) Bulk() int {
	most := 0
	for _, w := range a.windows {
		most = max(most, bulkCalls*w.batch)
	}
	return most
}

// Openings says for each window when it opens next, and which events will be overdue by then. The configuration has to be valid.
func (c Config) Openings(now time.Time) (all []string) {
	list, _ := c.windows()
	for _, w := range list {
		next := w.schedule.Next(now)
		all = append(all, fmt.Sprintf("%s opens at %s, then at %s", w.path, next.Format(time.RFC3339), w.schedule.Next(next).Format(time.RFC3339)))
		all = append(all, w.late()...)
	}
	return all
}

// late names the types that are to be confirmed sooner than the window is sure to open.
func (w window) late() (all []string) {
	longest := w.schedule.Longest()
	for _, t := range plantmesh.EventTypes() {
		collected := slices.ContainsFunc(w.streams, func(s mesh.Subscription) bool { return mesh.Matches(s.Streams[0], t.Domain) })
		if collected && !t.Exception && t.ConfirmWithin > 0 && t.ConfirmWithin <= longest {
			all = append(all, fmt.Sprintf("%s: up to %s pass between two openings, but %s is to be confirmed within %s: its events will be overdue; open more often",
				w.path, longest, t.Descriptor().Name(), t.ConfirmWithin))
		}
	}
	return all
}
