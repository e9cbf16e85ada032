package exceptions

import (
	"time"

	"github.com/plantmesh/plantmesh"
)

// Domain is that of the stream that exceptions are recorded in.
const Domain = "exceptions"

// Kinds of conditions that a node sees by itself.
const (
	KindDiverged  = "stream-diverged"
	KindGap       = "stream-gap"
	KindJump      = "history-jump"
	KindLost      = "range-lost"
	KindClockSkew = "clock-skew"
	KindParked    = "subject-parked"
	KindBlocked   = "capture-blocked"

	KindUnconfirmed = "event-unconfirmed"
	KindRejected    = "event-rejected"

	KindReconciliation = "reconciliation-gap"
)

// Operations is who has to look at the conditions that a node sees.
const Operations = "operations"

// Condition is something that holds now.
type Condition struct {
	Kind    string
	About   string // with the kind, its name
	Summary string // what is wrong
	Action  string // what to do
	Owner   string // a role
}

// Open is a condition with its exception.
type Open struct {
	Condition
	ID     string
	Raised time.Time
}

// Source looks for conditions of some kinds. Its methods are called by the keeper, one at a time.
type Source interface {
	// Kinds are those that it looks for. No other source does.
	Kinds() []string
	// Conditions are what holds now.
	Conditions() []Condition
	// Ended tells whether an open condition, which is not among those, has certainly ended. how says so to people.
	Ended(o Open) (ended bool, how string)
}

// ownStream tells the streams that nodes write about themselves. What is parked or missed of them raises no exception: it would be one
// more event to park or miss.
func ownStream(s plantmesh.StreamName) bool {
	return s.Domain() == Domain || s.Domain() == "audit"
}
