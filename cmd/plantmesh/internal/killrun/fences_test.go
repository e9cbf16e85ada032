package killrun_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// once holds Odoo's journal to each event once, and in the order of its subject, and each subject's fence to the last of them.
func (s *sites) once(b *books) {
	s.t.Helper()
	all, err := odoo.NewReader(b.client).Applied(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	times, last := map[string]int{}, map[string]plantmesh.Offset{}
	for _, a := range all {
		if !strings.Contains(a.Event, " "+s.tag+"-") {
			continue
		}
		times[a.Event]++
		subject := string(a.Stream) + " " + a.Subject
		if a.Offset <= last[subject] {
			s.t.Errorf("%s at offset %d of %s was applied after offset %d", a.Event, a.Offset, subject, last[subject])
		}
		last[subject] = a.Offset
	}
	s.fences(b, last)
	if len(times) != s.told {
		s.t.Errorf("the journal has %d events, want %d", len(times), s.told)
	}
	for event, n := range times {
		if n != 1 {
			s.t.Errorf("the journal has %s %d times", event, n)
		}
	}
}

// fences holds every subject's fence to the offset of the last event that the journal has of it.
func (s *sites) fences(b *books, last map[string]plantmesh.Offset) {
	s.t.Helper()
	at := map[string]string{}
	for _, r := range b.read(odoo.ModelFence, []any{}, "x_key", "x_seq") {
		at[fmt.Sprint(r["x_key"])] = fmt.Sprint(r["x_seq"])
	}
	for subject, offset := range last {
		if at[subject] != fmt.Sprint(offset) {
			s.t.Errorf("the fence of %s is at %q, want %d, its last event in the journal", subject, at[subject], offset)
		}
	}
}

// outcomes holds hq to having told of each event once that it is applied.
func (s *sites) outcomes() {
	s.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		applied := s.applied()
		if len(applied) == s.told || time.Now().After(deadline) {
			if len(applied) != s.told {
				s.t.Errorf("hq told of %d applied events, want %d; hq: %s", len(applied), s.told, s.hears())
			}
			for event, n := range applied {
				if n != 1 {
					s.t.Errorf("hq told %d times that %s is applied", n, event)
				}
			}
			return
		}
		<-tick.C
	}
}

func (s *sites) applied() map[string]int {
	s.t.Helper()
	times := map[string]int{}
	from := plantmesh.From{Stream: "hq/mesh", UntilHead: true, OnJump: func(plantmesh.Jump) error { return nil }}
	for d, err := range s.clients[hq].Subscribe(s.t.Context(), from) {
		if errors.Is(err, plantmesh.ErrUnknownStream) {
			return times
		}
		if err != nil {
			s.t.Fatal(err)
		}
		payload, err := plantmesh.Payload(d.Event.GetEvent())
		if err != nil {
			s.t.Fatal(err)
		}
		if p, ok := payload.(*manufacturingv1.ErpApplied); ok {
			times[odoo.EventKey(p.GetEventSource(), p.GetEventId())]++
		}
	}
	return times
}
