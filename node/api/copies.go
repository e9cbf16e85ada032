package api

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// Copies knows what other sites hold durably.
type Copies interface {
	// WaitCopies waits until an offset is durable at as many sites, this one included. Errors: plantmesh.ErrCopiesMissing.
	WaitCopies(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, off plantmesh.Offset, copies int) error
}

// CopyRule is how many copies of a stream's events are to be durable before they are acknowledged, and how long to wait.
type CopyRule struct {
	Copies  int // this site's included
	Timeout time.Duration
}

// copied waits until what was just recorded here is durable at as many sites as its streams ask for. It stays recorded
// whatever comes of that.
func (s *events) copied(ctx context.Context, receipts []storage.Receipt) error {
	if !s.wantCopies(receipts) {
		return nil
	}
	last := map[storage.Receipt]plantmesh.Offset{} // by stream and incarnation
	for _, r := range receipts {
		key := storage.Receipt{Stream: r.Stream, Incarnation: r.Incarnation}
		last[key] = max(last[key], r.Offset)
	}
	group, ctx := errgroup.WithContext(ctx)
	for key, offset := range last {
		rule := s.cfg.Copies(key.Stream.Domain())
		if rule.Copies <= 1 {
			continue
		}
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, rule.Timeout)
			defer cancel()
			return s.copies.WaitCopies(ctx, key.Stream, key.Incarnation, offset, rule.Copies)
		})
	}
	return group.Wait()
}

// wantCopies tells whether what was recorded has to be elsewhere too before it is acknowledged.
func (s *events) wantCopies(receipts []storage.Receipt) bool {
	return s.cfg.Copies != nil && slices.ContainsFunc(receipts, func(r storage.Receipt) bool { return s.cfg.Copies(r.Stream.Domain()).Copies > 1 })
}
