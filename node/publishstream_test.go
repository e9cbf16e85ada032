package node_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

func TestPublishStreamAnswersInOrderAndGoesOnAfterARefusal(t *testing.T) {
	c := newCluster(t)
	plant := c.start(c.config("plant-a"))
	stream, err := plant.events().PublishStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const requests = 300
	sent := make(chan error, 1)
	go func() {
		for i := range requests {
			req := &eventv1.PublishStreamRequest{Sequence: uint64(1000 + i)}
			switch {
			case i%50 == 7: // no event
			case i%50 == 8:
				req.Events = []*eventv1.Event{{Id: "malformed"}}
			case i%50 == 9:
				req.Events = batch(t, fmt.Sprint(i-1-8), 1) // as 1, 51 …: recorded already, a request or many before
			default:
				req.Events = batch(t, fmt.Sprint(i), 1)
			}
			if err := stream.Send(req); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	last := uint64(0)
	for i := range requests {
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if answer.GetSequence() != uint64(1000+i) {
			t.Fatalf("answer %d is of request %d", i, answer.GetSequence())
		}
		refusal := plantmesh.FromStatus(status.ErrorProto(answer.GetError()))
		switch {
		case i%50 == 7:
			if !errors.Is(refusal, plantmesh.ErrInvalidRequest) || len(answer.GetReceipts()) != 0 {
				t.Errorf("request %d: %v", i, answer)
			}
		case i%50 == 8:
			if !errors.Is(refusal, plantmesh.ErrInvalidEvent) {
				t.Errorf("request %d: %v", i, answer)
			}
		case i%50 == 9:
			if answer.GetError() != nil || !answer.GetReceipts()[0].GetDuplicate() {
				t.Errorf("request %d: %v", i, answer)
			}
		default:
			if answer.GetError() != nil || answer.GetReceipts()[0].GetOffset() != last+1 {
				t.Fatalf("request %d: %v after offset %d", i, answer, last)
			}
			last++
		}
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ends with %v", err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestRequestsThatFollowInAMessageAreAnsweredOneByOne(t *testing.T) {
	c := newCluster(t)
	plant := c.start(c.config("plant-a"))
	stream, err := plant.events().PublishStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request := func(sequence uint64, events ...*eventv1.Event) *eventv1.PublishStreamRequest {
		return &eventv1.PublishStreamRequest{Sequence: sequence, Events: events}
	}
	first := request(1, batch(t, "a", 2)...)
	nested := request(5, batch(t, "n", 1)...)
	nested.Following = []*eventv1.PublishStreamRequest{request(9, batch(t, "m", 1)...)}
	first.Following = []*eventv1.PublishStreamRequest{
		request(2, batch(t, "b", 1)...), request(3, &eventv1.Event{Id: "malformed"}), request(4), nested, request(6, batch(t, "c", 1)...),
	}
	if err := stream.Send(first); err != nil {
		t.Fatal(err)
	}
	var answers []*eventv1.PublishStreamResponse
	for len(answers) < 6 {
		answer, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if answer.GetMaxFollowing() == 0 {
			t.Error("the node does not say how many requests it takes in a message")
		}
		answers = append(append(answers, answer), answer.GetFollowing()...)
	}
	offset := uint64(0)
	for i, answer := range answers {
		if answer.GetSequence() != uint64(i+1) {
			t.Fatalf("answer %d is of request %d", i+1, answer.GetSequence())
		}
		refusal := plantmesh.FromStatus(status.ErrorProto(answer.GetError()))
		want := map[int]error{3: plantmesh.ErrInvalidEvent, 4: plantmesh.ErrInvalidRequest, 5: plantmesh.ErrInvalidRequest}[i+1]
		if !errors.Is(refusal, want) {
			t.Errorf("request %d is answered with %v", i+1, answer)
		}
		for _, r := range answer.GetReceipts() {
			if offset++; r.GetOffset() != offset {
				t.Errorf("request %d: offset %d, not %d", i+1, r.GetOffset(), offset)
			}
		}
	}
	if offset != 4 {
		t.Errorf("%d events are recorded", offset)
	}
	many := request(7, batch(t, "d", 1)...)
	for i := range 256 {
		many.Following = append(many.Following, request(uint64(8+i), batch(t, fmt.Sprint("d", i), 1)...))
	}
	if err := stream.Send(many); err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	answer{codes.InvalidArgument, "INVALID_REQUEST", []string{"256 requests follow request 7", "limit is 255"}, nil}.check(t, err)
}

func TestOpenStreamsEndWhenTheNodeStops(t *testing.T) {
	c := newCluster(t)
	plant := c.start(c.config("plant-a"))
	events := plant.events()
	publish, err := events.PublishStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := publish.Send(&eventv1.PublishStreamRequest{Sequence: 1, Events: batch(t, "e", 1)}); err != nil {
		t.Fatal(err)
	}
	if answer, err := publish.Recv(); err != nil || answer.GetError() != nil {
		t.Fatalf("%v, %v", answer, err)
	}
	subscribe, err := events.Subscribe(t.Context(), &eventv1.SubscribeRequest{Stream: "plant-a/production"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := subscribe.Recv(); err != nil {
		t.Fatal(err)
	}
	plant.end()
	_, err = subscribe.Recv()
	answer{codes.Unavailable, "SHUTTING_DOWN", []string{"plant-a"}, nil}.check(t, err)
	_, err = publish.Recv()
	answer{codes.Unavailable, "SHUTTING_DOWN", []string{"plant-a"}, nil}.check(t, err)
}
