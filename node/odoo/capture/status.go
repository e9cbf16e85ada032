package capture

import (
	"slices"
	"time"
)

// Status says what is captured and how that goes.
type Status struct {
	Kinds []KindStatus
}

// KindStatus is that of one kind of thing.
type KindStatus struct {
	Name, Model string
	Absent      bool      // the model is not installed in this database
	Recorded    uint64    // events, since the node started
	Polled      time.Time // when all changes were seen last; zero: not yet
	Problem     string    // what keeps it from being read, and what to do; empty: nothing
	LeftOut     int       // records of the last full comparison, or changed since, that make no event
	Example     string    // why, of one of them
}

// Status may be called at any time.
func (c *Capture) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Status{Kinds: slices.Clone(c.status.Kinds)}
}

// report keeps how a poll of a kind went, and logs a problem when it begins and when it ends.
func (c *Capture) report(i int, recorded uint64, err error) {
	c.mu.Lock()
	k := &c.status.Kinds[i]
	before := k.Problem
	k.Recorded += recorded
	if err == nil {
		k.Problem, k.Polled = "", c.now()
	} else {
		k.Problem = err.Error()
	}
	now, name := k.Problem, k.Name
	c.mu.Unlock()
	switch {
	case now != "" && now != before:
		c.logger.Warn("changes in odoo cannot be captured", "kind", name, "error", now)
	case now == "" && before != "":
		c.logger.Info("changes in odoo are captured again", "kind", name)
	}
}

// leftOut keeps which records made no event, and logs that a model is not there, once.
func (c *Capture) leftOut(i int, p *pass) {
	c.mu.Lock()
	k := &c.status.Kinds[i]
	if p.leftOut > 0 || p.full {
		k.LeftOut, k.Example = p.leftOut, p.example
	}
	news := p.absent && !k.Absent
	k.Absent = p.absent
	c.mu.Unlock()
	if news {
		c.logger.Info("not captured: the app is not installed in odoo", "kind", p.kind.name, "model", p.kind.model)
	}
}
