package plantmesh_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// take reads from a subscription until it has so many events, or the subscription ends.
func take(t testing.TB, client *plantmesh.Client, from plantmesh.From, count int) (got []*plantmesh.Delivery, err error) {
	t.Helper()
	for d, err := range client.Subscribe(t.Context(), from) {
		if err != nil {
			return got, err
		}
		if got = append(got, d); len(got) == count {
			break
		}
	}
	return got, nil
}

func idsOf(deliveries []*plantmesh.Delivery) []string {
	list := make([]string, len(deliveries))
	for i, d := range deliveries {
		list[i] = d.Event.GetEvent().GetId()
	}
	return list
}

func recordN(t testing.TB, fake *fakeNode, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		fake.record(event(t, n))
	}
}

func TestSubscriptionSurvivesEveryInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := startFake(t)
		fake.end = func(call, frames int) error {
			switch {
			case frames < 2:
			case call%2 == 0:
				return plantmesh.ErrShuttingDown
			default:
				fake.cut()
			}
			return nil
		}
		go func() {
			for n := 1; n <= 100; n++ {
				fake.record(event(t, n))
				if n%7 == 0 {
					<-time.After(time.Second)
				}
			}
		}()
		got, err := take(t, fake.client(), plantmesh.From{Stream: fakeStream}, 100)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(idsOf(got), ids(1, 100)) {
			t.Errorf("got %v", idsOf(got))
		}
		if fake.calls < 10 {
			t.Errorf("only %d calls: nothing was interrupted", fake.calls)
		}
	})
}

func TestSubscriptionGoesOnFromTheCursorOfAnyEvent(t *testing.T) {
	fake := startFake(t)
	recordN(t, fake, 1, 10)
	client := fake.client()
	all, err := take(t, client, plantmesh.From{Stream: fakeStream, UntilHead: true}, 0)
	if err != nil || len(all) != 10 {
		t.Fatalf("%d events, %v", len(all), err)
	}
	for i, d := range all {
		cursor := d.Cursor()
		for round := range 2 { // the cursor of the event before may come from a subscription that began in a frame's middle
			rest, err := take(t, client, plantmesh.From{Stream: fakeStream, Cursor: cursor, UntilHead: true}, 0)
			if err != nil {
				t.Fatal(err)
			}
			if want := ids(i+2+round, 10); !slices.Equal(idsOf(rest), want) {
				t.Errorf("behind event %d, round %d: %v", i+1, round, idsOf(rest))
			}
			if len(rest) == 0 {
				break
			}
			cursor = rest[0].Cursor()
		}
	}
}

func TestSubscriptionFromLatestSkipsNothingThatComesWhileItIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := startFake(t)
		recordN(t, fake, 1, 4)
		fake.end = func(call, frames int) error {
			if call == 1 && frames == 1 {
				fake.record(event(t, 5))
				return plantmesh.ErrShuttingDown
			}
			return nil
		}
		got, err := take(t, fake.client(), plantmesh.From{Stream: fakeStream, Position: eventv1.Position_POSITION_LATEST}, 1)
		if err != nil || !slices.Equal(idsOf(got), ids(5, 5)) {
			t.Errorf("got %v, %v", idsOf(got), err)
		}
	})
}

func TestSubscriptionYieldsWhatCannotPassOnceAndEnds(t *testing.T) {
	fake := startFake(t)
	recordN(t, fake, 1, 3)
	client := fake.client()
	valid, err := take(t, client, plantmesh.From{Stream: fakeStream}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		from plantmesh.From
		want error
	}{
		"no stream of this name": {plantmesh.From{Stream: "plant-b/quality"}, plantmesh.ErrUnknownStream},
		"not a stream's name":    {plantmesh.From{Stream: "production"}, plantmesh.ErrInvalidRequest},
		"offset beyond the head": {plantmesh.From{Stream: fakeStream, After: 9}, plantmesh.ErrOffsetBeyondHead},
		"two places to start":    {plantmesh.From{Stream: fakeStream, After: 1, Time: time.Unix(1, 0)}, plantmesh.ErrInvalidRequest},
		"not a cursor":           {plantmesh.From{Stream: fakeStream, Cursor: plantmesh.Cursor("x")}, plantmesh.ErrInvalidCursor},
		"another stream's":       {plantmesh.From{Stream: "plant-b/quality", Cursor: valid[0].Cursor()}, plantmesh.ErrInvalidCursor},
		"a damaged cursor":       {plantmesh.From{Stream: fakeStream, Cursor: valid[0].Cursor()[:5]}, plantmesh.ErrInvalidCursor},
	} {
		t.Run(name, func(t *testing.T) {
			yielded := 0
			for d, err := range client.Subscribe(t.Context(), test.from) {
				if yielded++; d != nil || !errors.Is(err, test.want) {
					t.Errorf("delivery %v, error %v", d, err)
				}
			}
			if yielded != 1 {
				t.Errorf("yielded %d times", yielded)
			}
		})
	}
	_, err = take(t, client, plantmesh.From{Stream: fakeStream, After: 9}, 1)
	var offset *plantmesh.OffsetError
	if !errors.As(err, &offset) || offset.Asked != 9 || offset.End != 3 {
		t.Errorf("got %v", err)
	}
}

func TestSubscriptionNoticesThatTheStreamWasBegunAnew(t *testing.T) {
	fake := startFake(t)
	recordN(t, fake, 1, 5)
	client := fake.client()
	got, err := take(t, client, plantmesh.From{Stream: fakeStream}, 5)
	if err != nil {
		t.Fatal(err)
	}
	fake.incarnation++
	for _, d := range got {
		if _, err := take(t, client, plantmesh.From{Stream: fakeStream, Cursor: d.Cursor()}, 1); !errors.Is(err, plantmesh.ErrIncarnationChanged) {
			t.Errorf("behind event %d: %v", d.Event.GetOffset(), err)
		}
	}
}

func TestSubscriptionEndsQuietlyWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := startFake(t)
		recordN(t, fake, 1, 2)
		client := fake.client()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got := 0
		for _, err := range client.Subscribe(ctx, plantmesh.From{Stream: fakeStream}) {
			if err != nil {
				t.Error(err)
			}
			got++
		}
		if got != 2 || ctx.Err() == nil {
			t.Errorf("%d events, context %v", got, ctx.Err())
		}
	})
}

func TestSubscriptionNeverPassesAGap(t *testing.T) {
	fake := startFake(t)
	recordN(t, fake, 1, 9)
	fake.events = slices.Delete(fake.events, 4, 5)
	got, err := take(t, fake.client(), plantmesh.From{Stream: fakeStream}, 0)
	if !errors.Is(err, plantmesh.ErrCorruptBlock) || len(got) != 4 {
		t.Errorf("%d events, %v", len(got), err)
	}
}

func TestDeliveryContinuesTheEventsTrace(t *testing.T) {
	fake := startFake(t)
	e := event(t, 1)
	e.Traceparent = traceparent
	fake.record(e)
	got, err := take(t, fake.client(), plantmesh.From{Stream: fakeStream}, 1)
	if err != nil {
		t.Fatal(err)
	}
	span := trace.SpanContextFromContext(got[0].Context(t.Context()))
	if fmt.Sprintf("00-%s-%s-%s", span.TraceID(), span.SpanID(), span.TraceFlags()) != traceparent || !span.IsRemote() {
		t.Errorf("span context %+v", span)
	}
}
