package confirmations

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// hear reads a stream of outcomes to its end. f.mu is held, here and below.
func (f *Follower) hear(ctx context.Context, s plantmesh.StreamName) error {
	for {
		at := f.state.Outcomes[s]
		next, err := f.onward(ctx, s, at, func(e *eventv1.RecordedEvent) bool { f.take(e); return true })
		if next != at {
			f.state.Outcomes[s], f.dirty = next, true
		}
		if err != nil || next == at {
			return err
		}
	}
}

// onward hands the next events of a stream to fn until that returns false, and returns up to where they were taken; the same position if there
// is nothing.
func (f *Follower) onward(ctx context.Context, s plantmesh.StreamName, at storage.Position, fn func(*eventv1.RecordedEvent) bool) (storage.Position, error) {
	if at.Incarnation == 0 {
		first, _, err := f.log.Resume(s, storage.Position{})
		return first, err
	}
	head, err := f.log.HeadOf(s, at.Incarnation)
	if err != nil && !errors.Is(err, plantmesh.ErrIncarnationChanged) {
		return at, err
	}
	if err != nil || head.Offset <= at.Offset {
		return f.jump(s, at, nil)
	}
	blocks, err := f.log.BlocksOf(ctx, s, at.Incarnation, at.Offset, readBytes)
	if errors.Is(err, plantmesh.ErrOffsetTrimmed) || errors.Is(err, plantmesh.ErrCorruptBlock) {
		return f.jump(s, at, err)
	}
	if err != nil {
		return at, err
	}
	for _, b := range blocks {
		batch, err := b.Batch()
		if err != nil {
			return at, err
		}
		for _, e := range batch.GetEvents() {
			if plantmesh.Offset(e.GetOffset()) <= at.Offset {
				continue
			}
			if !fn(e) {
				return at, nil
			}
			at.Offset = plantmesh.Offset(e.GetOffset())
		}
	}
	return at, nil
}

// jump goes to where a stream goes on, if not right here; cause is why it was tried, and is returned if it does not.
func (f *Follower) jump(s plantmesh.StreamName, at storage.Position, cause error) (storage.Position, error) {
	to, jump, err := f.log.Resume(s, at)
	if err != nil || jump == nil {
		return at, errors.Join(err, cause)
	}
	return to, nil
}

// take notes what an outcome says of an event of this site.
func (f *Follower) take(recorded *eventv1.RecordedEvent) {
	payload, err := plantmesh.Payload(recorded.GetEvent())
	if err != nil {
		return // of a version that knows more
	}
	switch p := payload.(type) {
	case *manufacturingv1.ErpApplied:
		f.settle(place{plantmesh.StreamName(p.GetStream()), plantmesh.Incarnation(p.GetIncarnation()), plantmesh.Offset(p.GetOffset())}, nil)
	case *manufacturingv1.ErpRejected:
		at := place{plantmesh.StreamName(p.GetStream()), plantmesh.Incarnation(p.GetIncarnation()), plantmesh.Offset(p.GetOffset())}
		if p.GetDiscarded() {
			f.settle(at, nil)
			return
		}
		f.settle(at, &Rejected{
			Stream: at.Stream, Offset: at.Offset, Type: p.GetEventType(), Subject: p.GetEventSubject(), Reason: p.GetReason(), Time: p.GetRejectTime().AsTime(),
		})
	}
}

func (f *Follower) settle(at place, rejected *Rejected) {
	i := slices.IndexFunc(f.state.Histories, func(h *history) bool { return h.Stream == at.Stream && h.Incarnation == at.Incarnation })
	if i < 0 {
		return // another site's, or from before
	}
	f.dirty = f.state.Histories[i].told(at.Offset) || f.dirty
	known := slices.IndexFunc(f.state.Rejected, func(r rejection) bool { return r.At == at })
	switch {
	case rejected == nil && known >= 0:
		f.state.Rejected, f.dirty = slices.Delete(f.state.Rejected, known, known+1), true
	case rejected != nil && known >= 0:
		f.state.Rejected[known].Event, f.dirty = *rejected, true
	case rejected != nil && !f.cfg.Parks && len(f.state.Rejected) < maxRejected:
		f.state.Rejected, f.dirty = append(f.state.Rejected, rejection{at, *rejected}), true
	}
}

// read takes in events of the site, as far as not too many wait.
func (f *Follower) read(ctx context.Context, h *history) error {
	for {
		at := storage.Position{Incarnation: h.Incarnation, Offset: h.Frontier}
		next, err := f.onward(ctx, h.Stream, at, func(e *eventv1.RecordedEvent) bool {
			event := e.GetEvent()
			w := waiting{Offset: plantmesh.Offset(e.GetOffset()), Type: event.GetType(), Subject: event.GetSubject(), Recorded: e.GetRecordedTime().AsTime()}
			return h.read(w, event.GetSource() != f.cfg.Captured && within(event.GetType()) > 0)
		})
		switch {
		case errors.Is(err, plantmesh.ErrUnknownStream): // it is gone, and what waited with it
			h.Waiting, h.Told = nil, nil
			return nil
		case err != nil:
			return err
		case next.Incarnation != h.Incarnation || next == at:
			return nil // a newer history is followed by itself
		}
		f.dirty = true
		h.Frontier = max(h.Frontier, next.Offset) // behind what is trimmed
	}
}

// within is how soon an event of a type asks for its outcome; 0: not at all.
func within(name string) time.Duration {
	t, err := plantmesh.LookupEventType(name)
	if err != nil {
		return 0
	}
	return t.ConfirmWithin
}
