package confirmations

import (
	"cmp"
	"slices"
	"time"

	"github.com/plantmesh/plantmesh"
)

// Overdue are the events of one type in one stream whose outcome was not told in time.
type Overdue struct {
	Stream    plantmesh.StreamName
	Type      string
	Within    time.Duration
	Procedure string // what a person does meanwhile, as the catalog has it
	Count     int
	More      bool // than were counted
	// The oldest.
	Offset   plantmesh.Offset
	Subject  string
	Recorded time.Time
}

// Overdue is what is overdue now, by stream and type, the oldest first. looked is false before the first look of this run.
func (f *Follower) Overdue() (all []Overdue, looked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.overdue(), f.looked
}

func (f *Follower) overdue() []Overdue {
	now := time.Now()
	var all []Overdue
	for _, h := range f.state.Histories {
		groups := map[string]int{} // index in all, by type
		for _, w := range h.Waiting {
			if limit := within(w.Type); now.Sub(w.Recorded) <= limit {
				continue
			}
			i, ok := groups[w.Type]
			if !ok {
				t, err := plantmesh.LookupEventType(w.Type)
				if err != nil {
					continue
				}
				i, groups[w.Type] = len(all), len(all)
				all = append(all, Overdue{
					Stream: h.Stream, Type: w.Type, Within: t.ConfirmWithin, Procedure: t.ManualProcedure, More: len(h.Waiting) >= maxWaiting,
					Offset: w.Offset, Subject: w.Subject, Recorded: w.Recorded,
				})
			}
			all[i].Count++
		}
	}
	slices.SortFunc(all, func(a, b Overdue) int {
		return cmp.Or(a.Recorded.Compare(b.Recorded), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Type, b.Type))
	})
	return all
}

// Rejected are the events that the ERP refused, and that were neither applied nor given up since.
func (f *Follower) Rejected() (all []Rejected, looked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.state.Rejected {
		all = append(all, r.Event)
	}
	return all, f.looked
}

// Totals are what waits, is overdue or rejected; ok is false where no outcomes are followed.
func (f *Follower) Totals() (t Totals, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.totals(), f.looked
}

func (f *Follower) totals() Totals {
	t := Totals{Rejected: len(f.state.Rejected)}
	for _, h := range f.state.Histories {
		t.Waiting += len(h.Waiting)
		t.GivenUp += h.GivenUp
		if len(h.Waiting) > 0 && (t.Oldest.IsZero() || h.Waiting[0].Recorded.Before(t.Oldest)) {
			t.Oldest = h.Waiting[0].Recorded
		}
	}
	for _, o := range f.overdue() {
		t.Overdue += o.Count
	}
	return t
}
