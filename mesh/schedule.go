package mesh

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones, where the system has none

	"github.com/robfig/cron/v3"
)

// Schedule says when a subscription is open: from each time that a cron expression names, for as long as its window.
// Outside, only exceptions come. Made by ParseSchedule.
type Schedule struct {
	Window  time.Duration
	AtStart bool // it is also open for a window's length from the start of the node, so that none is missed while it is down

	cron cron.Schedule // of wall clock times, written as UTC
	zone *time.Location
}

const (
	minScheduleWindow = time.Minute
	// Openings looked at to find the shortest time between two: of five years, or as many as there are minutes in a day.
	periodsFor = 5 * 366 * 24 * time.Hour
	maxPeriods = 24 * 60
	// largestShift is more than any zone's clocks are put on or back.
	largestShift = 3 * time.Hour
)

// ParseSchedule reads a cron expression of five fields (minute, hour, day, month, weekday), of the wall clock of
// a zone, such as Europe/Berlin; empty: UTC. A window may not be longer than the time between two openings.
func ParseSchedule(spec string, window time.Duration, zone string) (*Schedule, error) {
	if strings.Contains(spec, "TZ=") {
		return nil, fmt.Errorf("schedule %q: name the zone under timezone", spec)
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w; give minute, hour, day of month, month and day of week, such as \"0 2 * * *\" for 2 o'clock every night", spec, err)
	}
	s := &Schedule{Window: window, cron: parsed, zone: time.UTC}
	if zone != "" {
		if s.zone, err = time.LoadLocation(zone); err != nil || zone == "Local" {
			return nil, fmt.Errorf("timezone %q: not known; give a name such as Europe/Berlin", zone)
		}
	}
	if window < minScheduleWindow {
		return nil, fmt.Errorf("window %s: give how long it is open, %s at least", window, minScheduleWindow)
	}
	period, _, err := s.periods()
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", spec, err)
	}
	if window > period {
		return nil, fmt.Errorf("window %s: longer than the %s between two openings of %q; shorten it, or leave the schedule out", window, period, spec)
	}
	return s, nil
}

// Longest is the longest time between two openings, by the wall clock.
func (s *Schedule) Longest() time.Duration {
	_, longest, _ := s.periods() // ParseSchedule has found that there are some
	return longest
}

// periods are the shortest and the longest time between two openings.
func (s *Schedule) periods() (shortest, longest time.Duration, err error) {
	first := s.cron.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
	if first.IsZero() {
		return 0, 0, errors.New("there is no such day")
	}
	shortest = periodsFor
	for at, n := first, 0; n < maxPeriods && at.Sub(first) < periodsFor; n++ {
		next := s.cron.Next(at)
		shortest, longest, at = min(shortest, next.Sub(at)), max(longest, next.Sub(at)), next
	}
	return shortest, longest, nil
}

// Next is the first opening after a time. Each opening of the wall clock comes once: when clocks are put back, the first time
// it shows that hour; when they are put on, as much later as they are.
func (s *Schedule) Next(after time.Time) time.Time {
	local := after.In(s.zone)
	wall := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC).Add(-largestShift)
	for {
		wall = s.cron.Next(wall)
		if at := s.real(wall).In(s.zone); at.After(after) {
			return at
		}
	}
}

// real is when the wall clock shows a time.
func (s *Schedule) real(wall time.Time) time.Time {
	shows := func(t time.Time) time.Time {
		_, offset := t.In(s.zone).Zone()
		return t.UTC().Add(time.Duration(offset) * time.Second)
	}
	_, before := wall.Add(-24 * time.Hour).In(s.zone).Zone()
	t := wall.Add(-time.Duration(before) * time.Second) // as if the clocks had not been touched that day
	if shows(t).Equal(wall) {
		return t
	}
	_, after := wall.Add(24 * time.Hour).In(s.zone).Zone()
	if later := wall.Add(-time.Duration(after) * time.Second); shows(later).Equal(wall) {
		return later
	}
	return t // the clocks pass over it
}

// opened tells whether it is open, and until when.
func (s *Schedule) opened(now, started time.Time) (until time.Time, open bool) {
	for at := s.Next(now.Add(-s.Window)); !at.After(now); at = s.Next(at) {
		until = at.Add(s.Window)
	}
	if s.AtStart && started.Add(s.Window).After(until) {
		until = started.Add(s.Window)
	}
	return until, until.After(now)
}
