package plantmesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// From says which events of which stream, and where to start.
type From struct {
	Stream StreamName

	// Where to start: at most one of these. None: the earliest event.
	Position eventv1.Position // a named place, such as eventv1.Position_POSITION_LATEST
	After    Offset           // right after this offset
	Time     time.Time        // at the first event recorded at or after it
	Cursor   Cursor           // right after the event that was delivered with it

	Types    []string // only these types, by full name; none: all
	Subjects []string // only these subjects, exact or with `*` at the end for a prefix; none: all

	// OnJump is told where delivery cannot go on right behind what came before: events are not retained any more or lost, or the
	// stream's origin lost its log and began anew. Its error ends the subscription. Without it, a jump ends the subscription with
	// a *JumpError, so that nothing is passed over unnoticed.
	OnJump func(Jump) error

	// UntilHead ends the subscription at the last event that is recorded when the node takes the call.
	UntilHead bool
}

// Delivery is one event of a subscription. It is the receiver's to keep.
type Delivery struct {
	Stream      StreamName
	Incarnation Incarnation
	Event       *eventv1.RecordedEvent
	Head        Offset // of the stream at the node, when it sent the event: how far behind this is; 0 from a consumer
	Attempt     int    // of a consumer at this event, from 1; 0 from a subscription

	frame []byte // see place
}

// Cursor is where to go on after this event.
func (d *Delivery) Cursor() Cursor {
	return place{stream: d.Stream, incarnation: d.Incarnation, offset: Offset(d.Event.GetOffset()), frame: d.frame}.cursor()
}

// Context is ctx within the trace that the event was published in, if it was traced: spans begun with it join that trace.
func (d *Delivery) Context(ctx context.Context) context.Context {
	e := d.Event.GetEvent()
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{"traceparent": e.GetTraceparent(), "tracestate": e.GetTracestate()})
}

// Subscribe delivers the events of a stream that the node holds, in offset order, and goes on with new ones:
//
//	for delivery, err := range client.Subscribe(ctx, plantmesh.From{Stream: "plant-a/production"}) {
//
// A connection that is lost is made again and the subscription goes on where it was: nothing is delivered twice and
// nothing is skipped. Anything else that ends it is yielded as error, once, with a nil delivery. When ctx ends it ends
// without an error; leaving the loop ends it too. The node waits for a slow loop, at no cost to it.
//
// Errors: ErrUnknownStream, ErrInvalidCursor, ErrInvalidRequest, *OffsetError (ErrOffsetTrimmed, ErrOffsetBeyondHead), *JumpError
// (ErrOffsetTrimmed, ErrIncarnationChanged, ErrCorruptBlock), ErrCorruptBlock, ErrUnauthenticated.
func (c *Client) Subscribe(ctx context.Context, from From) iter.Seq2[*Delivery, error] {
	return func(yield func(*Delivery, error) bool) {
		s, err := newSubscription(c, from)
		if err == nil {
			err = s.run(ctx, yield)
		}
		if err != nil && !over(ctx) && !errors.Is(err, errLoopLeft) {
			yield(nil, fmt.Errorf("subscribe to %s at %s: %w", from.Stream, c.address, err))
		}
	}
}

// errLoopLeft is how the caller's break comes back.
var errLoopLeft = errors.New("loop left")

// subscription is one loop over Subscribe.
type subscription struct {
	client  *Client
	request *eventv1.SubscribeRequest
	at      place
	whole   bool // no filter: offsets have no gaps
	onJump  func(Jump) error
}

