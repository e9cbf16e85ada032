package consumers_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumers"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

func discard(stream plantmesh.StreamName, subject string, offset uint64) *adminv1.DiscardParkedRequest {
	return &adminv1.DiscardParkedRequest{Stream: string(stream), Subject: subject, Offset: offset, Reason: "test"}
}

func TestConsumerStartsWhereItsFirstCallSays(t *testing.T) {
	for name, c := range map[string]struct {
		start func(*eventv1.ConsumerSettings, time.Time)
		want  string
	}{
		"unset": {func(*eventv1.ConsumerSettings, time.Time) {}, "A@1#1 B@2#1 C@3#1"},
		"latest": {func(s *eventv1.ConsumerSettings, _ time.Time) {
			s.Start = &eventv1.ConsumerSettings_Position{Position: eventv1.Position_POSITION_LATEST}
		}, "C@3#1"},
		"from time": {func(s *eventv1.ConsumerSettings, t time.Time) {
			s.Start = &eventv1.ConsumerSettings_FromTime{FromTime: timestamppb.New(t)}
		}, "B@2#1 C@3#1"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(s *site) {
				s.publish("A")
				<-time.After(time.Minute)
				before := time.Now()
				s.publish("B")
				set := settings("*/*")
				c.start(set, before)
				s.client(1, set).Close(true)
				s.publish("C")
				call := s.client(9, settings("*/*"))
				call.expect(c.want)
				call.Close(true)
			})
		})
	}
}

func TestOnlyWhatIsAskedForIsDelivered(t *testing.T) {
	bubble(t, func(s *site) {
		s.publish("A1", "B1", "A2", "B2")
		set := settings("*/*")
		set.Subjects = []string{"order/A*"}
		c := s.client(9, set)
		c.expect("A1@1#1 A2@3#1")
		c.ack("A1", "A2")
		synctest.Wait()
		if got := s.registry.List()[0]; got.GetCounts().GetApplied() != 2 || got.GetCounts().GetIgnored() != 2 || got.GetPositions()[0].GetOffset() != 4 {
			s.Errorf("%v", got)
		}
		c.Close(true)
	})
}

func TestOtherSettingsAreRefusedWhileACallHasTheConsumerOpen(t *testing.T) {
	bubble(t, func(s *site) {
		s.publish("A")
		one := s.client(1, settings("*/*"))
		other := settings("*/production")
		other.AckDeadline = durationpb.New(time.Minute)
		open := &eventv1.OpenConsumer{Name: "orders", Settings: other}
		if _, err := s.registry.Open(s.Context(), mes, "test", open); !errors.Is(err, plantmesh.ErrConsumerBusy) || !strings.Contains(err.Error(), "streams, ack_deadline") {
			s.Errorf("%v", err)
		}
		one.Close(true)
		two, err := s.registry.Open(s.Context(), mes, "test", open)
		if err != nil {
			s.Fatal(err)
		}
		if got := two.Opened().GetSettings(); got.GetAckDeadline().AsDuration() != time.Minute || got.GetMaxAttempts() != consumers.DefaultMaxAttempts {
			s.Errorf("%v", got)
		}
		two.Close(true)
		wrong := settings("*/*")
		wrong.MinBackoff, wrong.MaxBackoff = durationpb.New(time.Minute), durationpb.New(time.Second)
		if _, err := s.registry.Open(s.Context(), mes, "test", &eventv1.OpenConsumer{Name: "x", Settings: wrong}); !errors.Is(err, plantmesh.ErrInvalidRequest) {
			s.Errorf("%v", err)
		}
	})
}

func TestEveryClientHasConsumersOfItsOwn(t *testing.T) {
	bubble(t, func(s *site) {
		s.publish("A")
		mine := s.client(1, settings("*/*"))
		theirs, err := s.registry.Open(s.Context(), plantmesh.Identity{Mesh: "test", Region: "eu", Site: "hq"}, "test",
			&eventv1.OpenConsumer{Name: "orders", Settings: settings("*/*")})
		if err != nil {
			s.Fatal(err)
		}
		other := &client{site: s, Call: theirs}
		mine.expect("A@1#1")
		other.expect("A@1#1")
		var names []string
		for _, c := range s.registry.List() {
			names = append(names, c.GetName())
		}
		if got := strings.Join(names, " "); got != "mes/orders site/hq/orders" {
			s.Errorf("consumers %s", got)
		}
		mine.Close(true)
		other.Close(true)
	})
}

func TestDeletedConsumerEndsItsCallsAndBeginsAnew(t *testing.T) {
	bubble(t, func(s *site) {
		s.publish("A", "B")
		c := s.client(9, settings("*/*"))
		c.expect("A@1#1 B@2#1")
		c.ack("A")
		c.refuse("B", "no such item", true)
		synctest.Wait()
		if got := s.registry.List()[0]; got.GetParkedSubjects() != 1 {
			s.Fatalf("%v", got)
		}
		if err := s.registry.Delete("mes/orders"); err != nil {
			s.Fatal(err)
		}
		<-c.Ended()
		if !errors.Is(c.Reason(), plantmesh.ErrConsumerDeleted) {
			s.Errorf("ended with %v", c.Reason())
		}
		c.Close(true)
		if err := s.registry.Delete("mes/orders"); !errors.Is(err, plantmesh.ErrInvalidRequest) {
			s.Errorf("%v", err)
		}
		if readers := s.registry.Readers(); len(readers) != 0 {
			s.Errorf("still holds back %v", readers)
		}
		c = s.client(9, settings("*/*"))
		c.expect("A@1#1 B@2#1")
		c.Close(true)
	})
}

func TestConsumerThatNobodyHasOpenHoldsRetentionBackAcrossARestart(t *testing.T) {
	bubble(t, func(s *site) {
		s.publish("A", "B", "C")
		c := s.client(9, settings("*/*"))
		c.receive()
		c.ack("A")
		synctest.Wait()
		c.Close(true)
		s.close()
		s.open()
		readers := s.registry.Readers()
		if len(readers) != 1 || readers[0].Name != "consumer mes/orders" || readers[0].Stream != stream || readers[0].Offset != 1 {
			s.Errorf("readers %v", readers)
		}
	})
}

func TestGapIsAcknowledgedBeforeWhatIsBehindIt(t *testing.T) {
	bubble(t, func(s *site) {
		s.publish("A")
		c := s.client(9, settings("*/*"))
		c.expect("A@1#1")
		c.ack("A")
		synctest.Wait()
		c.Close(true)
		s.publish("B", "C", "D")
		if _, err := s.log.Trim(s.Context(), stream, 0, 4); err != nil {
			s.Fatal(err)
		}
		c = s.client(9, settings("*/*"))
		c.expect("gap 2-3")
		c.refuse("", "not now", false)
		<-time.After(2 * time.Second)
		c.expect("gap 2-3")
		c.ack("")
		c.expect("D@4#1")
		c.Close(true)
	})
}
