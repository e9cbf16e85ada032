package plantmesh

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

const (
	// finishTimeout bounds how long the node may take to end a call in order.
	finishTimeout = 10 * time.Second
	// maxAnswers is how many answers go out together; the protocol says so.
	maxAnswers = 1000
	// signsOfLife is how often within a deadline the node hears that a handler goes on.
	signsOfLife = 3
)

// consuming is one call of Consume that the node has taken. One goroutine receives, one sends, and each delivery has one.
type consuming struct {
	*consumption
	stream   eventv1.EventService_ConsumeClient
	deadline time.Duration
	answers  chan *eventv1.Answer
	over     chan struct{} // closed when the call has ended
	quit     chan struct{} // closed when this side ends the call

	handlers sync.WaitGroup

	mu       sync.Mutex // guards what follows
	stopping bool       // nothing more is begun
	fault    error      // why quit is closed
	open     map[uint64]struct{}
}

func newConsuming(k *consumption, stream eventv1.EventService_ConsumeClient, deadline time.Duration) *consuming {
	return &consuming{
		consumption: k, stream: stream, deadline: deadline, answers: make(chan *eventv1.Answer, maxAnswers), over: make(chan struct{}),
		quit: make(chan struct{}), open: map[uint64]struct{}{},
	}
}

// run takes deliveries until the call ends, and returns why. When ctx ends it ends the call in order.
func (s *consuming) run(ctx context.Context, hangUp func()) error {
	handling, lost := context.WithCancel(ctx)
	defer lost()
	var helpers sync.WaitGroup
	finished := make(chan struct{}) // closed when no handler runs and none will
	helpers.Go(func() {
		select {
		case <-ctx.Done():
		case <-s.over:
		case <-s.quit:
		}
		s.mu.Lock()
		s.stopping = true
		s.mu.Unlock()
		s.handlers.Wait()
		close(finished)
	})
	helpers.Go(func() { s.send(finished, hangUp) })
	helpers.Go(func() { s.extend(finished) })
	err := s.receive(handling)
	lost()
	close(s.over)
	helpers.Wait()
	if s.fault != nil {
		return s.fault
	}
	return err
}

// abandon ends the call from this side: what is open is given back.
func (s *consuming) abandon(fault error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		s.fault = fault
		close(s.quit)
	}
	return errAbandoned
}

// errAbandoned is of a delivery that is not answered because this side ends the call.
var errAbandoned = errors.New("abandoned")

// receive begins what comes.
func (s *consuming) receive(ctx context.Context) error {
	for {
		response, err := s.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return status.Error(codes.Unavailable, "the node ended the call")
		case err != nil:
			return err
		}
		for _, d := range response.GetDeliveries().GetDeliveries() {
			s.begin(ctx, d)
		}
	}
}

// begin handles a delivery in a goroutine, unless the call ends: the node then gives it to another.
func (s *consuming) begin(ctx context.Context, d *eventv1.ConsumerDelivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return
	}
	s.open[d.GetId()] = struct{}{}
	s.handlers.Go(func() {
		answer := s.answer(ctx, d)
		s.mu.Lock()
		delete(s.open, d.GetId())
		s.mu.Unlock()
		if answer != nil {
			s.tell(answer)
		}
	})
}

// answer has a delivery dealt with. It is nil if that was given up because the call ends.
func (s *consuming) answer(ctx context.Context, d *eventv1.ConsumerDelivery) *eventv1.Answer {
	err := s.dealWith(ctx, d)
	answer := &eventv1.Answer{DeliveryId: d.GetId(), Outcome: &eventv1.Answer_Acknowledged{Acknowledged: &emptypb.Empty{}}}
	var park *ParkError
	switch {
	case err == nil:
	case ctx.Err() != nil || errors.Is(err, errAbandoned):
		return nil
	default:
		answer.Outcome = &eventv1.Answer_Refused{Refused: &eventv1.Refusal{Reason: err.Error(), Park: errors.As(err, &park)}}
	}
	return answer
}

func (s *consuming) dealWith(ctx context.Context, d *eventv1.ConsumerDelivery) error {
	stream := StreamName(d.GetStream())
	if event := d.GetEvent(); event != nil {
		return s.handle(ctx, &Delivery{Stream: stream, Incarnation: Incarnation(d.GetIncarnation()), Event: event, Attempt: int(d.GetAttempt())})
	}
	j := jumpOf(stream, d.GetGap(), d.GetHistoryReset())
	j.Cursor = place{stream: stream, incarnation: j.To, offset: j.ToAfter}.cursor()
	if s.onJump != nil {
		return s.onJump(ctx, j)
	}
	return s.abandon(&JumpError{Jump: j})
}

// tell sends an answer, if there is anybody to hear it.
func (s *consuming) tell(a *eventv1.Answer) {
	select {
	case s.answers <- a:
	case <-s.over:
	}
}

// send sends answers until all are sent that will come, and then no more.
func (s *consuming) send(finished <-chan struct{}, hangUp func()) {
	for {
		select {
		case first := <-s.answers:
			all := []*eventv1.Answer{first}
			for len(all) < maxAnswers && len(s.answers) > 0 {
				all = append(all, <-s.answers)
			}
			_ = s.stream.Send(&eventv1.ConsumeRequest{Request: &eventv1.ConsumeRequest_Answers{Answers: &eventv1.Answers{Answers: all}}}) // Recv has the error
			continue
		case <-finished:
		}
		if len(s.answers) == 0 {
			break
		}
	}
	_ = s.stream.CloseSend()
	timer := time.AfterFunc(finishTimeout, hangUp)
	defer timer.Stop()
	<-s.over
}

// extend gives signs of life for what takes long.
func (s *consuming) extend(finished <-chan struct{}) {
	tick := time.NewTicker(max(s.deadline, time.Second) / signsOfLife)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-finished:
			return
		}
		s.mu.Lock()
		var open []*eventv1.Answer
		for id := range s.open {
			open = append(open, &eventv1.Answer{DeliveryId: id, Outcome: &eventv1.Answer_Extended{Extended: &emptypb.Empty{}}})
		}
		s.mu.Unlock()
		for _, a := range open {
			s.tell(a)
		}
	}
}
