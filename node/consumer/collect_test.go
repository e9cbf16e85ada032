package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// hourly has the events of the stream wait for the full hour, but those of subjects in a hurry. A bubble begins at midnight.
func hourly() consumer.Config {
	return consumer.Config{Bulk: 4, Collected: func(s plantmesh.StreamName) *consumer.Collection {
		if s != stream {
			return nil
		}
		return &consumer.Collection{
			Next:   func(after time.Time) time.Time { return after.Truncate(time.Hour).Add(time.Hour) },
			AtOnce: func(e *eventv1.RecordedEvent) bool { return strings.HasPrefix(e.GetEvent().GetSource(), "//urgent") },
		}
	}}
}

// urgent records events that do not wait.
func (s *site) urgent(orders ...string) {
	for _, order := range orders {
		e := s.event(order)
		e.Source = "//urgent"
		if _, err := s.log.Append(s.t.Context(), storage.Write{Entries: []storage.Entry{{Stream: stream, Event: e}}}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// books is a handler that notes what it applied, unless it refuses it.
type books struct {
	before func(consumer.Delivery) error // nil: applies at once
	mu     sync.Mutex
	all    map[string][]uint64 // offsets by subject
}

func newBooks(before func(consumer.Delivery) error) *books {
	return &books{before: before, all: map[string][]uint64{}}
}

func (b *books) Handle(_ context.Context, d consumer.Delivery) error {
	if b.before != nil {
		if err := b.before(d); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	subject := d.Event.GetEvent().GetSubject()
	b.all[subject] = append(b.all[subject], d.Event.GetOffset())
	return nil
}

// has fails unless just these offsets of an order are applied, in this order.
func (b *books) has(t testing.TB, order string, offsets ...uint64) {
	t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := b.all["order/"+order]; !slices.Equal(got, offsets) {
		t.Errorf("%s: offsets %v of %s are applied, want %v", time.Now().UTC().Format(time.TimeOnly), got, order, offsets)
	}
}

func TestCollectedEventsWaitForTheOpening(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, to := newSite(t), newBooks(nil)
		defer s.close()
		c := s.consume(hourly(), to)
		defer c.end(t)
		s.publish("a", "b", "a")
		s.publishTo("plant-a/quality", "q")
		<-time.After(59 * time.Minute)
		to.has(t, "a")
		to.has(t, "q", 1)
		status := c.Status().Positions[slices.IndexFunc(c.Status().Positions, func(p consumer.Position) bool { return p.Stream == stream })]
		if status.Offset != 0 || status.Waiting != 3 || time.Until(status.Opens) > time.Minute {
			t.Errorf("status %+v", status)
		}
		<-time.After(time.Minute)
		to.has(t, "a", 1, 3)
		to.has(t, "b", 2)
		s.publish("b")
		<-time.After(59 * time.Minute)
		to.has(t, "b", 2)
		<-time.After(time.Minute)
		to.has(t, "b", 2, 4)
	})
}

func TestMissedOpeningIsMadeUpForAtStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, to := newSite(t), newBooks(nil)
		defer s.close()
		s.publish("a")
		<-time.After(90 * time.Minute)
		s.publish("b")
		c := s.consume(hourly(), to)
		defer c.end(t)
		<-time.After(time.Second)
		to.has(t, "a", 1)
		to.has(t, "b")
		<-time.After(30 * time.Minute)
		to.has(t, "b", 2)
	})
}

func TestEventThatDoesNotWaitTakesEarlierOnesOfItsSubjectAlong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, to := newSite(t), newBooks(nil)
		defer s.close()
		c := s.consume(hourly(), to)
		s.publish("a", "b", "a", "c") // 1 to 4
		s.urgent("a", "d")            // 5, 6
		s.publish("a", "d")           // 7, 8
		<-time.After(time.Second)
		to.has(t, "a", 1, 3, 5)
		to.has(t, "d", 6)
		to.has(t, "b")
		c.end(t)
		s.close()
		s.open()
		c = s.consume(hourly(), to)
		defer c.end(t)
		s.urgent("d") // 9
		<-time.After(time.Second)
		to.has(t, "d", 6, 8, 9)
		if p := c.Status().Positions[0]; p.Offset != 1 || p.Waiting != 3 {
			t.Errorf("position %+v", p)
		}
		<-time.After(time.Hour)
		to.has(t, "a", 1, 3, 5, 7)
		to.has(t, "d", 6, 8, 9)
		to.has(t, "b", 2)
		to.has(t, "c", 4)
		if p := c.Status(); p.Positions[0].Offset != 9 || p.Counts.Applied != 9 || p.Counts.Duplicates != 0 {
			t.Errorf("status %+v", p)
		}
	})
}

