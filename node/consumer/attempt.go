package consumer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// perform does a task of a lane.
func (c *Consumer) perform(ctx context.Context, t task) error {
	if t.discard != nil {
		return c.discardFirst(ctx, t)
	}
	if t.event.Event == nil {
		return c.retryParked(ctx, t)
	}
	defer c.lanes.leave(t)
	defer t.turn.begin()
	return c.deal(ctx, t)
}

// deal tries an event from the log until it is dealt with.
func (c *Consumer) deal(ctx context.Context, t task) error {
	offset := offsetOf(t.event)
	at := storage.Position{Incarnation: t.event.Incarnation, Offset: offset}
	if c.ledger.isParked(t.key) {
		return c.committer.commit(held(t.key, at, nil))
	}
	for attempt := c.ledger.attemptsAt(t.key, at) + 1; ; attempt++ {
		t.event.Attempt = attempt
		err := c.attempt(ctx, t.event)
		if how, ok := dispositionOf(err); ok {
			return c.committer.commit(settled(t.key, offset, how))
		}
		var park *ParkError
		switch {
		case errors.As(err, &park):
			return c.committer.commit(held(t.key, at, c.parkedRecord(t.event, park)))
		case ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return ctx.Err()
		case errors.Is(err, ErrBlocked): // the gate makes it wait
			attempt--
			continue
		}
		if err := c.backOff(ctx, t, at, err); err != nil {
			return err
		}
	}
}

// backOff waits before an event is delivered again.
func (c *Consumer) backOff(ctx context.Context, t task, at storage.Position, cause error) error {
	attempt := t.event.Attempt
	failed := retried
	if c.cfg.MaxAttempts > 0 {
		failed = tried(t.key, at, attempt)
	}
	if err := c.committer.commit(failed); err != nil {
		return err
	}
	c.troubles.begin(cause)
	defer c.troubles.end()
	c.logger.Debug("an event is delivered again after a passing fault", "stream", string(t.key.stream), "offset", uint64(offsetOf(t.event)),
		"attempt", attempt, "error", cause)
	wait := c.cfg.MaxBackoff
	if doubled := c.cfg.MinBackoff << min(attempt-1, 20); doubled > 0 {
		wait = min(wait, doubled)
	}
	return waitFor(ctx, wait/2+rand.N(wait/2+1), nil)
}

// attempt delivers an event once, when it may.
func (c *Consumer) attempt(ctx context.Context, d Delivery) error {
	probe, err := c.admit(ctx)
	if err != nil {
		return err
	}
	spanCtx, traced := c.cfg.Tracing.Apply(ctx, d.Stream, d.Event, d.Attempt)
	err = c.handle(spanCtx, d)
	blocked := errors.Is(err, ErrBlocked)
	if blocked { // the gate closes before the slot is free: nobody else meets what is wrong
		c.gate.leave(probe, err)
	}
	c.slots.Release(1)
	if how, ok := dispositionOf(err); ok {
		traced(nil)
		if how == applied {
			c.latency.Record(time.Since(d.Event.GetRecordedTime().AsTime()))
		}
	} else {
		traced(err)
	}
	if blocked {
		return err
	}
	err = c.limitParking(d, c.limitAttempts(d, err))
	c.gate.leave(probe, err)
	return err
}

// admit waits for the gate and a slot. The gate may close while an attempt waits for its slot: then it waits for the gate again, so that of
// many events that wait, no more than there are slots meet what is wrong.
func (c *Consumer) admit(ctx context.Context) (probe bool, err error) {
	for {
		if probe, err = c.gate.enter(ctx); err != nil {
			return false, err
		}
		if err := c.slots.Acquire(ctx, 1); err != nil {
			c.gate.leave(probe, nil)
			return false, err
		}
		if probe || c.gate.open() {
			return probe, nil
		}
		c.slots.Release(1)
	}
}

// handle turns a panic of the handler into a parked event: it is that event's, or a fault to be mended before it passes.
func (c *Consumer) handle(ctx context.Context, d Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = Park(fmt.Errorf("the handler panicked: %v", p))
		}
	}()
	defer d.Begin()
	return c.handler.Handle(ctx, d)
}

// limitAttempts parks an event that was delivered often enough.
func (c *Consumer) limitAttempts(d Delivery, err error) error {
	var park *ParkError
	if _, ok := dispositionOf(err); ok || c.cfg.MaxAttempts == 0 || d.Attempt < c.cfg.MaxAttempts ||
		errors.As(err, &park) || errors.Is(err, ErrBlocked) || errors.Is(err, context.Canceled) {
		return err
	}
	return Park(fmt.Errorf("delivered %d times in vain, the last time: %w", d.Attempt, err))
}

// limitParking blocks the consumer instead of parking one subject too many.
func (c *Consumer) limitParking(d Delivery, err error) error {
	var park *ParkError
	if !errors.As(err, &park) || c.ledger.roomToPark(subjectKey{stream: d.Stream, subject: d.Event.GetEvent().GetSubject()}, c.cfg.MaxParked) {
		return err
	}
	return fmt.Errorf("%w: %d subjects are parked already, and %s@%d would be one more: find their common cause; the last is: %w",
		ErrBlocked, c.cfg.MaxParked, d.Stream, d.Event.GetOffset(), park.Err)
}

// dispositionOf reads a handler's answer; false if the event is not dealt with.
func dispositionOf(err error) (disposition, bool) {
	switch {
	case err == nil:
		return applied, true
	case errors.Is(err, ErrDuplicate):
		return duplicate, true
	case errors.Is(err, ErrIgnored):
		return ignored, true
	}
	return 0, false
}

// firstParkedWait is how long a subject waits after its first refusal.
const firstParkedWait = 2 * time.Second

// parkedWait is how long a subject waits that was refused so many times.
func parkedWait(attempts int, longest time.Duration) time.Duration {
	const doublings = 20 // more than any longest is apart from the first
	return min(longest, firstParkedWait<<min(max(attempts-1, 0), doublings))
}

// maxReason bounds the reason that is kept of a parked subject.
const maxReason = 1000

// parkedRecord describes a subject whose event was just refused.
func (c *Consumer) parkedRecord(d Delivery, park *ParkError) *adminv1.ParkedSubject {
	now := time.Now()
	reason := park.Error()
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	return &adminv1.ParkedSubject{
		Stream: string(d.Stream), Subject: d.Event.GetEvent().GetSubject(), Incarnation: uint64(d.Incarnation), Offset: d.Event.GetOffset(), EventId: d.Event.GetEvent().GetId(),
		EventType: d.Event.GetEvent().GetType(), Reason: reason, Since: timestamppb.New(now), Attempts: uint32(d.Attempt),
		RetryTime: timestamppb.New(now.Add(parkedWait(d.Attempt, c.cfg.ParkedRetry))),
	}
}
