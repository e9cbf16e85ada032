package adapter

import (
	"fmt"
	"strings"
	"time"
)

// parseLocal reads a time without offset that a clock in zone showed. Where that clock was changed, the reading never runs
// backwards: a time it showed twice is the first of the two, and a time it skipped is the moment of the change. A layout that
// has an offset of its own is read as it stands.
func parseLocal(text, layout string, zone *time.Location) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, fmt.Errorf("no time is given")
	}
	wall, err := time.Parse(layout, text) // as if the clock were in UTC
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time of the form %q", text, layout)
	}
	if hasOffset(layout) {
		return wall, nil
	}
	_, before := wall.Add(-24 * time.Hour).In(zone).Zone()
	_, after := wall.Add(24 * time.Hour).In(zone).Zone()
	early := wall.Add(-time.Duration(max(before, after)) * time.Second)
	for _, candidate := range []time.Time{early, wall.Add(-time.Duration(min(before, after)) * time.Second)} {
		if shows(candidate.In(zone), wall) {
			return candidate.In(zone), nil
		}
	}
	_, change := early.In(zone).ZoneBounds() // the clock skipped it: before the change it showed less, after it more
	return change, nil
}

func hasOffset(layout string) bool {
	return strings.Contains(layout, "Z07") || strings.Contains(layout, "-07") || strings.Contains(layout, "MST")
}

// shows tells whether a clock in t's zone shows what wall shows in UTC.
func shows(t, wall time.Time) bool {
	return t.Year() == wall.Year() && t.YearDay() == wall.YearDay() && t.Hour() == wall.Hour() && t.Minute() == wall.Minute()
}
