package reconcile

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/plantmesh/plantmesh/storage"
)

// keyLast is where the last result is kept: a Report as JSON.
const keyLast = "last"

// Status is where scheduled comparisons stand.
type Status struct {
	Last    *Report   // nil: none was made yet
	Next    time.Time // when the next is due; zero before Run
	Problem string    // why the last attempt came to nothing; empty if it did not
}

// Status is a snapshot. Nobody changes its report.
func (s *Scheduled) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Last: s.last, Next: s.next, Problem: s.problem}
}

// Recall finds the last result of an earlier run, whole, if the derived database still has it.
func (s *Scheduled) Recall() error {
	var kept []byte
	err := s.State.View(func(tx *storage.Tx) (err error) {
		kept, err = tx.Get([]byte(keyLast))
		return err
	})
	if err != nil || kept == nil {
		return err
	}
	var r Report
	if err := json.Unmarshal(kept, &r); err != nil {
		return fmt.Errorf("last comparison with Odoo: %w: remove the folder of the derived database, it is rebuilt from the log", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = &r
	return nil
}

// keep has a result outlive the process.
func (s *Scheduled) keep(r Report) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("last comparison with Odoo: %w", err)
	}
	return s.State.Update(func(tx *storage.Tx) error { return tx.Put([]byte(keyLast), text) })
}
