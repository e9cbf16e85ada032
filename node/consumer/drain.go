package consumer

import (
	"context"
	"time"
)

// wait waits for a time, for a change of the log, or for room.
func (r *reader) wait(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-r.freed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// drain admits events, the earliest first, until some source is empty, or what was collected finds no room. It tells whether any was.
func (r *reader) drain(ctx context.Context) (admitted bool, err error) {
	r.full = false
	for {
		s := r.earliest()
		if s == nil {
			return admitted, nil
		}
		event := s.waiting[0]
		t := task{
			key:   subjectKey{stream: s.name, subject: event.GetEvent().GetSubject()},
			event: Delivery{Stream: s.name, Incarnation: s.incarnation, Event: event, Collected: s.bulk}, bytes: sizeOf(event),
		}
		if s.bulk && !r.tryAdmit(ctx, t) {
			r.full = true
			continue
		}
		if !s.bulk {
			if err := r.admit(ctx, t); err != nil {
				return admitted, err
			}
		}
		admitted = true
		s.waiting[0], s.waiting = nil, s.waiting[1:]
		if len(s.waiting) == 0 {
			return admitted, nil
		}
	}
}

// earliest is the source whose next event was recorded first; nil if all are empty. What was collected comes behind all others, and only
// while there is room.
func (r *reader) earliest() *source {
	var first *source
	var at time.Time
	for _, s := range r.sources {
		if len(s.waiting) == 0 || s.bulk && (r.full || first != nil && !first.bulk) {
			continue
		}
		if t := s.waiting[0].GetRecordedTime().AsTime(); first == nil || first.bulk && !s.bulk || t.Before(at) {
			first, at = s, t
		}
	}
	return first
}
