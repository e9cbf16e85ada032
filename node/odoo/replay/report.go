package replay

import (
	"time"

	"github.com/plantmesh/plantmesh"
)

// maxFindings is how many findings a report names; all are counted.
const maxFindings = 200

// Report says what became of the events of a span of time.
type Report struct {
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Streams []Stream  `json:"streams"`
	Total   Counts    `json:"total"`
	// Findings are the first of what should not be, in the order found.
	Findings []Finding `json:"findings"`
	// Valid is true if nothing is found that should not be.
	Valid bool `json:"valid"`
}

// Stream is what became of the events of one stream.
type Stream struct {
	Name plantmesh.StreamName `json:"stream"`
	Counts
}

// Counts are numbers of events.
type Counts struct {
	Recorded  int `json:"recorded"`
	Applied   int `json:"applied"`   // once, by the journal in Odoo
	NoEffect  int `json:"no_effect"` // of types that mean nothing to Odoo, or captured from there
	Parked    int `json:"parked"`    // refused by Odoo, or behind one that is
	Discarded int `json:"discarded"` // given up by somebody
	Queued    int `json:"queued"`    // the node is not there yet
	Missing   int `json:"missing"`   // none of these: it is lost on the way
	Doubled   int `json:"doubled"`   // applied more than once
	Reordered int `json:"reordered"` // applied before an earlier one of its subject
	NotHeld   int `json:"not_held"`  // the node does not hold them any more: nothing is proved of them
}

func (c *Counts) add(o Counts) {
	c.Recorded += o.Recorded
	c.Applied += o.Applied
	c.NoEffect += o.NoEffect
	c.Parked += o.Parked
	c.Discarded += o.Discarded
	c.Queued += o.Queued
	c.Missing += o.Missing
	c.Doubled += o.Doubled
	c.Reordered += o.Reordered
	c.NotHeld += o.NotHeld
}

func (c Counts) faults() int { return c.Missing + c.Doubled + c.Reordered + c.NotHeld }

// Finding is one event with which something is wrong.
type Finding struct {
	Stream  plantmesh.StreamName `json:"stream"`
	Offset  plantmesh.Offset     `json:"offset"`
	Event   string               `json:"event,omitempty"` // source and id
	Subject string               `json:"subject,omitempty"`
	What    string               `json:"what"`
}
