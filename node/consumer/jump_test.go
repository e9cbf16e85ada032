package consumer_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/storage"
)

// handler is a handler in a function.
type handler func(consumer.Delivery) error

func (h handler) Handle(_ context.Context, d consumer.Delivery) error { return h(d) }

// hqOf is a site that holds a replica of another's streams.
func hqOf(t testing.TB, origin *site) *site {
	t.Helper()
	hq := &site{t: t, fs: vfs.NewMem()}
	options := storage.Options{Mesh: "test", Site: "hq", FS: hq.fs}
	var err, stateErr error
	hq.log, err = storage.Open("log", options)
	hq.state, stateErr = storage.OpenState("state", options)
	if err := errors.Join(err, stateErr); err != nil {
		t.Fatal(err)
	}
	hq.fetch(origin)
	return hq
}

// fetch brings the replica up to date.
func (s *site) fetch(origin *site) {
	s.t.Helper()
	after := plantmesh.Offset(0)
	if head, err := origin.log.Head(stream); err != nil {
		s.t.Fatal(err)
	} else if held, err := s.log.HeadOf(stream, head.Incarnation); err == nil {
		after = held.Offset
	}
	blocks, err := origin.log.RawBlocks(s.t.Context(), stream, after, 1<<30)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.log.AppendBlocks(s.t.Context(), stream, blocks); err != nil {
		s.t.Fatal(err)
	}
}

// The origin loses its disk while a subject of the old history is parked. The new history's events of that subject wait
// behind it, those of others do not, and the operator is told.
func TestOrderOfASubjectHoldsAcrossIncarnations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first := newSite(t)
		first.publish("bad", "good")
		hq := hqOf(t, first)
		defer hq.close()
		first.close()
		mended := false
		var applied []string
		out := handler(func(d consumer.Delivery) error {
			subject := d.Event.GetEvent().GetSubject()
			if subject == "order/bad" && !mended {
				return consumer.Park(errors.New("no such order"))
			}
			applied = append(applied, subject+" "+d.Event.GetEvent().GetId())
			return nil
		})
		c := hq.consume(consumer.Config{Concurrency: 1}, out)
		synctest.Wait()
		<-time.After(time.Second)

		second := newSite(t)
		defer second.close()
		second.serial = 10
		second.publish("good", "bad")
		hq.fetch(second)
		<-time.After(5 * time.Second)
		if want := []string{"order/good 2", "order/good 11"}; !slices.Equal(applied, want) {
			t.Errorf("applied %v, want %v", applied, want)
		}
		s := c.Status()
		if len(s.Jumps) != 1 || s.Jumps[0].Kind != storage.JumpRecreated || s.Jumps[0].Stream != stream || s.Counts.Parked != 2 {
			t.Errorf("status %+v", s)
		}
		if p := s.Positions[0]; p.KeptIncarnation >= p.Incarnation || p.Kept != 0 || p.Offset != 2 {
			t.Errorf("position %+v: what is parked in the old history is still needed", p)
		}
		c.end(t) // and a restart in between changes nothing
		mended = true
		c = hq.consume(consumer.Config{Concurrency: 1}, out)
		<-time.After(time.Minute)
		if want := []string{"order/good 2", "order/good 11", "order/bad 1", "order/bad 12"}; !slices.Equal(applied, want) {
			t.Errorf("applied %v, want %v", applied, want)
		}
		c.end(t)
	})
}

func TestConsumerIsToldOfEventsThatWereTrimmedBeforeItReadThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newSite(t)
		defer s.close()
		s.publish("a", "b")
		out := newSystem()
		c := s.consume(consumer.Config{}, out)
		<-time.After(time.Second)
		c.end(t)
		s.publish("c", "d", "e")
		if _, err := s.log.Trim(t.Context(), stream, 0, 5); err != nil {
			t.Fatal(err)
		}
		c = s.consume(consumer.Config{}, out)
		<-time.After(time.Second)
		defer c.end(t)
		synctest.Wait()
		for subject, want := range map[string]string{"a": "[1]", "b": "[2]", "c": "[]", "d": "[]", "e": "[5]"} {
			if got := out.of("order/" + subject); got != want {
				t.Errorf("applied %s of %s, want %s", got, subject, want)
			}
		}
		if jumps := c.Status().Jumps; len(jumps) != 1 || jumps[0].Kind != storage.JumpTrimmed || jumps[0].From.Offset != 2 || jumps[0].To.Offset != 4 {
			t.Errorf("jumps %+v", jumps)
		}
	})
}
