package consumer

import (
	"context"
	"sync"
)

// turn keeps deliveries of different subjects in the order in which they were taken from the log, up to the point where the handler
// begins with them: goroutines that start together run in any order.
type turn struct {
	before <-chan struct{} // closed when the one before has begun
	begun  chan struct{}
	once   sync.Once
}

func newTurn(before *turn) *turn {
	t := &turn{begun: make(chan struct{})}
	if before != nil {
		t.before = before.begun
	}
	return t
}

// begin lets the next one come.
func (t *turn) begin() {
	if t != nil {
		t.once.Do(func() { close(t.begun) })
	}
}

// Wait waits until the events that were taken from the log before this one have begun. A handler that begins events in order calls it
// first, and [Delivery.Begin] when it has begun. Others need not.
func (d Delivery) Wait(ctx context.Context) error {
	if d.turn == nil || d.turn.before == nil {
		return ctx.Err()
	}
	select {
	case <-d.turn.before:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Begin says that the event has begun: the next ones may. It is called at the latest when the handler returns.
func (d Delivery) Begin() { d.turn.begin() }
