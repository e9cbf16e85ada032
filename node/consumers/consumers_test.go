package consumers_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumers"
	"github.com/plantmesh/plantmesh/node/telemetry"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const stream plantmesh.StreamName = "plant-a/production"

var mes = plantmesh.Identity{Mesh: "test", Client: "mes"}

// site is a log with a registry, on a disk in memory.
type site struct {
	*testing.T
	fs       vfs.FS
	log      *storage.Log
	state    *storage.State
	registry *consumers.Registry
	stop     func()
	serial   int
}

var warmed sync.Once

// bubble runs a test in virtual time. What the process keeps for ever, such as the compressor, is made before.
func bubble(t *testing.T, test func(s *site)) {
	warmed.Do(func() {
		s := newSite(t)
		s.publish(strings.Repeat("warm", 20))
		s.close()
		s.open()
		defer s.close()
		if _, err := s.log.Get(stream, 1); err != nil {
			t.Fatal(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		defer s.close()
		test(s)
	})
}

func newSite(t *testing.T) *site {
	s := &site{T: t, fs: vfs.NewMem()}
	s.open()
	return s
}

func (s *site) open() {
	s.Helper()
	options := storage.Options{Mesh: "test", Site: "plant-a", FS: s.fs}
	var err error
	if s.log, err = storage.Open("log", options); err != nil {
		s.Fatal(err)
	}
	if s.state, err = storage.OpenState("state", options); err != nil {
		s.Fatal(err)
	}
	if s.registry, err = consumers.New(s.log, s.state, telemetry.Off(), slog.New(slog.DiscardHandler)); err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.registry.Run(ctx) }()
	s.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	}
}

func (s *site) close() {
	s.Helper()
	s.stop()
	if err := errors.Join(s.log.Close(), s.state.Close()); err != nil {
		s.Fatal(err)
	}
}

// publish records one event about each order.
func (s *site) publish(orders ...string) {
	s.Helper()
	for _, order := range orders {
		s.serial++
		e, err := plantmesh.NewEvent("//test", fmt.Sprint(s.serial), time.Now(),
			&manufacturingv1.ProductionOrderClosed{OrderId: order, Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED})
		if err != nil {
			s.Fatal(err)
		}
		if _, err := s.log.Append(s.Context(), storage.Write{Entries: []storage.Entry{{Stream: stream, Event: e}}}); err != nil {
			s.Fatal(err)
		}
	}
}

// client is a call, as a program sees it.
type client struct {
	*site
	*consumers.Call
	got []*eventv1.ConsumerDelivery // in the order they came, answered or not
}

func settings(patterns ...string) *eventv1.ConsumerSettings {
	return &eventv1.ConsumerSettings{Streams: patterns}
}

func (s *site) client(room uint32, set *eventv1.ConsumerSettings) *client {
	s.Helper()
	call, err := s.registry.Open(s.Context(), mes, "test", &eventv1.OpenConsumer{Name: "orders", Settings: set, MaxInFlight: room})
	if err != nil {
		s.Fatal(err)
	}
	return &client{site: s, Call: call}
}

// receive takes what has come, and describes it: subject, offset, attempt.
func (c *client) receive() string {
	c.Helper()
	synctest.Wait()
	var texts []string
	for {
		select {
		case d := <-c.Deliveries():
			c.Sending(d)
			c.got = append(c.got, d)
			switch {
			case d.GetGap() != nil:
				texts = append(texts, fmt.Sprintf("gap %d-%d", d.GetGap().GetFirstOffset(), d.GetGap().GetLastOffset()))
			default:
				texts = append(texts, fmt.Sprintf("%s@%d#%d", strings.TrimPrefix(d.GetEvent().GetEvent().GetSubject(), "order/"), d.GetEvent().GetOffset(), d.GetAttempt()))
			}
			synctest.Wait()
		default:
			return strings.Join(texts, " ")
		}
	}
}

func (c *client) expect(want string) {
	c.Helper()
	if got := c.receive(); got != want {
		c.Errorf("received %q, want %q", got, want)
	}
}

// last is what came last of an order.
func (c *client) last(order string) uint64 {
	c.Helper()
	for i := len(c.got) - 1; i >= 0; i-- {
		if e := c.got[i].GetEvent(); e == nil && order == "" || e.GetEvent().GetSubject() == "order/"+order {
			return c.got[i].GetId()
		}
	}
	c.Fatalf("nothing of %s came", order)
	return 0
}

func (c *client) ack(orders ...string) {
	c.Helper()
	for _, order := range orders {
		c.Answer(&eventv1.Answer{DeliveryId: c.last(order), Outcome: &eventv1.Answer_Acknowledged{Acknowledged: &emptypb.Empty{}}})
	}
}

