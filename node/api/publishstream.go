package api

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// maxUnanswered is how many requests of a PublishStream may be on their way.
const maxUnanswered = 64

// publishing is one PublishStream. A goroutine receives, the handler submits, a goroutine answers in the order received.
type publishing struct {
	events *events
	stream grpc.BidiStreamingServer[eventv1.PublishStreamRequest, eventv1.PublishStreamResponse]
	slots  chan struct{}                      // one taken for each unanswered request
	in     chan *eventv1.PublishStreamRequest // closed when the caller sends no more
	out    chan submitted                     // holds maxUnanswered, so that submitting never waits for answering
	broken error                              // why receiving ended; set before in is closed, nil at its regular end
}

// submitted is a request that waits for its answer.
type submitted struct {
	sequence uint64
	arrived  time.Time
	traced   func(error)
	pending  *storage.Pending
	refused  error // instead of pending
}

// PublishStream records events without waiting for each answer; see the protocol.
func (s *events) PublishStream(stream grpc.BidiStreamingServer[eventv1.PublishStreamRequest, eventv1.PublishStreamResponse]) error {
	p := &publishing{
		events: s, stream: stream, slots: make(chan struct{}, maxUnanswered),
		in: make(chan *eventv1.PublishStreamRequest), out: make(chan submitted, maxUnanswered),
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	s.receivers.Go(func() { p.receive(ctx) }) // Recv returns at the latest when this handler has
	answered := make(chan error, 1)
	go func() {
		defer cancel() // a caller that takes no answers may not send either
		answered <- p.answer()
	}()
	err := p.submit(ctx)
	close(p.out)
	return errors.Join(<-answered, err)
}

// receive reads requests while there are slots.
func (p *publishing) receive(ctx context.Context) {
	defer close(p.in)
	for {
		select {
		case p.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		req, err := p.stream.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				p.broken = err
			}
			return
		}
		select {
		case p.in <- req:
		case <-ctx.Done():
			return
		}
	}
}

// submit hands requests to the log until there are no more, or the node stops.
func (p *publishing) submit(ctx context.Context) error {
	for {
		select {
		case req, ok := <-p.in:
			if !ok {
				return errors.Join(p.broken, context.Cause(ctx))
			}
			sub := p.one(ctx, req)
			if plantmesh.IsRetryable(sub.refused) {
				sub.traced(sub.refused)
				return sub.refused // what follows must not overtake it
			}
			p.out <- sub
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *publishing) one(ctx context.Context, req *eventv1.PublishStreamRequest) submitted {
	sub := submitted{sequence: req.GetSequence(), arrived: time.Now(), traced: func(error) {}}
	entries, err := p.events.entries(req, req.GetEvents())
	if err == nil {
		_, sub.traced = p.events.tracing.Append(ctx, entries)
		sub.pending, err = p.events.log.Submit(storage.Write{Entries: entries})
	}
	sub.refused = err
	return sub
}

// answer sends the outcome of each request. What was submitted is answered also while the node stops.
func (p *publishing) answer() error {
	for sub := range p.out {
		if err := p.stream.Send(p.outcome(sub)); err != nil {
			return err
		}
		<-p.slots
	}
	return nil
}

func (p *publishing) outcome(sub submitted) *eventv1.PublishStreamResponse {
	var receipts []storage.Receipt
	err := sub.refused
	if err == nil {
		<-sub.pending.Done()
		receipts, err = sub.pending.Wait(p.stream.Context())
	}
	if err == nil {
		err = p.events.copied(p.stream.Context(), receipts)
	}
	sub.traced(err)
	if err != nil {
		return &eventv1.PublishStreamResponse{Sequence: sub.sequence, Error: plantmesh.Status(err).Proto()}
	}
	p.events.latency.Record(time.Since(sub.arrived))
	return &eventv1.PublishStreamResponse{Sequence: sub.sequence, Receipts: receiptMessages(receipts)}
}
