package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

const (
	// openSources is how many streams are read side by side. Each costs a decoded block, about 3 MiB at most.
	openSources = 8
	// sourceRetry is how long a stream that cannot be read waits for the next attempt.
	sourceRetry = 10 * time.Second
)

// reader takes events from the log and admits them to the lanes: of each stream in offset order, of several that are
// behind by recording time, so that what happened first at one site tends to come before what followed at another.
type reader struct {
	log    *storage.Log
	ledger *ledger
	match  func(plantmesh.StreamName) bool
	admit  func(ctx context.Context, t task) error
	logger *slog.Logger

	sources []*source // of streams that match, by name
	known   map[plantmesh.StreamName]bool
	turn    int // source that is refilled next

	mu       sync.Mutex
	problems map[plantmesh.StreamName]string
}

// source is one stream.
type source struct {
	name        plantmesh.StreamName
	incarnation plantmesh.Incarnation
	read        plantmesh.Offset              // last offset taken
	ahead       map[plantmesh.Offset]struct{} // dealt with by an earlier run
	waiting     []*eventv1.RecordedEvent
	retryAt     time.Time // while it cannot be read
	opened      bool
}

func (r *reader) run(ctx context.Context) error {
	for {
		changed := r.log.Changed()
		retry := r.refill(ctx)
		if first := r.earliest(); first != nil {
			if err := r.drain(ctx); err != nil {
				return err
			}
			continue
		}
		if err := waitFor(ctx, retry, changed); err != nil {
			return err
		}
	}
}

// drain admits events, the earliest first, until some source is empty.
func (r *reader) drain(ctx context.Context) error {
	for {
		s := r.earliest()
		if s == nil {
			return nil
		}
		event := s.waiting[0]
		s.waiting[0], s.waiting = nil, s.waiting[1:]
		t := task{
			key:   subjectKey{stream: s.name, subject: event.GetEvent().GetSubject()},
			event: Delivery{Stream: s.name, Incarnation: s.incarnation, Event: event}, bytes: sizeOf(event),
		}
		if err := r.admit(ctx, t); err != nil {
			return err
		}
		if len(s.waiting) == 0 {
			return nil
		}
	}
}

// earliest is the source whose next event was recorded first; nil if all are empty.
func (r *reader) earliest() *source {
	var first *source
	var at time.Time
	for _, s := range r.sources {
		if len(s.waiting) == 0 {
			continue
		}
		if t := s.waiting[0].GetRecordedTime().AsTime(); first == nil || t.Before(at) {
			first, at = s, t
		}
	}
	return first
}

// refill reads on where a source is empty and its stream has more. It returns how long nothing has to be tried again.
func (r *reader) refill(ctx context.Context) time.Duration {
	heads := map[plantmesh.StreamName]plantmesh.Head{}
	for _, head := range r.log.Heads() {
		heads[head.Stream] = head
		if !r.known[head.Stream] {
			r.known[head.Stream] = true
			if r.match(head.Stream) {
				r.sources = append(r.sources, &source{name: head.Stream})
			}
		}
	}
	open := 0
	for _, s := range r.sources {
		if len(s.waiting) > 0 {
			open++
		}
	}
	retry := sourceRetry
	for range r.sources {
		if open >= openSources {
			break
		}
		s := r.sources[r.turn%len(r.sources)]
		r.turn++
		if wait := time.Until(s.retryAt); wait > 0 {
			retry = min(retry, wait)
			continue
		}
		if len(s.waiting) > 0 {
			continue
		}
		err := r.fill(ctx, s, heads[s.name])
		r.note(ctx, s, err)
		if len(s.waiting) > 0 {
			open++
		}
	}
	return retry
}

// fill takes the next events of a stream that are not dealt with.
func (r *reader) fill(ctx context.Context, s *source, head plantmesh.Head) error {
	if !s.opened {
		p, err := r.ledger.open(head)
		if err != nil {
			return err
		}
		s.incarnation, s.read, s.ahead, s.opened = p.incarnation, p.low, p.ahead, true
	}
	for len(s.waiting) == 0 && s.read < head.Offset {
		blocks, err := r.log.Blocks(ctx, s.name, s.read, 1)
		if err != nil {
			return err
		}
		for _, b := range blocks {
			if err := s.take(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// take decodes a block.
func (s *source) take(b *storage.Block) error {
	if b.Incarnation() != s.incarnation {
		return fmt.Errorf("%s: %w: %d was read up to %d, here is %d: restart the node", s.name, plantmesh.ErrIncarnationChanged, s.incarnation, s.read, b.Incarnation())
	}
	batch, err := b.Batch()
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	for _, event := range batch.GetEvents() {
		offset := plantmesh.Offset(event.GetOffset())
		if offset <= s.read {
			continue
		}
		s.read = offset
		if _, dealt := s.ahead[offset]; dealt {
			delete(s.ahead, offset)
			continue
		}
		s.waiting = append(s.waiting, event)
	}
	return nil
}

// note keeps why a stream cannot be read, for the status, and says it once.
func (r *reader) note(ctx context.Context, s *source, err error) {
	if errors.Is(err, ctx.Err()) && ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		s.retryAt = time.Time{}
		delete(r.problems, s.name)
		return
	}
	s.retryAt = time.Now().Add(sourceRetry)
	if r.problems[s.name] != err.Error() {
		r.logger.Error("a stream cannot be consumed; the others go on", "stream", string(s.name), "error", err)
		r.problems[s.name] = err.Error()
	}
}
