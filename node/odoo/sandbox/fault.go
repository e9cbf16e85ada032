package sandbox

import (
	"sync"
	"time"
)

// Fault is what goes wrong with some calls.
type Fault struct {
	Calls int    // how many
	Only  string // `model/method`; empty: any

	Delay  time.Duration // waits first
	Status int           // answers this status instead of doing anything, with Name as Python's exception
	Name   string
	Drop   bool // does everything, commits, and closes the connection without a reply
}

type faults struct {
	mu      sync.Mutex
	pending []Fault
}

// Inject makes the next calls that match go wrong. Several faults wait in line.
func (s *Server) Inject(f Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.pending = append(s.faults.pending, f)
}

// next takes the fault for a call; the zero value means none.
func (f *faults) next(target string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.pending {
		p := &f.pending[i]
		if p.Only != "" && p.Only != target {
			continue
		}
		taken := *p
		if p.Calls--; p.Calls <= 0 {
			f.pending = append(f.pending[:i], f.pending[i+1:]...)
		}
		return taken
	}
	return Fault{}
}
