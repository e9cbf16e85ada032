package consumers

import (
	"context"
	"errors"
	"time"

	"github.com/plantmesh/plantmesh/node/consumer"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// Handle gives an event to a call that has room, and waits for what becomes of it. It is the consumer's handler.
func (n *Named) Handle(ctx context.Context, d consumer.Delivery) error {
	if err := d.Wait(ctx); err != nil {
		return err
	}
	return n.hand(ctx, &eventv1.ConsumerDelivery{
		Stream: string(d.Stream), Incarnation: uint64(d.Incarnation), Attempt: uint32(d.Attempt),
		Content: &eventv1.ConsumerDelivery_Event{Event: d.Event},
	}, d.Begin)
}

// hand finds a call, and another one as often as a delivery is given back. begun is called when one takes it.
func (n *Named) hand(ctx context.Context, d *eventv1.ConsumerDelivery, begun func()) error {
	for {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case call := <-n.free:
			again := &eventv1.ConsumerDelivery{Stream: d.GetStream(), Incarnation: d.GetIncarnation(), Attempt: d.GetAttempt(), Content: d.GetContent()}
			if err := call.hand(ctx, again, begun); !errors.Is(err, errReturned) {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// jump tells a call that a stream goes on elsewhere, and waits until it has taken notice.
func (n *Named) jump(ctx context.Context, j consumer.Jump) error {
	d := &eventv1.ConsumerDelivery{Stream: string(j.Stream), Incarnation: uint64(j.From.Incarnation), Attempt: 1}
	if j.Kind == storage.JumpRecreated {
		reset := &eventv1.HistoryReset{OldIncarnation: uint64(j.From.Incarnation), OldOffset: uint64(j.From.Offset), Incarnation: uint64(j.To.Incarnation)}
		if head, err := n.registry.log.HeadOf(j.Stream, j.From.Incarnation); err == nil {
			reset.OldHeadOffset = uint64(head.Offset)
		}
		d.Content = &eventv1.ConsumerDelivery_HistoryReset{HistoryReset: reset}
	} else {
		gap := &eventv1.Gap{
			Incarnation: uint64(j.From.Incarnation), FirstOffset: uint64(j.From.Offset) + 1, LastOffset: uint64(j.To.Offset),
			Reason: eventv1.GapReason_GAP_REASON_TRIMMED,
		}
		if j.Kind == storage.JumpLost {
			gap.Reason = eventv1.GapReason_GAP_REASON_LOST
		}
		d.Content = &eventv1.ConsumerDelivery_Gap{Gap: gap}
	}
	var park *consumer.ParkError
	for {
		err := n.hand(ctx, d, func() {})
		if err == nil || ctx.Err() != nil || errors.As(err, &park) {
			return err
		}
		d.Attempt++
		timer := time.NewTimer(jumpRetry)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// jumpRetry is how soon word of a jump is delivered again that was not acknowledged.
const jumpRetry = time.Second
