package consumer

import (
	"context"
	"errors"
	"sync"
	"time"
)

// gate stops all attempts while nothing can be applied, but one at a time that tries whether something can again.
type gate struct {
	retry time.Duration

	mu      sync.Mutex
	problem error // nil while open
	until   time.Time
	probing bool          // somebody tries
	changed chan struct{} // closed when any of these changes
}

func newGate(retry time.Duration) *gate { return &gate{retry: retry, changed: make(chan struct{})} }

// enter waits until an attempt may be made. probe tells that it is the one that tries.
func (g *gate) enter(ctx context.Context) (probe bool, err error) {
	for {
		g.mu.Lock()
		wait := time.Until(g.until)
		switch {
		case g.problem == nil:
			g.mu.Unlock()
			return false, ctx.Err()
		case !g.probing && wait <= 0:
			g.probing = true
			g.mu.Unlock()
			return true, nil
		case g.probing:
			wait = g.retry // changed comes first, unless the attempt takes long
		}
		changed := g.changed
		g.mu.Unlock()
		if err := waitFor(ctx, wait, changed); err != nil {
			return false, err
		}
	}
}

// open tells whether attempts may be made.
func (g *gate) open() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.problem == nil
}

// leave notes how an attempt ended.
func (g *gate) leave(probe bool, err error) {
	blocked := errors.Is(err, ErrBlocked)
	if !blocked && !probe {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.problem = nil
	if blocked {
		g.problem, g.until = err, time.Now().Add(g.retry)
	}
	if probe {
		g.probing = false
	}
	close(g.changed)
	g.changed = make(chan struct{})
}

// problemText is why the gate is closed; empty while it is open.
func (g *gate) problemText() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.problem == nil {
		return ""
	}
	return g.problem.Error()
}

// waitFor waits for a time, or for a channel to be closed, which may be nil.
func waitFor(ctx context.Context, d time.Duration, early <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
