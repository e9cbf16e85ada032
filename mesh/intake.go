package mesh

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
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

// batch are frames to be appended together.
type batch struct {
	frames   []frame
	bytes    int
	received time.Time // when the first of them came
}

// frame is what came at once: blocks, and the origin's word for them.
type frame struct {
	blocks      [][]byte
	checkpoints []plantmesh.Checkpoint
}

func (b batch) blocks() (all [][]byte) {
	for _, f := range b.frames {
		all = append(all, f.blocks...)
	}
	return all
}

func (b batch) checkpoints() (all []plantmesh.Checkpoint) {
	for _, f := range b.frames {
		all = append(all, f.checkpoints...)
	}
	return all
}

// pieces cuts a frame behind each block that ends at a checkpoint, or behind each block where there are none.
func (f frame) pieces(lastOffset func(block []byte) (plantmesh.Offset, error)) iter.Seq[frame] {
	return func(yield func(frame) bool) {
		from, rest := 0, f.checkpoints
		for i, b := range f.blocks {
			last, err := lastOffset(b)
			if len(f.checkpoints) > 0 && err == nil && (len(rest) == 0 || rest[0].Offset != last) && i < len(f.blocks)-1 {
				continue
			}
			piece := frame{blocks: f.blocks[from : i+1]}
			if len(rest) > 0 {
				piece.checkpoints, rest = rest[:1], rest[1:]
			}
			if from = i + 1; !yield(piece) {
				return
			}
		}
	}
}

func newIntake(limit int) *intake {
	return &intake{limit: limit, wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// put waits for room, then adds a frame. More than the limit at once are let in alone.
func (in *intake) put(ctx context.Context, f frame, now time.Time) error {
	size := 0
	for _, b := range f.blocks {
		size += len(b)
	}
	for !in.add(f, size, now) {
		select {
		case <-in.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	signal(in.wake)
	return nil
}

func (in *intake) add(f frame, size int, now time.Time) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.bytes > 0 && in.bytes+size > in.limit {
		return false
	}
	if len(in.waiting.frames) == 0 {
		in.waiting.received = now
	}
	in.waiting.frames = append(in.waiting.frames, f)
	in.waiting.bytes += size
	in.bytes += size
	return true
}

// take waits for frames and takes all there are.
func (in *intake) take(ctx context.Context) (batch, error) {
	for {
		in.mu.Lock()
		b := in.waiting
		in.waiting = batch{}
		in.mu.Unlock()
		if len(b.frames) > 0 {
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
