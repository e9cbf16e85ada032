package plantmesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

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
	p.sent, p.together = 0, 1
	p.mu.Unlock()
	if len(p.unsent(p.ctx)) == 0 {
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
		list := p.unsent(ctx)
		if len(list) == 0 {
			_ = stream.CloseSend()
			return
		}
		message := list[0].request
		if len(list) > 1 {
			message = &eventv1.PublishStreamRequest{Sequence: message.GetSequence(), Events: message.GetEvents()}
			for _, pending := range list[1:] {
				message.Following = append(message.Following, pending.request)
			}
		}
		if err := stream.Send(message); err != nil {
			return
		}
		p.mu.Lock()
		p.sent += len(list)
		p.mu.Unlock()
	}
}

// unsent is what goes into the next message, waiting for something; nothing when the publisher is closed and there is none, or ctx ended.
func (p *Publisher) unsent(ctx context.Context) []*Pending {
	for {
		p.mu.Lock()
		list, closed := p.queue[p.sent:], p.closed
		if len(list) > 0 {
			bytes, n := list[0].bytes, 1
			for n < min(len(list), p.together) && bytes+list[n].bytes <= messageBytes {
				bytes += list[n].bytes
				n++
			}
			list = slices.Clone(list[:n])
			p.mu.Unlock()
			return list
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

// answered hands the answers of a message to the requests they are for. A refusal that may pass is returned instead: the call ends, and the
// next one goes on with this request, so that none behind it overtakes it.
func (p *Publisher) answered(message *eventv1.PublishStreamResponse) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.together = 1 + int(message.GetMaxFollowing())
	if err := p.answeredOne(message); err != nil {
		return err
	}
	for _, answer := range message.GetFollowing() {
		if err := p.answeredOne(answer); err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) answeredOne(answer *eventv1.PublishStreamResponse) error {
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
