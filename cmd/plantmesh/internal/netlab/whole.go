//go:build linux

package netlab

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/plantmesh/plantmesh"
)

// told is an event as `plantmesh tail --json` prints it.
type told struct {
	ID     string           `json:"id"`
	Offset plantmesh.Offset `json:"offset"`
}

// Whole checks the end of a history: that the origin holds every acknowledged event at its offset and nothing else, in
// offsets without gap or repetition; that the other sites hold the same, event for event; and that all of them verify
// what they hold. It stops the load, and waits for the other sites first.
func (l *Lab) Whole(load *Load, others ...*Site) {
	l.t.Helper()
	acked := load.Stop()
	origin := l.Site(load.stream.Origin())
	want := origin.tail(load.stream)
	if len(want) != len(acked) {
		l.t.Errorf("%d events acknowledged, %d recorded", len(acked), len(want))
	}
	at := map[string]plantmesh.Offset{}
	for i, line := range want {
		var e told
		l.must(json.Unmarshal([]byte(line), &e))
		if e.Offset != plantmesh.Offset(i+1) {
			l.t.Fatalf("%s at %s: offset %d where %d is due", load.stream, origin.Name, e.Offset, i+1)
		}
		if before := at[e.ID]; before != 0 {
			l.t.Errorf("event %s stands at offset %d and at %d", e.ID, before, e.Offset)
		}
		at[e.ID] = e.Offset
	}
	if !maps.Equal(at, acked) {
		l.t.Errorf("%s: what is acknowledged is not what is recorded", load.stream)
	}
	for _, s := range others {
		s.AwaitHead(load.stream, plantmesh.Offset(len(want)))
		if got := s.tail(load.stream); !slices.Equal(got, want) {
			l.t.Errorf("%s: %s holds other events than the origin: %d, not %d", load.stream, s.Name, len(got), len(want))
		}
	}
	for _, s := range append(others, origin) {
		s.verify(load.stream)
	}
	l.t.Logf("%d events of %s whole at %d sites", len(want), load.stream, 1+len(others))
}

// tail reads a stream to its head, each event as one line, without cursors: they are the node's own.
func (s *Site) tail(stream plantmesh.StreamName) []string {
	s.t.Helper()
	out := strings.TrimSpace(s.Plantmesh("tail", string(stream), "--from", "earliest", "--until-head", "--json"))
	lines := strings.Split(out, "\n")
	for i, line := range lines {
		var event map[string]json.RawMessage
		s.lab.must(json.Unmarshal([]byte(line), &event))
		delete(event, "cursor")
		text, err := json.Marshal(event)
		s.lab.must(err)
		lines[i] = string(text)
	}
	return lines
}

// verify has the node read the stream again, block by block, and compare it with its origin: the exit status tells.
func (s *Site) verify(stream plantmesh.StreamName) {
	s.t.Helper()
	if out := s.Plantmesh("verify", string(stream)); !strings.Contains(out, "verified") {
		s.t.Errorf("%s: verify says:\n%s", s.Name, out)
	}
}
