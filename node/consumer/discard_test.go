package consumer_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

func refuseFirst(_ string, e *eventv1.RecordedEvent) error {
	if e.GetOffset() == 1 {
		return consumer.Park(errors.New("item 4711 is unknown"))
	}
	return nil
}

func TestDiscardedEventIsKeptForAuditAndLetsItsSubjectGoOnInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, odoo := newSite(t), newSystem()
		defer s.close()
		odoo.set(refuseFirst)
		s.publish("A", "B", "A", "A")
		c := s.consume(consumer.Config{}, odoo)
		synctest.Wait()
		wrong := &adminv1.DiscardParkedRequest{Stream: string(stream), Subject: "order/A", Offset: 3, Reason: "r"}
		if _, err := c.DiscardParked(t.Context(), wrong, "ann"); !errors.Is(err, plantmesh.ErrInvalidRequest) {
			t.Errorf("another event than the first: %v", err)
		}
		other := &adminv1.DiscardParkedRequest{Stream: string(stream), Subject: "order/B", Offset: 2, Reason: "r"}
		if _, err := c.DiscardParked(t.Context(), other, "ann"); !errors.Is(err, plantmesh.ErrInvalidRequest) {
			t.Errorf("a subject that is not parked: %v", err)
		}
		right := &adminv1.DiscardParkedRequest{Stream: string(stream), Subject: "order/A", Offset: 1, Reason: "booked by hand"}
		if _, err := c.DiscardParked(t.Context(), right, "ann"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if odoo.of("order/A") != "[3 4]" {
			t.Errorf("applied %v", odoo.applied)
		}
		c.end(t)
		c = s.consume(consumer.Config{}, odoo) // what was discarded stays so after a restart
		synctest.Wait()
		defer c.end(t)
		if got := c.Status(); got.Counts != (consumer.Counts{Applied: 3, Discarded: 1}) || len(got.Parked) != 0 || odoo.of("order/A") != "[3 4]" {
			t.Errorf("status %+v", got)
		}
		kept, err := c.Discarded()
		if err != nil || len(kept) != 1 {
			t.Fatalf("kept %v, %v", kept, err)
		}
		if d := kept[0]; d.GetOffset() != 1 || d.GetReason() != "booked by hand" || d.GetDiscardedBy() != "ann" || d.GetError() != "item 4711 is unknown" {
			t.Errorf("kept %v", d)
		}
	})
}

func TestParkedSubjectIsTriedAtOnceWhenAsked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, odoo := newSite(t), newSystem()
		defer s.close()
		odoo.set(refuseFirst)
		s.publish("A", "A")
		c := s.consume(consumer.Config{}, odoo)
		defer c.end(t)
		<-time.After(time.Hour) // waits have doubled to minutes by now
		odoo.set(nil)
		if _, event, err := c.ParkedEvent(stream, "order/A"); err != nil || event.GetOffset() != 1 {
			t.Errorf("event %v, %v", event, err)
		}
		if _, err := c.RetryParked(t.Context(), stream, "order/B"); !errors.Is(err, plantmesh.ErrInvalidRequest) {
			t.Errorf("a subject that is not parked: %v", err)
		}
		if n, err := c.RetryParked(t.Context(), "", ""); n != 1 || err != nil {
			t.Fatalf("tried %d, %v", n, err)
		}
		synctest.Wait()
		if odoo.of("order/A") != "[1 2]" || len(c.ParkedSubjects()) != 0 {
			t.Errorf("applied %v", odoo.applied)
		}
	})
}
