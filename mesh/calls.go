package mesh

import (
	"context"
	"sync"
)

// calls are the open streaming calls of peers, so that all can be ended at shutdown: a gRPC server that stops gracefully
// waits for them. The zero value is ready.
type calls struct {
	mu     sync.Mutex
	open   map[*context.CancelCauseFunc]struct{}
	closed error
}

// begin derives a call's context, which ends with the cause given to end. The caller calls cancel when done.
func (c *calls) begin(parent context.Context) (ctx context.Context, cancel context.CancelCauseFunc) {
	ctx, stop := context.WithCancelCause(parent)
	key := &stop
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		stop(c.closed)
		return ctx, stop
	}
	if c.open == nil {
		c.open = map[*context.CancelCauseFunc]struct{}{}
	}
	c.open[key] = struct{}{}
	return ctx, func(cause error) {
		stop(cause)
		c.mu.Lock()
		delete(c.open, key)
		c.mu.Unlock()
	}
}

// end ends all calls, and every later one at once.
func (c *calls) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = cause
	for cancel := range c.open {
		(*cancel)(cause)
	}
}
