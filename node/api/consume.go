package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumers"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// What one frame of deliveries holds at most.
const (
	maxDeliveries     = 256
	maxDeliveredBytes = 1 << 20 // one larger event may overfill it
)

// consumption is one Consume. The handler sends, a goroutine receives.
type consumption struct {
	stream grpc.BidiStreamingServer[eventv1.ConsumeRequest, eventv1.ConsumeResponse]
	call   *consumers.Call
}

// Consume hands out the events of a durable consumer; see the protocol.
func (s *events) Consume(stream grpc.BidiStreamingServer[eventv1.ConsumeRequest, eventv1.ConsumeResponse]) error {
	ctx := stream.Context()
	caller, err := callerOf(ctx)
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: the first request has to open a consumer, and there was none", plantmesh.ErrInvalidRequest)
	} else if err != nil {
		return err
	}
	if first.GetOpen() == nil {
		return fmt.Errorf("%w: the first request has to open a consumer", plantmesh.ErrInvalidRequest)
	}
	call, err := s.consumers.Open(ctx, caller, addressOf(ctx), first.GetOpen())
	if err != nil {
		return err
	}
	c := &consumption{stream: stream, call: call}
	inOrder := false
	defer func() { call.Close(inOrder) }()
	received := make(chan error, 1)
	s.receivers.Go(func() { received <- c.receive() }) // Recv returns at the latest when this handler has
	inOrder, err = c.send(received)
	return err
}

func addressOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}

// receive takes answers until there are no more, and returns nil then.
func (c *consumption) receive() error {
	for {
		req, err := c.stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if req.GetAnswers() == nil {
			return fmt.Errorf("%w: a call opens one consumer: make another call for another", plantmesh.ErrInvalidRequest)
		}
		for _, a := range req.GetAnswers().GetAnswers() {
			c.call.Answer(a)
		}
	}
}

// send sends deliveries until the caller or the node ends the call; inOrder tells that what is open was given back.
func (c *consumption) send(received <-chan error) (inOrder bool, err error) {
	if err := c.stream.Send(&eventv1.ConsumeResponse{Response: &eventv1.ConsumeResponse_Opened{Opened: c.call.Opened()}}); err != nil {
		return false, err
	}
	quiet := time.NewTimer(heartbeatEvery)
	defer quiet.Stop()
	ctx := c.stream.Context()
	for {
		quiet.Reset(heartbeatEvery)
		select {
		case d := <-c.call.Deliveries():
			err = c.deliver(d)
		case <-quiet.C:
			err = c.stream.Send(&eventv1.ConsumeResponse{Response: &eventv1.ConsumeResponse_Heartbeat{Heartbeat: &emptypb.Empty{}}})
		case err := <-received:
			return err == nil, err
		case <-c.call.Ended():
			return true, c.call.Reason()
		case <-ctx.Done():
			err := context.Cause(ctx)
			return errors.Is(err, plantmesh.ErrShuttingDown), err
		}
		if err != nil {
			return false, err
		}
	}
}

// deliver sends a delivery and what waits behind it.
func (c *consumption) deliver(d *eventv1.ConsumerDelivery) error {
	all, size := []*eventv1.ConsumerDelivery{d}, proto.Size(d)
	for len(all) < maxDeliveries && size < maxDeliveredBytes {
		select {
		case d := <-c.call.Deliveries():
			all, size = append(all, d), size+proto.Size(d)
			continue
		default:
		}
		break
	}
	for _, d := range all {
		c.call.Sending(d)
	}
	return c.stream.Send(&eventv1.ConsumeResponse{Response: &eventv1.ConsumeResponse_Deliveries{Deliveries: &eventv1.ConsumerDeliveries{Deliveries: all}}})
}