func newSubscription(c *Client, from From) (*subscription, error) {
	if _, err := ParseStreamName(string(from.Stream)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidRequest, err)
	}
	s := &subscription{
		client:  c,
		request: &eventv1.SubscribeRequest{Stream: string(from.Stream), Types: from.Types, Subjects: from.Subjects, UntilHead: from.UntilHead},
		at:      place{stream: from.Stream},
		whole:   len(from.Types)+len(from.Subjects) == 0,
		onJump:  from.OnJump,
	}
	starts := 0
	if from.Position != eventv1.Position_POSITION_UNSPECIFIED {
		starts++
		s.request.Start = &eventv1.SubscribeRequest_Position{Position: from.Position}
	}
	if from.After != 0 {
		starts++
		s.request.Start = &eventv1.SubscribeRequest_AfterOffset{AfterOffset: uint64(from.After)}
	}
	if !from.Time.IsZero() {
		starts++
		s.request.Start = &eventv1.SubscribeRequest_FromTime{FromTime: timestamppb.New(from.Time)}
	}
	if from.Cursor != nil {
		starts++
		at, err := placeOf(from.Stream, from.Cursor)
		if err != nil {
			return nil, err
		}
		s.at = at
		s.request.Start = &eventv1.SubscribeRequest_AfterOffset{AfterOffset: uint64(at.offset)}
	}
	if starts > 1 {
		return nil, fmt.Errorf("%w: From names %d places to start at: give one of Position, After, Time and Cursor", ErrInvalidRequest, starts)
	}
	return s, nil
}

// run makes call after call, until one ends for good.
func (s *subscription) run(ctx context.Context, yield func(*Delivery, error) bool) error {
	var wait retry
	for {
		progress, err := s.call(ctx, yield)
		if err == nil || over(ctx) || errors.Is(err, errLoopLeft) || !IsRetryable(err) {
			return err
		}
		if progress {
			wait.reset()
		}
		s.client.logger.WarnContext(ctx, "subscription is interrupted", "stream", s.request.GetStream(), "address", s.client.address,
			"offset", s.at.offset, "error", err)
		wait.after(ctx, err)
	}
}

// call is one call from where the subscription is; progress says that something came.
func (s *subscription) call(ctx context.Context, yield func(*Delivery, error) bool) (progress bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if len(s.at.frame) > 0 {
		s.request.Start = &eventv1.SubscribeRequest_Cursor{Cursor: s.at.frame}
	}
	stream, err := s.client.events.Subscribe(ctx, s.request)
	for err == nil {
		var frame *eventv1.SubscribeResponse
		if frame, err = stream.Recv(); err == nil {
			progress = true
			err = s.deliver(frame, yield)
		}
	}
	switch {
	case errors.Is(err, io.EOF) && s.request.GetUntilHead():
		return progress, nil
	case errors.Is(err, io.EOF):
		return progress, status.Error(codes.Unavailable, "the node ended the call")
	}
	return progress, s.client.explain(err)
}

// deliver hands on what is new in a frame.
func (s *subscription) deliver(frame *eventv1.SubscribeResponse, yield func(*Delivery, error) bool) error {
	if err := s.jump(frame); err != nil {
		return err
	}
	batch := frame.GetEvents()
	if incarnation := Incarnation(batch.GetIncarnation()); batch != nil && incarnation != s.at.incarnation {
		if s.at.incarnation != 0 {
			return fmt.Errorf("%w: it was %d, it is %d: read it from the beginning", ErrIncarnationChanged, s.at.incarnation, incarnation)
		}
		s.at.incarnation = incarnation
	}
	for i, event := range batch.GetEvents() {
		offset := Offset(event.GetOffset())
		if offset <= s.at.offset {
			continue // delivered before, in a frame that was not delivered whole
		}
		if s.whole && s.at.offset != 0 && offset != s.at.offset+1 {
			return fmt.Errorf("%w: offset %d came after %d", ErrCorruptBlock, offset, s.at.offset)
		}
		s.at.offset = offset
		d := &Delivery{Stream: s.at.stream, Incarnation: s.at.incarnation, Event: event, Head: Offset(frame.GetHeadOffset()), frame: s.at.frame}
		if i == len(batch.GetEvents())-1 {
			d.frame = frame.GetCursor()
		}
		if !yield(d, nil) {
			return errLoopLeft
		}
	}
	s.at.frame = frame.GetCursor()
	return nil
}
