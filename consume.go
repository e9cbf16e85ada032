package plantmesh

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// ConsumerConfig says what a durable consumer reads, and how often it is tried. Zero values stand for the node's defaults, which
// eventv1.ConsumerSettings names; Name and Streams are required.
type ConsumerConfig struct {
	Name    string   // of the consumer, among those of this client's certificate: lower-case letters, digits, dots and hyphens
	Streams []string // patterns of streams, `site/domain`, in which `*` stands for any characters

	Types    []string // only these types, by full name; none: all
	Subjects []string // only these subjects, exact or with `*` at the end for a prefix; none: all

	// Where to start in the streams that the node holds when the consumer is made: at most one of these. None: the earliest event.
	Position eventv1.Position
	Time     time.Time

	MaxInFlight int           // events handled at once, of different subjects
	AckDeadline time.Duration // how long the node waits without a sign of life before it delivers an event again
	MaxAttempts int           // before a subject is parked
	MinBackoff  time.Duration // before the second attempt; it doubles
	MaxBackoff  time.Duration
	ParkedRetry time.Duration // how long a parked subject waits at most until it is tried again by itself

	// OnJump hears where delivery cannot go on right behind what came before, before anything behind it is delivered: events are not
	// retained any more or lost, or the stream's origin lost its log and began anew. It may hear of one more than once. Its error has it told again.
	// Without it, a jump ends Consume with a *JumpError.
	OnJump func(context.Context, Jump) error
}

// ParkError is what [Park] makes.
type ParkError struct{ Err error }

func (e *ParkError) Error() string { return e.Err.Error() }
func (e *ParkError) Unwrap() error { return e.Err }

// Park is returned by a handler of [Client.Consume] for an event that cannot be dealt with until somebody has mended something: its subject is
// parked at once, with the error's text.
func Park(err error) error { return &ParkError{Err: err} }

// Consume hands the events of a durable consumer to a handler. The node remembers what was dealt with, so a program that is started again
// goes on where it was; programs that consume under one name at the same time share the events.
//
// The handler is called by several goroutines, never for two events of one subject in one stream at once, and for these in offset order. If it returns nil, the event is dealt
// with. If it returns an error of [Park], the subject is parked with it. Any other error has the event delivered again after a while, and parks
// the subject after MaxAttempts. Later events of a parked subject wait; other subjects go on. `plantmesh parked` shows what is parked.
//
// An event may be delivered again although the handler returned nil: when the connection, the node or the program ends in between. What must not
// happen twice has to be recognized by the event's source and id. The handler's context ends with ctx and with the connection; when ctx ends,
// Consume waits for the handlers, tells the node what they answered and returns nil.
//
// Errors: ErrInvalidRequest, ErrConsumerBusy, ErrConsumerDeleted, ErrTooManyConsumers, *JumpError, ErrUnauthenticated. What may pass is tried again.
func (c *Client) Consume(ctx context.Context, cfg ConsumerConfig, handle func(context.Context, *Delivery) error) error {
	k, err := newConsumption(c, cfg, handle)
	if err != nil {
		return fmt.Errorf("consume %q: %w", cfg.Name, err)
	}
	var wait retry
	for {
		progress, err := k.call(ctx)
		if over(ctx) {
			return nil // the end that was asked for
		}
		if !IsRetryable(err) {
			return fmt.Errorf("consume %q at %s: %w", cfg.Name, c.address, err)
		}
		if progress {
			wait.reset()
		}
		c.logger.WarnContext(ctx, "a consumer is interrupted", "consumer", cfg.Name, "address", c.address, "error", err)
		wait.after(ctx, err)
	}
}

// consumption is one Consume.
type consumption struct {
	client *Client
	open   *eventv1.ConsumeRequest
	handle func(context.Context, *Delivery) error
	onJump func(context.Context, Jump) error
}

func newConsumption(c *Client, cfg ConsumerConfig, handle func(context.Context, *Delivery) error) (*consumption, error) {
	settings := &eventv1.ConsumerSettings{Streams: cfg.Streams, Types: cfg.Types, Subjects: cfg.Subjects}
	for name, number := range map[string]int{"MaxInFlight": cfg.MaxInFlight, "MaxAttempts": cfg.MaxAttempts} {
		if number < 0 {
			return nil, fmt.Errorf("%w: %s is negative", ErrInvalidRequest, name)
		}
	}
	settings.MaxAttempts = uint32(cfg.MaxAttempts)
	for _, d := range []struct {
		from time.Duration
		to   **durationpb.Duration
	}{
		{cfg.AckDeadline, &settings.AckDeadline}, {cfg.MinBackoff, &settings.MinBackoff}, {cfg.MaxBackoff, &settings.MaxBackoff},
		{cfg.ParkedRetry, &settings.ParkedRetry},
	} {
		if d.from != 0 {
			*d.to = durationpb.New(d.from)
		}
	}
	switch {
	case !cfg.Time.IsZero() && cfg.Position != eventv1.Position_POSITION_UNSPECIFIED:
		return nil, fmt.Errorf("%w: two places to start at: give one of Position and Time", ErrInvalidRequest)
	case !cfg.Time.IsZero():
		settings.Start = &eventv1.ConsumerSettings_FromTime{FromTime: timestamppb.New(cfg.Time)}
	case cfg.Position != eventv1.Position_POSITION_UNSPECIFIED:
		settings.Start = &eventv1.ConsumerSettings_Position{Position: cfg.Position}
	}
	open := &eventv1.OpenConsumer{Name: cfg.Name, Settings: settings, MaxInFlight: uint32(cfg.MaxInFlight)}
	if err := ValidateMessage(open); err != nil {
		return nil, err
	}
	return &consumption{
		client: c, open: &eventv1.ConsumeRequest{Request: &eventv1.ConsumeRequest_Open{Open: open}}, handle: handle, onJump: cfg.OnJump,
	}, nil
}

// call is one call; progress says that the node opened the consumer.
func (k *consumption) call(ctx context.Context) (progress bool, err error) {
	line, hangUp := context.WithCancel(context.WithoutCancel(ctx)) // it outlives ctx, until what the handlers did is told
	defer hangUp()
	waiting := context.AfterFunc(ctx, hangUp)
	stream, err := k.client.events.Consume(line)
	if err != nil {
		return false, k.client.explain(err)
	}
	_ = stream.Send(k.open) // Recv has the error
	first, err := stream.Recv()
	if err != nil {
		return false, k.client.explain(err)
	}
	if !waiting() {
		return false, context.Cause(ctx)
	}
	s := newConsuming(k, stream, first.GetOpened().GetSettings().GetAckDeadline().AsDuration())
	err = s.run(ctx, hangUp)
	var jump *JumpError
	if errors.As(err, &jump) {
		return true, err
	}
	return true, k.client.explain(err)
}
