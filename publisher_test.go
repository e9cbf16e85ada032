package plantmesh_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
)

func TestPublisherRecordsInTheOrderSent(t *testing.T) {
	for name, following := range map[string]uint32{"to a node that takes many requests in a message": 99, "to one that takes one": 0} {
		t.Run(name, func(t *testing.T) {
			fake := startFake(t)
			fake.maxFollowing = following
			publisher := fake.client().Publisher(t.Context())
			const count = 1000
			var last *plantmesh.Pending
			for n := 1; n <= count; n++ {
				pending, err := publisher.Send(t.Context(), event(t, n))
				if err != nil {
					t.Fatal(err)
				}
				last = pending
			}
			receipts, err := last.Wait(t.Context())
			if err != nil || len(receipts) != 1 || receipts[0].Offset != count {
				t.Errorf("receipts %+v, error %v", receipts, err)
			}
			if err := publisher.Close(); err != nil {
				t.Error(err)
			}
			if !slices.Equal(fake.ids(), ids(1, count)) {
				t.Error("not in the order sent, or not once each")
			}
			if alone := fake.messages == count; alone != (following == 0) {
				t.Errorf("%d requests came in %d messages", count, fake.messages)
			}
		})
	}
}

func TestPublisherSendsAgainWhatWasNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := startFake(t)
		fake.refuse = func(request int) error {
			switch {
			case request%70 == 0:
				fake.cut()
			case request%90 == 0:
				return plantmesh.ErrTooManyPending
			}
			return nil
		}
		publisher := fake.client().Publisher(t.Context())
		var answers []*plantmesh.Pending
		const count = 500
		for n := 1; n <= count; n++ {
			pending, err := publisher.Send(t.Context(), event(t, n))
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, pending)
		}
		if err := publisher.Close(); err != nil {
			t.Error(err)
		}
		for n, pending := range answers {
			receipts, err := pending.Wait(t.Context())
			if err != nil || receipts[0].Offset != plantmesh.Offset(n+1) {
				t.Fatalf("request %d: %+v, %v", n+1, receipts, err)
			}
		}
		if !slices.Equal(fake.ids(), ids(1, count)) {
			t.Error("not in the order sent, or not once each")
		}
	})
}

func TestRefusedRequestDoesNotEndThePublisher(t *testing.T) {
	fake := startFake(t)
	fake.refuse = func(request int) error {
		if request == 2 {
			return plantmesh.ErrNotOwner
		}
		return nil
	}
	publisher := fake.client().Publisher(t.Context())
	for n := 1; n <= 3; n++ {
		pending, err := publisher.Send(t.Context(), event(t, n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pending.Wait(t.Context()); errors.Is(err, plantmesh.ErrNotOwner) != (n == 2) {
			t.Errorf("request %d: %v", n, err)
		}
	}
	if err := publisher.Close(); !errors.Is(err, plantmesh.ErrNotOwner) {
		t.Errorf("close: %v", err)
	}
	if _, err := publisher.Send(t.Context(), event(t, 4)); !errors.Is(err, plantmesh.ErrPublisherClosed) {
		t.Errorf("send after close: %v", err)
	}
}

func TestSendWaitsWhileTheWindowIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := startFake(t)
		answer := make(chan struct{})
		fake.refuse = func(int) error {
			<-answer
			return nil
		}
		publisher := fake.client().Publisher(t.Context())
		sent := 0
		for {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := publisher.Send(ctx, event(t, sent+1))
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			sent++
		}
		if sent != 512 {
			t.Errorf("%d requests unanswered", sent)
		}
		close(answer)
		if err := publisher.Close(); err != nil {
			t.Error(err)
		}
		if len(fake.ids()) != sent {
			t.Errorf("%d recorded", len(fake.ids()))
		}
	})
}

func TestPublisherEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := startFake(t)
		fake.refuse = func(int) error { return plantmesh.ErrShuttingDown }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		publisher := fake.client().Publisher(ctx)
		pending, err := publisher.Send(t.Context(), event(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pending.Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, plantmesh.ErrShuttingDown) {
			t.Errorf("answer: %v", err)
		}
		if err := publisher.Close(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
		if _, err := publisher.Send(t.Context(), event(t, 2)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("send: %v", err)
		}
	})
}

func TestPublisherThatMayNotConnectSaysSo(t *testing.T) {
	fake := startFake(t)
	publisher := fake.client(plantmesh.WithSite("plant-b")).Publisher(t.Context())
	pending, err := publisher.Send(t.Context(), event(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pending.Wait(t.Context()); !errors.Is(err, plantmesh.ErrUnauthenticated) {
		t.Errorf("answer: %v", err)
	}
	if err := publisher.Close(); !errors.Is(err, plantmesh.ErrUnauthenticated) {
		t.Errorf("close: %v", err)
	}
}

func TestPublisherTracesEachEvent(t *testing.T) {
	fake := startFake(t)
	publisher := fake.client().Publisher(t.Context())
	mine := event(t, 1)
	own := event(t, 2)
	own.Traceparent = "00-00000000000000000000000000000001-0000000000000001-01"
	if _, err := publisher.Send(traced(t), mine, own); err != nil {
		t.Fatal(err)
	}
	if err := publisher.Close(); err != nil {
		t.Fatal(err)
	}
	if got := fake.events[0].GetEvent().GetTraceparent(); got != traceparent {
		t.Errorf("traceparent %q", got)
	}
	if got := fake.events[1].GetEvent().GetTraceparent(); got != own.GetTraceparent() {
		t.Errorf("traceparent of its own became %q", got)
	}
	if mine.GetTraceparent() != "" {
		t.Error("the caller's event was changed")
	}
}