func TestEventBehindAParkedOneIsHeldBackThoughItDoesNotWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, to := newSite(t), newBooks(nil)
		defer s.close()
		var mended atomic.Bool
		to.before = func(d consumer.Delivery) error {
			if d.Event.GetOffset() == 1 && !mended.Load() {
				return consumer.Park(errors.New("the period is locked"))
			}
			return nil
		}
		c := s.consume(hourly(), to)
		defer c.end(t)
		s.publish("a", "b")
		s.urgent("a")
		<-time.After(time.Second)
		to.has(t, "a")
		if p := c.Status().Parked; len(p) != 1 || p[0].Offset != 1 || p[0].Events != 2 {
			t.Errorf("parked %+v", p)
		}
		mended.Store(true)
		if _, err := c.RetryParked(t.Context(), stream, "order/a"); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		to.has(t, "a", 1, 3)
		to.has(t, "b")
	})
}

func TestRestartInTheMiddleOfAWindowGoesOnWithIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, to := newSite(t), newBooks(nil)
		defer s.close()
		to.before = func(consumer.Delivery) error { <-time.After(time.Minute); return nil }
		for i := range 20 {
			s.publish(fmt.Sprint("o", i))
		}
		c := s.consume(hourly(), to)
		<-time.After(time.Hour + 90*time.Second)
		c.end(t)
		s.close()
		s.open()
		s.publish("late")
		c = s.consume(hourly(), to)
		defer c.end(t)
		<-time.After(10 * time.Minute)
		for i := range 20 {
			to.has(t, fmt.Sprint("o", i), uint64(i+1))
		}
		to.has(t, "late")
	})
}

func TestCollectedEventsGiveWayToOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, to := newSite(t), newBooks(nil)
		defer s.close()
		var at, most atomic.Int64
		to.before = func(d consumer.Delivery) error {
			if !d.Collected {
				return nil
			}
			most.Store(max(most.Load(), at.Add(1)))
			<-time.After(time.Minute)
			at.Add(-1)
			return nil
		}
		for i := range 100 {
			s.publish(fmt.Sprint("o", i))
		}
		cfg := hourly()
		cfg.Window, cfg.Concurrency = 2, 1
		c := s.consume(cfg, to)
		defer c.end(t)
		<-time.After(time.Hour + 90*time.Second)
		s.publishTo("plant-a/quality", "hold")
		<-time.After(time.Second)
		to.has(t, "hold", 1)
		<-time.After(time.Hour)
		if got := c.Status().Counts.Applied; got != 101 || most.Load() != 4 {
			t.Errorf("%d applied, %d at once", got, most.Load())
		}
	})
}

func TestNewIncarnationDoesNotWaitBehindWhatIsCollectedOfTheOld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first := newSite(t)
		first.publish("a", "b")
		hq, to := hqOf(t, first), newBooks(nil)
		defer hq.close()
		first.close()
		c := hq.consume(hourly(), to)
		defer c.end(t)
		<-time.After(time.Second)
		to.has(t, "a")
		second := newSite(t)
		defer second.close()
		second.urgent("c")
		hq.fetch(second)
		<-time.After(time.Second)
		to.has(t, "a", 1)
		to.has(t, "b", 2)
		to.has(t, "c", 1)
	})
}

// Of so many that do not wait, only a number is remembered beside those that do.
func TestMoreEarlyEventsThanAreRememberedEndTheWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, to := newSite(t), newBooks(nil)
		defer s.close()
		s.publish("a")
		var entries []storage.Entry
		for i := range 10_500 {
			e := s.event(fmt.Sprint("u", i))
			e.Source = "//urgent"
			entries = append(entries, storage.Entry{Stream: stream, Event: e})
		}
		for chunk := range slices.Chunk(entries, 500) {
			if _, err := s.log.Append(t.Context(), storage.Write{Entries: chunk}); err != nil {
				t.Fatal(err)
			}
		}
		s.publish("b")
		c := s.consume(hourly(), to)
		defer c.end(t)
		<-time.After(time.Minute)
		to.has(t, "a", 1)
		to.has(t, "b")
		if got := c.Status(); got.Counts.Applied != 10_501 || got.Positions[0].Offset != 10_501 {
			t.Errorf("%+v", got)
		}
	})
}
