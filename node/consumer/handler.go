package consumer

import (
	"context"
	"errors"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Delivery is one event for a handler. The event belongs to the handler for the time of the call; it may be kept if it is
// not changed.
type Delivery struct {
	Stream      plantmesh.StreamName
	Incarnation plantmesh.Incarnation
	Event       *eventv1.RecordedEvent
	Attempt     int  // 1 for the first; counted anew after a restart, but for parked events and where attempts are limited
	Collected   bool // it waited for an opening, together with others; see Collection

	turn *turn
}

// Handler makes the effect of an event. It is called by several goroutines, never for two events of one subject at once.
//
// What it returns decides what becomes of the event:
//
//   - nil: the effect is made. The next event of the subject follows.
//   - ErrDuplicate: the effect was made before, by an attempt whose answer was lost. As nil.
//   - ErrIgnored: events of this type have no effect here. The next event of the subject follows.
//   - [Park]: it cannot be applied as things are. The event is set aside, and later events of its subject in its stream are
//     held back behind it, until a retry succeeds.
//   - ErrBlocked: nothing can be applied as things are, such as a key that is not valid. All subjects wait, one call at a
//     time tries again slowly, and the error is shown in the status.
//   - anything else: a passing fault. The same event is delivered again after a while; its subject waits.
//
// After a crash an event may be delivered although its effect is made: the handler has to recognize that.
type Handler interface {
	Handle(ctx context.Context, d Delivery) error
}

// How a handler answers, beside nil and [Park].
var (
	ErrIgnored   = errors.New("events of this type have no effect here")
	ErrDuplicate = errors.New("the event was applied before")
	ErrBlocked   = errors.New("nothing can be applied")
)

// ParkError sets an event aside. Err says why, in words for the person who has to correct something.
type ParkError struct{ Err error }

func (e *ParkError) Error() string { return e.Err.Error() }
func (e *ParkError) Unwrap() error { return e.Err }

// Park makes the error that sets an event aside.
func Park(err error) error { return &ParkError{Err: err} }
