package exceptions_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/confirmations"
	"github.com/plantmesh/plantmesh/node/exceptions"
)

type outcomes struct {
	overdue  []confirmations.Overdue
	rejected []confirmations.Rejected
	looked   bool
}

func (o *outcomes) Overdue() ([]confirmations.Overdue, bool)   { return o.overdue, o.looked }
func (o *outcomes) Rejected() ([]confirmations.Rejected, bool) { return o.rejected, o.looked }

func TestEventsWithoutAnOutcomeAreOneConditionOfTheirTypeUntilAllHaveOne(t *testing.T) {
	o := &outcomes{overdue: []confirmations.Overdue{{
		Stream: "plant-a/production", Type: "plantmesh.manufacturing.v1.ProductionCompleted", Within: time.Hour, Procedure: "Complete the order by hand.",
		Count: 12, More: true, Offset: 7, Subject: "order/WO-1",
	}}}
	s := exceptions.Unconfirmed(o)
	all := s.Conditions()
	if found(s) != "[event-unconfirmed plant-a/production ProductionCompleted]" || !strings.HasPrefix(all[0].Action, "Complete the order by hand.") ||
		!strings.Contains(all[0].Summary, "12 events or more are not confirmed by the ERP within 1h0m0s. The oldest is about order/WO-1, at offset 7") {
		t.Errorf("conditions %+v", all)
	}
	o.overdue = nil
	if ended(s, "plant-a/production ProductionCompleted") {
		t.Error("it ends before anybody looked")
	}
	if o.looked = true; !ended(s, "plant-a/production ProductionCompleted") {
		t.Error("it does not end")
	}
}

func TestRefusedEventIsAConditionUntilItIsApplied(t *testing.T) {
	o := &outcomes{looked: true, rejected: []confirmations.Rejected{{
		Stream: "plant-a/production", Offset: 7, Type: "plantmesh.manufacturing.v1.ScrapReported", Subject: "order/WO-1", Reason: "no such item",
	}}}
	s := exceptions.Refused(o)
	if found(s) != "[event-rejected plant-a/production order/WO-1]" || !strings.Contains(s.Conditions()[0].Summary, "refused ScrapReported at offset 7: no such item") {
		t.Errorf("conditions %+v", s.Conditions())
	}
	if o.rejected = nil; !ended(s, "plant-a/production order/WO-1") {
		t.Error("it does not end")
	}
}
