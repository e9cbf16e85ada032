package mesh

import (
	"context"
	"sync"
	"time"
)

// intake holds blocks between one goroutine that receives and one that appends, bounded in bytes: those that wait and
// those that are being appended count.
type intake struct {
	limit int
	wake  chan struct{} // something came
	room  chan struct{} // something went

	mu      sync.Mutex // guards what follows
	waiting batch
	bytes   int
}

// batch are blocks to be appended together.
type batch struct {
	blocks   [][]byte
	bytes    int
	received time.Time // when the first of them came
}

func newIntake(limit int) *intake {
	return &intake{limit: limit, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put waits for room, then adds blocks. More than the limit at once are let in alone.
func (in *intake) put(ctx context.Context, blocks [][]byte, now time.Time) error {
	size := 0
	for _, b := range blocks {
		size += len(b)
	}
	for !in.add(blocks, size, now) {
		select {
		case <-in.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	signal(in.wake)
	return nil
}

func (in *intake) add(blocks [][]byte, size int, now time.Time) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.bytes > 0 && in.bytes+size > in.limit {
		return false
	}
	if len(in.waiting.blocks) == 0 {
		in.waiting.received = now
	}
	in.waiting.blocks = append(in.waiting.blocks, blocks...)
	in.waiting.bytes += size
	in.bytes += size
	return true
}

// take waits for blocks and takes all there are.
func (in *intake) take(ctx context.Context) (batch, error) {
	for {
		in.mu.Lock()
		b := in.waiting
		in.waiting = batch{}
		in.mu.Unlock()
		if len(b.blocks) > 0 {
			return b, nil
		}
		select {
		case <-in.wake:
		case <-ctx.Done():
			return batch{}, ctx.Err()
		}
	}
}

// done makes room.
func (in *intake) done(b batch) {
	in.mu.Lock()
	in.bytes -= b.bytes
	in.mu.Unlock()
	signal(in.room)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
