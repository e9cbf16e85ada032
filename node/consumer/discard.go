package consumer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// discarding is the wish to give up the event that holds a subject up.
type discarding struct {
	offset plantmesh.Offset
	reason string
	by     string
	over   <-chan struct{} // whoever wished it waits no more
	answer chan discarded  // holds one
}

type discarded struct {
	record *adminv1.DiscardedEvent
	err    error
}

// discardFirst runs in the subject's lane, so that no attempt at the event is under way. What is behind it follows.
func (c *Consumer) discardFirst(ctx context.Context, t task) error {
	wish := t.discard
	t.discard = nil
	select {
	case <-wish.over:
		c.lanes.leave(t)
		return nil
	default:
	}
	record, err := c.discard(ctx, t.key, wish, c.committer.commit)
	wish.answer <- discarded{record, err}
	if err != nil || !c.ledger.isParked(t.key) {
		c.lanes.leave(t)
		return nil //nolint:nilerr // it is the answer; a ledger that fails ends the consumer at its next commit
	}
	return c.retryParked(ctx, t)
}

// discard notes that the first event of a parked subject is given up.
func (c *Consumer) discard(ctx context.Context, k subjectKey, wish *discarding, commit func(change) error) (*adminv1.DiscardedEvent, error) {
	var held []storage.Position
	err := c.owner.View(func(tx *storage.Tx) (err error) {
		held, err = loadHeld(tx, k, 2)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(held) == 0 {
		return nil, notParked(k)
	}
	if held[0].Offset != wish.offset {
		return nil, fmt.Errorf("%w: %s of %s is held up by the event at offset %d, not by the one at %d: look at that one first",
			plantmesh.ErrInvalidRequest, k.subject, k.stream, held[0].Offset, wish.offset)
	}
	record := &adminv1.DiscardedEvent{
		Stream: string(k.stream), Subject: k.subject, Incarnation: uint64(held[0].Incarnation), Offset: uint64(held[0].Offset),
		Reason: wish.reason, DiscardedBy: wish.by, DiscardTime: timestamppb.New(time.Now()),
	}
	if p := c.ledger.recordOf(k); p.GetOffset() == record.GetOffset() && p.GetIncarnation() == record.GetIncarnation() {
		record.EventId, record.EventType, record.Error = p.GetEventId(), p.GetEventType(), p.GetReason()
	}
	if c.cfg.Discarding != nil {
		if err := c.cfg.Discarding(ctx, record); err != nil {
			return nil, err
		}
	}
	value, err := proto.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("discarded event: %w", err)
	}
	next := storage.Position{}
	if len(held) > 1 {
		next = held[1]
	}
	if err := commit(givenUp(k, held[0], next, value)); err != nil {
		return nil, err
	}
	c.logger.Warn("a parked event was discarded", "stream", string(k.stream), "offset", uint64(wish.offset), "by", wish.by, "reason", wish.reason)
	return record, nil
}

// givenUp: the first event of a parked subject is discarded; next is the one behind it, if there is any.
func givenUp(k subjectKey, at, next storage.Position, record []byte) change {
	return func(l *ledger, w *writes) {
		key := string(k.heldKey(at))
		w.held[key], w.records[prefixDiscarded+key[len(prefixHeld):]] = false, record
		w.parked[k] = struct{}{}
		l.forgetTries(w, k)
		l.counts.Parked--
		l.counts.Discarded++
		p := l.parked[k]
		if p.record.Events--; p.record.Events == 0 {
			delete(l.parked, k)
			return
		}
		p.retrying = true
		p.record.Incarnation, p.record.Offset = uint64(next.Incarnation), uint64(next.Offset)
		p.record.EventId, p.record.EventType, p.record.Attempts = "", "", 0
		p.record.Reason = "it waits behind an event that was discarded, and is tried now"
	}
}

// recordOf is a copy of what is kept of a parked subject; nil if it is not parked.
func (l *ledger) recordOf(k subjectKey) *adminv1.ParkedSubject {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.parked[k]; p != nil {
		return proto.CloneOf(p.record)
	}
	return nil
}

// Discarded returns what was given up, newest first.
func (c *Consumer) Discarded() ([]*adminv1.DiscardedEvent, error) {
	var all []*adminv1.DiscardedEvent
	err := c.owner.View(func(tx *storage.Tx) error {
		return tx.Scan([]byte(prefixDiscarded), func(_, value []byte) error {
			record := &adminv1.DiscardedEvent{}
			if err := proto.Unmarshal(value, record); err != nil {
				return fmt.Errorf("discarded event: %w", errRecord)
			}
			all = append(all, record)
			return nil
		})
	})
	slices.SortFunc(all, func(a, b *adminv1.DiscardedEvent) int {
		return cmp.Or(b.GetDiscardTime().AsTime().Compare(a.GetDiscardTime().AsTime()), cmp.Compare(a.GetOffset(), b.GetOffset()))
	})
	return all, err
}
