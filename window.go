package plantmesh

import (
	"context"
	"errors"

	"golang.org/x/sync/semaphore"
)

// window bounds what is unanswered, by count and by bytes. Safe for concurrent use.
type window struct {
	requests chan struct{}
	bytes    *semaphore.Weighted
}

func newWindow(requests int, bytes int64) *window {
	return &window{requests: make(chan struct{}, requests), bytes: semaphore.NewWeighted(bytes)}
}

// errWindowShut is the error of acquire when the window's owner is done.
var errWindowShut = errors.New("nothing is sent any more")

// acquire waits for room for one request, until ctx ends or done is closed.
func (w *window) acquire(ctx context.Context, done <-chan struct{}, bytes int64) error {
	select {
	case w.requests <- struct{}{}:
	case <-done:
		return errWindowShut
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// Bytes come free at the latest when the owner answers everything with what ended it.
	if err := w.bytes.Acquire(ctx, bytes); err != nil {
		<-w.requests
		return context.Cause(ctx)
	}
	return nil
}

func (w *window) release(bytes int64) {
	w.bytes.Release(bytes)
	<-w.requests
}
