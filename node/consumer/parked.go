package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// releaseTurn is how many events of a parked subject are tried before its lane does what else waits in it.
const releaseTurn = 64

// retrier queues an attempt at each parked subject when its time has come. Subjects that an earlier run parked are tried
// at once.
func (c *Consumer) retrier(ctx context.Context) error {
	due := c.parkedBefore
	for {
		for _, k := range due {
			if err := c.lanes.admit(ctx, task{key: k}); err != nil {
				return err
			}
		}
		timer := time.NewTimer(min(c.cfg.ParkedRetry, time.Second))
		select {
		case <-timer.C:
			due = c.ledger.dueParked(time.Now())
		case a := <-c.asks:
			if due = c.take(a); a.discard != nil {
				if err := c.lanes.admit(ctx, task{key: a.key, discard: a.discard}); err != nil {
					return err
				}
			}
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// allParked marks every parked subject as being retried and returns them: those that an earlier run parked, if nothing has run
// since.
func (l *ledger) allParked() []subjectKey {
	return l.markRetrying(func(subjectKey, *parked) bool { return true })
}

// dueParked marks the subjects whose time has come.
func (l *ledger) dueParked(now time.Time) []subjectKey {
	return l.markRetrying(func(_ subjectKey, p *parked) bool { return !p.retrying && !p.record.GetRetryTime().AsTime().After(now) })
}

func (l *ledger) markRetrying(due func(subjectKey, *parked) bool) []subjectKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	var keys []subjectKey
	for k, p := range l.parked {
		if due(k, p) {
			p.retrying = true
			keys = append(keys, k)
		}
	}
	return keys
}

// retryParked tries the events of a parked subject in order, until one is refused, none is left, or others have waited
// long enough.
func (c *Consumer) retryParked(ctx context.Context, t task) error {
	again, err := c.release(ctx, t.key)
	if again && err == nil {
		c.lanes.enqueue(ctx, t)
		return nil
	}
	c.lanes.leave(t)
	return err
}

// release tries some events of a parked subject; again tells that more can be tried at once.
func (c *Consumer) release(ctx context.Context, k subjectKey) (again bool, err error) {
	var held []storage.Position
	err = c.owner.View(func(tx *storage.Tx) (err error) {
		held, err = loadHeld(tx, k, releaseTurn)
		return err
	})
	if err != nil {
		return false, err
	}
	for _, at := range held {
		d := Delivery{Stream: k.stream, Incarnation: at.Incarnation, Attempt: c.ledger.attemptsAt(k, at) + 1}
		if freed, err := c.releaseOne(ctx, k, at, d); !freed || err != nil {
			return false, err
		}
	}
	return c.ledger.isParked(k), nil
}

// releaseOne tries one event that is held back; freed tells that it is dealt with.
func (c *Consumer) releaseOne(ctx context.Context, k subjectKey, at storage.Position, d Delivery) (freed bool, err error) {
	if d.Event, err = c.read(d, at.Offset); err == nil {
		err = c.attempt(ctx, d)
	}
	if how, ok := dispositionOf(err); ok {
		return true, c.committer.commit(released(k, at, how))
	}
	var park *ParkError
	if errors.As(err, &park) {
		return false, c.committer.commit(reparked(k, c.parkedRecord(d, park)))
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return false, ctx.Err()
	}
	if c.cfg.MaxAttempts > 0 && !errors.Is(err, ErrBlocked) {
		err = c.committer.commit(tried(k, at, d.Attempt))
	} else {
		err = nil
	}
	return false, errors.Join(err, c.committer.commit(deferred(k, time.Now().Add(c.cfg.MaxBackoff))))
}

// read returns an event that is held back.
func (c *Consumer) read(d Delivery, o plantmesh.Offset) (*eventv1.RecordedEvent, error) {
	event, err := c.log.GetOf(d.Stream, d.Incarnation, o)
	if err != nil {
		c.logger.Error("a parked event cannot be read", "stream", string(d.Stream), "offset", uint64(o), "error", err)
	}
	return event, err
}

// roomToPark tells whether a subject may be parked.
func (l *ledger) roomToPark(k subjectKey, most int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.parked[k] != nil || len(l.parked) < most
}
