package consumer

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// task is one thing to do for a subject: an event to handle, or an attempt at what is parked.
type task struct {
	key   subjectKey
	event Delivery // without an event: an attempt at what is parked
	bytes int64    // of the window
	turn  *turn    // nil if it stands behind another of its subject

	discard *discarding // what is parked is given up first
}

// lanes run tasks: those of one subject one after the other, across all streams, those of different subjects at once. A
// lane is a goroutine that lives while its subject has tasks.
type lanes struct {
	group *errgroup.Group
	run   func(ctx context.Context, t task) error

	slots       *semaphore.Weighted // tasks in the window
	bytes       *semaphore.Weighted // their bytes
	windowBytes int64

	bulkSlots, bulkBytes *semaphore.Weighted // of collected events: a window of their own
	freed                chan struct{}       // holds a token when one of them has left

	mu     sync.Mutex
	queues map[string][]task // by subject; present while its lane runs
	latest *turn             // of the event admitted last
}

func newLanes(cfg Config, run func(context.Context, task) error) *lanes {
	return &lanes{
		run: run, slots: semaphore.NewWeighted(int64(cfg.Window)), bytes: semaphore.NewWeighted(cfg.WindowBytes),
		windowBytes: cfg.WindowBytes, queues: map[string][]task{},
		bulkSlots: semaphore.NewWeighted(int64(cfg.Bulk)), bulkBytes: semaphore.NewWeighted(cfg.WindowBytes), freed: make(chan struct{}, 1),
	}
}

// admit waits until the window has room for a task, and puts it behind the others of its subject.
func (l *lanes) admit(ctx context.Context, t task) error {
	if err := l.slots.Acquire(ctx, 1); err != nil {
		return err
	}
	t.bytes = min(t.bytes, l.windowBytes)
	if err := l.bytes.Acquire(ctx, t.bytes); err != nil {
		l.slots.Release(1)
		return err
	}
	l.enqueue(ctx, t)
	return nil
}

// tryAdmit is admit for a collected event; false if their window has no room.
func (l *lanes) tryAdmit(ctx context.Context, t task) bool {
	if !l.bulkSlots.TryAcquire(1) {
		return false
	}
	t.bytes = min(t.bytes, l.windowBytes)
	if !l.bulkBytes.TryAcquire(t.bytes) {
		l.bulkSlots.Release(1)
		return false
	}
	l.enqueue(ctx, t)
	return true
}

// enqueue puts a task that has its room behind the others of its subject.
func (l *lanes) enqueue(ctx context.Context, t task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue, running := l.queues[t.key.subject]
	if !running && t.event.Event != nil {
		t.turn = newTurn(l.latest)
		l.latest, t.event.turn = t.turn, t.turn
	}
	l.queues[t.key.subject] = append(queue, t)
	if !running {
		l.group.Go(func() error { return l.lane(ctx, t.key.subject) })
	}
}

// lane runs the tasks of a subject until there are none.
func (l *lanes) lane(ctx context.Context, subject string) error {
	for {
		t, ok := l.next(subject)
		if !ok {
			return nil
		}
		if err := l.run(ctx, t); err != nil {
			return err
		}
	}
}

// leave gives a task's room back.
func (l *lanes) leave(t task) {
	if t.event.Collected {
		l.bulkBytes.Release(t.bytes)
		l.bulkSlots.Release(1)
		select {
		case l.freed <- struct{}{}:
		default:
		}
		return
	}
	l.bytes.Release(t.bytes)
	l.slots.Release(1)
}

func (l *lanes) next(subject string) (task, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.queues[subject]
	if len(queue) == 0 {
		delete(l.queues, subject)
		return task{}, false
	}
	l.queues[subject] = queue[1:]
	return queue[0], true
}

// sizeOf estimates the memory of an event.
func sizeOf(r *eventv1.RecordedEvent) int64 {
	const overhead = 512
	return int64(len(r.GetEvent().GetData())) + overhead
}
