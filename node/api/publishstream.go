package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

const (
	// maxUnanswered and maxUnansweredBytes bound the messages of a PublishStream that may be on their way.
	maxUnanswered      = 256
	maxUnansweredBytes = 16 << 20
	// maxFollowing is how many requests may be behind the first one of a message.
	maxFollowing = 255
)

// publishing is one PublishStream. A goroutine receives, the handler submits, a goroutine answers in the order received.
type publishing struct {
	events *events
	stream grpc.BidiStreamingServer[eventv1.PublishStreamRequest, eventv1.PublishStreamResponse]
	slots  chan struct{}       // one taken for each unanswered message
	room   *semaphore.Weighted // bytes taken by these
	in     chan *publishMessage
	out    chan submitted
	broken error       // why receiving ended; set before in is closed, nil at its regular end
	many   atomic.Bool // the caller sends many requests in a message, and so knows many answers in one
}

// publishMessage is a message with its requests.
type publishMessage struct {
	requests []*eventv1.PublishStreamRequest
	bytes    int64 // of p.room
}

// submitted is a request that waits for its answer.
type submitted struct {
	sequence uint64
	arrived  time.Time
	traced   func(error)
	pending  *storage.Pending
	refused  error           // instead of pending
	message  *publishMessage // that is answered with this request; nil: others of it come behind
}

// PublishStream records events without waiting for each answer; see the protocol.
func (s *events) PublishStream(stream grpc.BidiStreamingServer[eventv1.PublishStreamRequest, eventv1.PublishStreamResponse]) error {
	p := &publishing{
		events: s, stream: stream, slots: make(chan struct{}, maxUnanswered), room: semaphore.NewWeighted(maxUnansweredBytes),
		in: make(chan *publishMessage), out: make(chan submitted, maxUnanswered),
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

// receive reads messages while there are slots.
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
		m, err := p.message(req)
		if err != nil {
			p.broken = err
			return
		}
		if p.room.Acquire(ctx, m.bytes) != nil {
			return
		}
		select {
		case p.in <- m:
		case <-ctx.Done():
			return
		}
	}
}

func (p *publishing) message(first *eventv1.PublishStreamRequest) (*publishMessage, error) {
	m := &publishMessage{requests: []*eventv1.PublishStreamRequest{first}, bytes: min(int64(proto.Size(first)), maxUnansweredBytes)}
	following := first.GetFollowing()
	if len(following) == 0 {
		return m, nil
	}
	if len(following) > maxFollowing {
		return nil, fmt.Errorf("%w: %d requests follow request %d in one message, the limit is %d", plantmesh.ErrInvalidRequest,
			len(following), first.GetSequence(), maxFollowing)
	}
	p.many.Store(true)
	first.Following = nil
	m.requests = append(m.requests, following...)
	return m, nil
}

// submit hands requests to the log until there are no more, or the node stops.
func (p *publishing) submit(ctx context.Context) error {
	for {
		select {
		case m, ok := <-p.in:
			if !ok {
				return errors.Join(p.broken, context.Cause(ctx))
			}
			if err := p.submitAll(ctx, m); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *publishing) submitAll(ctx context.Context, m *publishMessage) error {
	for i, req := range m.requests {
		sub := p.one(ctx, req)
		if plantmesh.IsRetryable(sub.refused) {
			sub.traced(sub.refused)
			return sub.refused // what follows must not overtake it
		}
		if i == len(m.requests)-1 {
			sub.message = m
		}
		select {
		case p.out <- sub:
		case <-ctx.Done(): // the caller takes no answers
			sub.traced(context.Cause(ctx))
			return context.Cause(ctx)
		}
	}
	return nil
}

func (p *publishing) one(ctx context.Context, req *eventv1.PublishStreamRequest) submitted {
	sub := submitted{sequence: req.GetSequence(), arrived: time.Now(), traced: func(error) {}}
	var entries []storage.Entry
	var err error
	if len(req.GetFollowing()) > 0 {
		err = fmt.Errorf("%w: request %d follows another one in its message, and others follow it", plantmesh.ErrInvalidRequest, req.GetSequence())
	} else {
		entries, err = p.events.entries(req, req.GetEvents())
	}
	if err == nil {
		_, sub.traced = p.events.tracing.Append(ctx, entries)
		sub.pending, err = p.events.log.Submit(storage.Write{Entries: entries})
	}
	sub.refused = err
	return sub
}

// answer sends the outcomes, in order. What was submitted is answered also while the node stops.
func (p *publishing) answer() error {
	for sub := range p.out {
		for next := &sub; next != nil; {
			var err error
			if next, err = p.send(next); err != nil {
				return err
			}
		}
	}
	return nil
}

// send answers a request and, to a caller that knows many answers in a message, those behind it that need not be waited for. It returns
// the one where it stopped, if it has taken it already.
func (p *publishing) send(sub *submitted) (behind *submitted, err error) {
	answer := p.outcome(sub)
	answer.MaxFollowing = maxFollowing
	answered := []*publishMessage{sub.message}
	receipts := len(answer.GetReceipts())
	for p.many.Load() && len(answer.GetFollowing()) < maxFollowing && receipts < maxRequestEvents {
		next := p.taken()
		if next == nil {
			break
		}
		if !p.known(next) {
			behind = next
			break
		}
		one := p.outcome(next)
		receipts += len(one.GetReceipts())
		answer.Following = append(answer.Following, one)
		answered = append(answered, next.message)
	}
	if err := p.stream.Send(answer); err != nil {
		return nil, err
	}
	for _, m := range answered {
		if m != nil {
			p.room.Release(m.bytes)
			<-p.slots
		}
	}
	return behind, nil
}

// taken is what waits for its answer by now; nil: nothing.
func (p *publishing) taken() *submitted {
	select {
	case sub, ok := <-p.out:
		if ok {
			return &sub
		}
	default:
	}
	return nil
}

// known tells whether the outcome of a request need not be waited for.
func (p *publishing) known(sub *submitted) bool {
	if sub.refused != nil {
		return true
	}
	select {
	case <-sub.pending.Done():
		receipts, err := sub.pending.Wait(p.stream.Context())
		return err != nil || !p.events.wantCopies(receipts)
	default:
		return false
	}
}

func (p *publishing) outcome(sub *submitted) *eventv1.PublishStreamResponse {
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
