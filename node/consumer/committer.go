package consumer

import (
	"sync"
)

// committer joins the changes that wait at the same time into one batch of the ledger.
type committer struct {
	ledger *ledger
	wake   chan struct{} // holds one token while something waits
	quit   chan struct{} // closed when nothing more will come

	mu      sync.Mutex
	waiting []*entry
}

// entry is one change on its way.
type entry struct {
	change change
	done   chan struct{} // closed after err is set
	err    error
}

func newCommitter(l *ledger) *committer {
	return &committer{ledger: l, wake: make(chan struct{}, 1), quit: make(chan struct{})}
}

// commit returns when a change is written. It does not end early: what a handler did has to be noted, whatever ends.
func (c *committer) commit(ch change) error {
	e := &entry{change: ch, done: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, e)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	<-e.done
	return e.err
}

// run commits until quit is closed, which comes after the last commit has returned.
func (c *committer) run() {
	var failed error
	for {
		select {
		case <-c.wake:
		case <-c.quit:
			return
		}
		c.mu.Lock()
		entries := c.waiting
		c.waiting = nil
		c.mu.Unlock()
		changes := make([]change, len(entries))
		for i, e := range entries {
			changes[i] = e.change
		}
		if failed == nil && len(changes) > 0 {
			failed = c.ledger.apply(changes) // memory and database disagree now: nothing may follow
		}
		for _, e := range entries {
			e.err = failed
			close(e.done)
		}
	}
}
