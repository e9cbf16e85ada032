package plantmesh

import (
	"context"
	"errors"
	"fmt"
	"sync"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

const (
	// windowRequests is how many requests of a Publisher may be unanswered.
	windowRequests = 512
	// messageBytes bounds the requests that go together in one message.
	messageBytes = 1 << 20
	// windowBytes bounds the memory of unanswered requests. A single request has at most 4 MiB.
	windowBytes = 16 << 20
)

// ErrPublisherClosed is the error of a Publisher that was closed.
var ErrPublisherClosed = errors.New("publisher closed")

// Publisher publishes without waiting for each answer: many times faster than Publish in a loop. Requests are recorded in
// the order sent, also across lost connections: what was not answered is sent again, which is safe because an event's
// source and id make it the same event. Made by [Client.Publisher]; safe for concurrent use; has to be closed.
type Publisher struct {
	client *Client
	ctx    context.Context //nolint:containedctx // of Client.Publisher: the publisher's life
	window *window
	wake   chan struct{} // holds a token when there may be something to send
	done   chan struct{} // closed when nothing runs any more

	mu       sync.Mutex // guards what follows
	queue    []*Pending // unanswered, in the order sent
	sent     int        // of queue, how many went out on the current connection
	together int        // how many requests the node takes in one message; 1 until it says more
	next     uint64     // sequence
	closed   bool
	first    error // first refusal
	fatal    error // why nothing can be sent any more
}

// Pending is the answer to come to one Send.
type Pending struct {
	request *eventv1.PublishStreamRequest
	bytes   int64
	done    chan struct{} // closed when the answer is here

	receipts []Receipt // both set before done is closed
	err      error
}

// Publisher starts a publisher that lives until ctx ends or it is closed. Trace context is taken from each Send.
func (c *Client) Publisher(ctx context.Context) *Publisher {
	p := &Publisher{
		client: c, ctx: ctx, window: newWindow(windowRequests, windowBytes),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go p.run()
	return p
}

// Send publishes events, all or none of them, and returns at once, or when the window has room: 512 requests or 16 MiB
// unanswered. The events must not be changed until they are answered.
//
// Errors: ErrBatchTooLarge and others that need no node to see, ErrPublisherClosed, what ended the publisher, the context's.
// The other errors of [Client.Publish] come with the answer.
func (p *Publisher) Send(ctx context.Context, events ...*eventv1.Event) (*Pending, error) {
	pending := &Pending{request: &eventv1.PublishStreamRequest{Events: traced(ctx, events)}, done: make(chan struct{})}
	size, err := checkRequest(pending.request)
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w", p.client.address, err)
	}
	pending.bytes = int64(size)
	if err := p.window.acquire(ctx, p.done, pending.bytes); err != nil {
		return nil, fmt.Errorf("publish to %s: %w", p.client.address, errors.Join(err, p.failure()))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.refusal(); err != nil {
		p.window.release(pending.bytes)
		return nil, fmt.Errorf("publish to %s: %w", p.client.address, err)
	}
	p.next++
	pending.request.Sequence = p.next
	p.queue = append(p.queue, pending)
	p.nudge()
	return pending, nil
}

// Close waits until everything sent is answered and ends the publisher. It returns the first error that any request was
// answered with, or what ended the publisher before.
func (p *Publisher) Close() error {
	p.mu.Lock()
	p.closed = true
	p.nudge()
	p.mu.Unlock()
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.first
}

// Done is closed when the answer is here.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Wait returns the answer: as from [Client.Publish].
func (p *Pending) Wait(ctx context.Context) ([]Receipt, error) {
	select {
	case <-p.done:
		return p.receipts, p.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// refusal says why Send takes no more. p.mu is held.
func (p *Publisher) refusal() error {
	if p.fatal != nil {
		return p.fatal
	}
	if p.closed {
		return ErrPublisherClosed
	}
	return nil
}

func (p *Publisher) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refusal()
}

func (p *Publisher) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// answer ends a Pending. p.mu is held.
func (p *Publisher) answer(pending *Pending, receipts []Receipt, err error) {
	if err != nil {
		err = fmt.Errorf("publish to %s: %w", p.client.address, err)
		if p.first == nil {
			p.first = err
		}
	}
	pending.receipts, pending.err = receipts, err
	pending.request = nil
	close(pending.done)
	p.window.release(pending.bytes)
}
