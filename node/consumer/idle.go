package consumer

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// idle is the time before Run. Nothing is delivered then, so people's wishes go to the ledger directly.
type idle struct {
	mu   sync.Mutex // held by whoever changes the ledger without the committer
	over bool
}

func (i *idle) leave() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
}

// retryIdle makes parked subjects due; done is false if Run goes on.
func (c *Consumer) retryIdle(key subjectKey) (tried int, done bool, err error) {
	c.idle.mu.Lock()
	defer c.idle.mu.Unlock()
	if c.idle.over {
		return 0, false, nil
	}
	var keys []subjectKey
	c.ledger.mu.Lock()
	for k := range c.ledger.parked {
		if key.stream == "" || k == key {
			keys = append(keys, k)
		}
	}
	c.ledger.mu.Unlock()
	if len(keys) == 0 && key.stream != "" {
		return 0, true, notParked(key)
	}
	return len(keys), true, c.ledger.apply([]change{due(keys, time.Now())})
}

// discardIdle gives an event up; done is false if Run goes on.
func (c *Consumer) discardIdle(ctx context.Context, k subjectKey, wish *discarding) (record *adminv1.DiscardedEvent, done bool, err error) {
	c.idle.mu.Lock()
	defer c.idle.mu.Unlock()
	if c.idle.over {
		return nil, false, nil
	}
	record, err = c.discard(ctx, k, wish, func(ch change) error { return c.ledger.apply([]change{ch, due([]subjectKey{k}, time.Now())}) })
	return record, true, err
}

// due: parked subjects are tried as soon as there is somebody to try them.
func due(keys []subjectKey, now time.Time) change {
	return func(l *ledger, w *writes) {
		for _, k := range keys {
			if p := l.parked[k]; p != nil {
				p.retrying, p.record.RetryTime = false, timestamppb.New(now)
				w.parked[k] = struct{}{}
			}
		}
	}
}