func (c *client) refuse(order, reason string, park bool) {
	c.Helper()
	c.Answer(&eventv1.Answer{DeliveryId: c.last(order), Outcome: &eventv1.Answer_Refused{Refused: &eventv1.Refusal{Reason: reason, Park: park}}})
}

func TestAcknowledgedEventsDoNotComeAgainAndTheOthersDo(t *testing.T) {
	bubble(t, func(s *site) {
		s.publish("A", "B", "A", "C")
		c := s.client(10, settings("plant-*/production"))
		c.expect("A@1#1 B@2#1 C@4#1") // the second of A waits for the first
		c.ack("A")
		c.expect("A@3#1")
		c.ack("B")
		synctest.Wait()
		c.Close(true)
		c = s.client(10, settings("plant-*/production"))
		c.expect("A@3#1 C@4#1") // given back: not an attempt
		c.ack("A")
		synctest.Wait()
		s.close() // as a node that stops
		s.open()
		c = s.client(10, settings("plant-*/production"))
		c.expect("C@4#1")
		c.ack("C")
		s.publish("D")
		c.expect("D@5#1")
		c.Close(true)
	})
}

func TestLostConnectionCountsAsAnAttemptAndAPoisonousEventIsParked(t *testing.T) {
	bubble(t, func(s *site) {
		s.publish("poison", "poison", "good")
		set := settings("*/*")
		set.MaxAttempts = 3
		for attempt := 1; attempt <= 3; attempt++ {
			c := s.client(1, set)
			if got, want := c.receive(), fmt.Sprintf("poison@1#%d", attempt); got != want {
				s.Fatalf("received %q, want %q", got, want)
			}
			c.Close(false) // the program died of it
			synctest.Wait()
		}
		c := s.client(1, set)
		c.expect("good@3#1")
		c.ack("good")
		synctest.Wait()
		c.Close(true)
		n, _ := s.registry.Get("mes/orders")
		parked := n.ParkedSubjects()
		if len(parked) != 1 || parked[0].GetEvents() != 2 || parked[0].GetAttempts() != 3 || !strings.Contains(parked[0].GetReason(), "connection was lost") {
			s.Fatalf("parked %v", parked)
		}
		// Nobody has the consumer open, and still somebody can give the event up.
		if _, err := n.DiscardParked(s.Context(), discard(stream, "order/poison", 1), "somebody"); err != nil {
			s.Fatal(err)
		}
		c = s.client(1, set)
		<-time.After(2 * time.Second)
		c.expect("poison@2#1")
		c.ack("poison")
		synctest.Wait()
		c.Close(true)
		if parked := n.ParkedSubjects(); len(parked) != 0 {
			s.Errorf("parked %v", parked)
		}
	})
}

func TestUnansweredDeliveryComesAgainAfterItsDeadlineUnlessItIsExtended(t *testing.T) {
	bubble(t, func(s *site) {
		s.publish("A")
		set := settings("*/*")
		set.AckDeadline, set.MaxBackoff = durationpb.New(10*time.Second), durationpb.New(200*time.Millisecond)
		c := s.client(1, set)
		c.expect("A@1#1")
		for range 5 {
			<-time.After(9 * time.Second)
			c.Answer(&eventv1.Answer{DeliveryId: c.last("A"), Outcome: &eventv1.Answer_Extended{Extended: &emptypb.Empty{}}})
		}
		c.expect("")
		<-time.After(11 * time.Second)
		c.expect("A@1#2")
		first := c.got[0].GetId()
		c.Answer(&eventv1.Answer{DeliveryId: first, Outcome: &eventv1.Answer_Acknowledged{Acknowledged: &emptypb.Empty{}}}) // too late
		<-time.After(11 * time.Second)
		c.expect("A@1#3")
		c.ack("A")
		<-time.After(time.Hour)
		c.expect("")
		c.Close(true)
	})
}

func TestCallsShareAConsumerAndTakeOverFromEachOther(t *testing.T) {
	bubble(t, func(s *site) {
		s.publish("A", "B", "C")
		one, two := s.client(1, settings("*/*")), s.client(1, settings("*/*"))
		one.receive()
		two.receive()
		if len(one.got) != 1 || len(two.got) != 1 {
			s.Fatalf("one got %v, two got %v", one.got, two.got)
		}
		one.Close(true)
		two.ack(strings.TrimPrefix(two.got[0].GetEvent().GetEvent().GetSubject(), "order/"))
		seen := map[string]bool{}
		for range 3 {
			if two.receive() == "" {
				break
			}
			order := strings.TrimPrefix(two.got[len(two.got)-1].GetEvent().GetEvent().GetSubject(), "order/")
			seen[order] = true
			two.ack(order)
		}
		if len(seen) != 2 {
			s.Errorf("took over %v", seen)
		}
		two.Close(true)
	})
}
