package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	wants  func(*eventv1.Event) bool               // nil: all
	onJump func(ctx context.Context, j Jump) error // nil: nobody
	jumped func(Jump)                              // nil: nobody
	admit  func(ctx context.Context, t task) error
	logger *slog.Logger

	collected func(plantmesh.StreamName) *Collection
	tryAdmit  func(ctx context.Context, t task) bool // of a collected event; false: there is no room
	freed     <-chan struct{}                        // holds a token when there may be room again
	full      bool                                   // there was none since the last look at the streams

	sources []*source // of streams that match, by name
	known   map[plantmesh.StreamName]bool
	turn    int // source that is refilled next

	commit func(change) error

	mu       sync.Mutex // guards what follows
	problems map[plantmesh.StreamName]string
	jumps    []Jump
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
	collecting  *collecting // nil: its events are due when they come
	bulk        bool        // what is waiting was collected, and gives way
}

func (r *reader) run(ctx context.Context) error {
	for {
		changed := r.log.Changed()
		retry := r.refill(ctx)
		admitted, err := r.drain(ctx)
		if err != nil {
			return err
		}
		if admitted {
			continue
		}
		if err := r.wait(ctx, retry, changed); err != nil {
			return err
		}
	}
}

// refill reads on where a source is empty and its stream has more. It returns how long nothing has to be tried again.
func (r *reader) refill(ctx context.Context) time.Duration {
	for _, head := range r.log.Heads() {
		if !r.known[head.Stream] {
			r.known[head.Stream] = true
			if r.match(head.Stream) {
				s := &source{name: head.Stream}
				r.collect(s)
				r.sources = append(r.sources, s)
			}
		}
	}
	open := map[bool]int{} // sources with collected events leave the others their places
	for _, s := range r.sources {
		if len(s.waiting) > 0 {
			open[s.bulk]++
		}
	}
	retry := sourceRetry
	for range r.sources {
		s := r.sources[r.turn%len(r.sources)]
		r.turn++
		if bulk := s.collecting != nil && !s.waits(); open[bulk] >= openSources {
			continue
		}
		if wait := time.Until(s.retryAt); wait > 0 {
			retry = min(retry, wait)
			continue
		}
		if len(s.waiting) > 0 {
			continue
		}
		err := r.fill(ctx, s)
		r.note(ctx, s, err)
		if len(s.waiting) > 0 {
			open[s.bulk]++
		}
		if s.waits() {
			retry = min(retry, time.Until(s.collecting.opens))
		}
	}
	return retry
}

// fill takes the next events of a stream that are not dealt with.
func (r *reader) fill(ctx context.Context, s *source) error {
	if !s.opened {
		begin, _, err := r.log.Resume(s.name, storage.Position{})
		if err != nil {
			return err
		}
		p, err := r.ledger.open(s.name, begin)
		if err != nil {
			return err
		}
		s.incarnation, s.read, s.ahead, s.opened = p.incarnation, p.low, p.ahead, true
	}
	for len(s.waiting) == 0 {
		if r.wants != nil && r.ledger.aheadOf(s.name) > maxAhead {
			return errUnsettled
		}
		s.bulk = s.collecting != nil
		if s.waits() {
			s.bulk = false
			if err := r.look(ctx, s); !errors.Is(err, errPassed) {
				return err
			}
			s.bulk = true
		}
		head, err := r.log.HeadOf(s.name, s.incarnation)
		if errors.Is(err, plantmesh.ErrUnknownStream) { // its copy here was removed, and may come anew
			return nil
		}
		if err == nil && s.read >= head.Offset || errors.Is(err, plantmesh.ErrIncarnationChanged) {
			if moved, err := r.jump(ctx, s); !moved || err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		blocks, err := r.log.BlocksOf(ctx, s.name, s.incarnation, s.read, 1)
		if errors.Is(err, plantmesh.ErrCorruptBlock) { // past it only once it is known that nobody has it
			if moved, jumpErr := r.jump(ctx, s); moved {
				continue
			} else if jumpErr != nil {
				return jumpErr
			}
		}
		if errors.Is(err, plantmesh.ErrOffsetTrimmed) {
			if moved, err := r.jump(ctx, s); !moved || err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		for _, b := range blocks {
			skipped, err := s.take(b, r.wants)
			if err != nil {
				return err
			}
			if len(skipped) == 0 {
				continue
			}
			if err := r.commit(unwanted(s.name, skipped)); err != nil {
				return err
			}
		}
	}
	return nil
}

// errUnsettled is a jump that waits for what was read before it.
var errUnsettled = errors.New("not settled")

// unsettledRetry is how soon it is tried again.
const unsettledRetry = 50 * time.Millisecond

// jump goes on where the stream does if that is not right behind what was read, as soon as everything before is dealt with:
// the order of a subject holds across incarnations. moved is false if there is nothing to read now.
func (r *reader) jump(ctx context.Context, s *source) (moved bool, err error) {
	at := storage.Position{Incarnation: s.incarnation, Offset: s.read}
	to, jump, err := r.log.Resume(s.name, at)
	if err != nil || jump == nil {
		return false, err
	}
	if !r.ledger.settledUpTo(s.name, at) {
		return false, errUnsettled
	}
	j := Jump{Jump: *jump, Stream: s.name, Time: time.Now()}
	if r.onJump != nil {
		if err := r.onJump(ctx, j); err != nil {
			return false, fmt.Errorf("%s goes on elsewhere, which has not been taken notice of: %w", s.name, err)
		}
	}
	if err := r.commit(jumped(s.name, to)); err != nil {
		return false, err
	}
	s.incarnation, s.read, s.ahead = to.Incarnation, to.Offset, map[plantmesh.Offset]struct{}{}
	r.collect(s)
	r.logger.WarnContext(ctx, "a stream goes on elsewhere: events that may have been there are not any more", "stream", string(s.name),
		"incarnation", uint64(at.Incarnation), "read", uint64(at.Offset), "to_incarnation", uint64(to.Incarnation), "to", uint64(to.Offset))
	if r.jumped != nil {
		r.jumped(j)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jumps = append(r.jumps, j)
	r.jumps = r.jumps[max(0, len(r.jumps)-maxJumps):]
	return true, nil
}

func (r *reader) pastJumps() []Jump {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.jumps)
}

// maxAhead bounds how many events that are not wanted are passed over while one before them is not dealt with.
const maxAhead = 100_000

// take decodes a block, and takes its events up to the first that has to wait. It returns the offsets of those that are not wanted.
func (s *source) take(b *storage.Block, wants func(*eventv1.Event) bool) (skipped []plantmesh.Offset, err error) {
	batch, err := b.Batch()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	for _, event := range batch.GetEvents() {
		offset := plantmesh.Offset(event.GetOffset())
		if offset <= s.read {
			continue
		}
		_, dealt := s.ahead[offset]
		if !dealt && s.collecting != nil && !s.collecting.due(event) {
			s.hold()
			break
		}
		s.read = offset
		if dealt {
			delete(s.ahead, offset)
			continue
		}
		if wants != nil && !wants(event.GetEvent()) {
			skipped = append(skipped, offset)
			continue
		}
		s.waiting = append(s.waiting, event)
	}
	return skipped, nil
}

// note keeps why a stream cannot be read, for the status, and says it once.
func (r *reader) note(ctx context.Context, s *source, err error) {
	if errors.Is(err, ctx.Err()) && ctx.Err() != nil {
		return
	}
	if errors.Is(err, errUnsettled) {
		s.retryAt = time.Now().Add(unsettledRetry)
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
