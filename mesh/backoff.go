package mesh

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff spaces attempts: exponential from least to most, each wait between half and all of its step, so that nodes
// that lost the same peer do not come back together.
type backoff struct {
	least, most time.Duration
	step        time.Duration
}

func (b *backoff) next() time.Duration {
	b.step = min(max(2*b.step, b.least), b.most)
	return jitter(b.step)
}

func (b *backoff) reset() { b.step = 0 }

// jitter is between half of d and d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// sleep waits for d, or less if nudged. It is false when ctx ended.
func sleep(ctx context.Context, d time.Duration, nudge <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-nudge:
	case <-ctx.Done():
		return false
	}
	return true
}
