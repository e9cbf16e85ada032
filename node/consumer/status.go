package consumer

import (
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/telemetry"
	"github.com/plantmesh/plantmesh/storage"
)

// Status is where a consumer stands.
type Status struct {
	Problem   string            // what keeps it from working; empty if nothing
	Counts    Counts            // since the derived database was made
	Positions []Position        // by stream name
	Parked    []Parked          // oldest first
	Jumps     []Jump            // since Run began, the oldest first; the last maxJumps
	Latency   telemetry.Summary // from the recording at the origin to the handler's success, since Run began
}

// Counts counts events by what became of them. They are stored together with the positions, so that each event counts
// once, however often it was delivered.
type Counts struct {
	Applied    uint64 // the effect is made
	Duplicates uint64 // of these: the handler answered ErrDuplicate
	Ignored    uint64 // ErrIgnored
	Parked     uint64 // parked or held back now
	Discarded  uint64 // given up by somebody
	Retries    uint64 // deliveries repeated after a passing fault; a crash may lose the last of them
}

// Position is how far a consumer has come in a stream.
type Position struct {
	Stream plantmesh.StreamName
	Offset plantmesh.Offset // every event up to here is dealt with: applied, ignored or held back
	Head   plantmesh.Offset // of that incarnation here

	Waiting uint64    // events up to Head that are not dealt with
	Opens   time.Time // the next opening for those that are collected; zero: none are

	Incarnation     plantmesh.Incarnation // that they are of
	KeptIncarnation plantmesh.Incarnation
	Kept            plantmesh.Offset // of KeptIncarnation: no event up to here is needed any more, none is held back
}

// Parked is a subject of one stream that is set aside.
type Parked struct {
	Stream    plantmesh.StreamName
	Subject   string
	Offset    plantmesh.Offset // of the event that could not be applied
	EventID   string
	EventType string
	Reason    string
	Events    uint64 // held back, the first included
	Since     time.Time
	Attempts  int // made with that event
	RetryTime time.Time
}

// Jump is where a stream could not be read on right behind what was read before: events are not kept any more, or the
// origin lost its log and began a new incarnation.
type Jump struct {
	storage.Jump
	Stream plantmesh.StreamName
	Time   time.Time
}

// maxJumps bounds the jumps that a status tells of.
const maxJumps = 100
