package plantmesh

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// publishStream is the call under a Publisher.
type publishStream = grpc.BidiStreamingClient[eventv1.PublishStreamRequest, eventv1.PublishStreamResponse]

// run makes call after call, each going on with what is unanswered, until everything is answered after Close, or nothing
// can be.
func (p *Publisher) run() {
	defer close(p.done)
	var wait retry
	for {
		progress, err := p.call()
		switch {
		case err == nil:
			return
		case over(p.ctx):
			p.fail(fmt.Errorf("%w: outcome unknown, the same events may be published again", ended(p.ctx, wait.last)))
			return
		case !IsRetryable(err):
			p.fail(err)
			return
		}
		if progress {
			wait.reset()
		}
		p.client.logger.WarnContext(p.ctx, "publisher is interrupted", "address", p.client.address, "error", err)
		wait.after(p.ctx, err)
	}
}

// fail answers everything with an error; nothing is sent any more.
func (p *Publisher) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fatal = err
	if p.first == nil {
		p.first = fmt.Errorf("publish to %s: %w", p.client.address, err)
	}
	for _, pending := range p.queue {
		p.answer(pending, nil, err)
	}
	p.queue = nil
}

// call is one PublishStream, opened when there is something to send. It returns nil when all is answered and the publisher
// is closed. progress says that something was answered.
func (p *Publisher) call() (progress bool, err error) {
	p.mu.Lock()
	p.sent = 0
	p.mu.Unlock()
	if p.unsent(p.ctx) == nil {
		return false, context.Cause(p.ctx)
	}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	stream, err := p.client.events.PublishStream(ctx)
	if err != nil {
		return false, p.client.explain(err)
	}
	received := make(chan error, 1)
	go func() {
		defer cancel() // whatever waits to send
		received <- p.receive(stream, &progress)
	}()
	p.send(ctx, stream)
	if err := <-received; err != nil {
		return progress, p.client.explain(err)
	}
	return progress, nil
}

// send sends what is unsent until the publisher is closed, or the call ends: receive then knows why.
func (p *Publisher) send(ctx context.Context, stream publishStream) {
	for {
		request := p.unsent(ctx)
		if request == nil {
			_ = stream.CloseSend()
			return
		}
		if err := stream.Send(request); err != nil {
			return
		}
		p.mu.Lock()
		p.sent++
		p.mu.Unlock()
	}
}

// unsent is the next request to send, waiting for one; nil when the publisher is closed and there is none, or ctx ended.
func (p *Publisher) unsent(ctx context.Context) *eventv1.PublishStreamRequest {
	for {
		p.mu.Lock()
		sent, closed := p.sent, p.closed
		if sent < len(p.queue) {
			request := p.queue[sent].request
			p.mu.Unlock()
			return request
		}
		p.mu.Unlock()
		if closed {
			return nil
		}
		select {
		case <-p.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// receive takes the answers of a call. It returns nil when the node has answered everything and ended the call.
func (p *Publisher) receive(stream publishStream, progress *bool) error {
	for {
		answer, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF) && p.settled():
			return nil
		case errors.Is(err, io.EOF):
			return status.Error(codes.Unavailable, "the node ended the call")
		case err != nil:
			return err
		}
		if err := p.answered(answer); err != nil {
			return err
		}
		*progress = true
	}
}

// settled is true when the publisher is closed and all is answered.
func (p *Publisher) settled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed && len(p.queue) == 0
}

// answered hands an answer to the request it is for. A refusal that may pass is returned instead: the call ends, and the
// next one goes on with this request, so that none behind it overtakes it.
func (p *Publisher) answered(answer *eventv1.PublishStreamResponse) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 || p.queue[0].request.GetSequence() != answer.GetSequence() {
		return fmt.Errorf("the node answered request %d, which is not the next: it is no plantmesh node of this version", answer.GetSequence())
	}
	var refused error
	if answer.GetError() != nil {
		refused = FromStatus(status.ErrorProto(answer.GetError()))
		if IsRetryable(refused) {
			return refused
		}
	}
	p.answer(p.queue[0], receiptsOf(answer.GetReceipts()), refused)
	p.queue[0] = nil
	p.queue, p.sent = p.queue[1:], p.sent-1
	return nil
}
