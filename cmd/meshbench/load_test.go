package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// slowNode acknowledges each request a fixed time after it was sent, or fails all that follow a number.
type slowNode struct {
	node
	takes     time.Duration
	failAfter int
	sent      int
}

var errRefused = errors.New("refused")

func (n *slowNode) publisher(context.Context, int) (publisher, error) { return n, nil }

func (n *slowNode) close() error { return nil }

func (n *slowNode) send(context.Context, []event) (answer, error) {
	n.sent++
	due, failed := time.Now().Add(n.takes), n.failAfter > 0 && n.sent > n.failAfter
	return func(ctx context.Context) error {
		pause(ctx, time.Until(due))
		if failed {
			return errRefused
		}
		return nil
	}, nil
}

func TestRateCountsWhatIsAcknowledged(t *testing.T) {
	made, err := newEvents(1024)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		got, err := publishFor(t.Context(), &slowNode{takes: 10 * time.Millisecond}, made, 8, 5, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if want := 8 * 5 / 0.01; got < 0.99*want || got > want { // the last answers come when nothing is sent any more
			t.Errorf("got %g events/s, want %g", got, want)
		}
	})
}

func TestPublishingEndsAtTheFirstRefusal(t *testing.T) {
	made, err := newEvents(1024)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		n := &slowNode{takes: time.Millisecond, failAfter: 50}
		if err := publishMany(t.Context(), n, made, 1_000_000); !errors.Is(err, errRefused) {
			t.Errorf("got %v", err)
		}
		if n.sent > 50+2*requestsStream {
			t.Errorf("%d requests were sent", n.sent)
		}
	})
}

func TestPacedCountsFromWhenAnEventWasDue(t *testing.T) {
	made, err := newEvents(1024)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		took, err := paced(t.Context(), &slowNode{takes: 3 * time.Millisecond}, made, 100, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(took) != 100 || percentile(took, 0) != 3 || percentile(took, 1) != 3 {
			t.Errorf("%d events, between %g and %g ms", len(took), percentile(took, 0), percentile(took, 1))
		}
	})
}

func TestEventsHaveTheirOwnIDsAndAboutTheSizeAskedFor(t *testing.T) {
	for _, size := range []int{256, 1024} {
		made, err := newEvents(size)
		if err != nil {
			t.Fatal(err)
		}
		if got := made.wireBytes(); got < 0.9*float64(size) || got > 1.1*float64(size) {
			t.Errorf("%g bytes, want about %d", got, size)
		}
		seen := map[string]bool{}
		for _, e := range made.take(3000) {
			if seen[e.message.GetId()] {
				t.Fatalf("%s twice", e.message.GetId())
			}
			seen[e.message.GetId()] = true
		}
	}
}
