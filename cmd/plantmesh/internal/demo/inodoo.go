package demo

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// mustReachOdoo are the types that have an effect there: the demo's own list, so that a node cannot pass an event over by
// calling it one without effect.
var mustReachOdoo = map[protoreflect.FullName]bool{
	proto.MessageName((*manufacturingv1.ProductionOrderReleased)(nil)): true,
	proto.MessageName((*manufacturingv1.OperationReported)(nil)):       true,
	proto.MessageName((*manufacturingv1.MaterialConsumed)(nil)):        true,
	proto.MessageName((*manufacturingv1.ProductionCompleted)(nil)):     true,
	proto.MessageName((*manufacturingv1.ProductionOrderClosed)(nil)):   true,
	proto.MessageName((*manufacturingv1.ScrapReported)(nil)):           true,
	proto.MessageName((*manufacturingv1.QualityHoldPlaced)(nil)):       true,
	proto.MessageName((*manufacturingv1.QualityHoldReleased)(nil)):     true,
	proto.MessageName((*manufacturingv1.DowntimeStarted)(nil)):         true,
	proto.MessageName((*manufacturingv1.DowntimeEnded)(nil)):           true,
}

// checkERP looks for every event in Odoo: once, in order per subject, unless it is parked or of a type without effect; and
// holds Odoo's own records against the events.
func (r *Report) checkERP(e *evidence) {
	r.Applied, r.Ignored, r.Parked = e.counts.GetApplied(), e.counts.GetIgnored(), e.counts.GetParked()
	if sum := r.Applied + r.Ignored + r.Parked; sum != r.Replicated {
		r.problem("%d events at hq, %d dealt with for Odoo (%d applied, %d without effect, %d parked)", r.Replicated, sum, r.Applied, r.Ignored, r.Parked)
	}
	for _, p := range e.parked {
		r.problem("parked: %s of %s, %d events: %s", p.GetSubject(), p.GetStream(), p.GetEvents(), p.GetReason())
	}
	r.checkJournal(e)
	r.checkConfirmed(e)
	if r.Parked > 0 {
		return // the sums cannot be equal
	}
	if !r.Totals.equal(r.OdooTotals) {
		r.problem("the events add up to %s, Odoo's time entries to %s", r.Totals, r.OdooTotals)
	}
	r.checkProduced(e)
}

// checkJournal counts every event in the journal that Odoo keeps in the transactions of the effects.
func (r *Report) checkJournal(e *evidence) {
	times, last := map[string]int{}, map[string]plantmesh.Offset{}
	for _, row := range e.journal {
		times[row.Event]++
		key := string(row.Stream) + " " + row.Subject
		if row.Offset <= last[key] {
			r.OutOfOrder++
		}
		last[key] = row.Offset
	}
	var there, missing uint64
	for _, events := range e.origin {
		for _, recorded := range events {
			switch n := times[odoo.EventKey(recorded.GetEvent().GetSource(), recorded.GetEvent().GetId())]; {
			case n > 1:
				r.Doubled++
				there++
			case n == 1:
				there++
			case mustReachOdoo[protoreflect.FullName(recorded.GetEvent().GetType())]:
				missing++
			}
		}
	}
	r.Lost += missing - min(missing, r.Parked)
	if there != r.Applied {
		r.problem("hq counted %d events applied, Odoo's journal holds %d of them", r.Applied, there)
	}
}

// checkConfirmed counts the plants' events of which hq told, once, that they are in Odoo.
func (r *Report) checkConfirmed(e *evidence) {
	told := map[string]int{}
	for _, recorded := range e.outcomes {
		payload, err := plantmesh.Payload(recorded.GetEvent())
		if err != nil {
			r.problem("outcome %q: %v", recorded.GetEvent().GetId(), err)
			continue
		}
		if p, ok := payload.(*manufacturingv1.ErpApplied); ok {
			told[odoo.EventKey(p.GetEventSource(), p.GetEventId())]++
		}
	}
	for _, events := range e.origin {
		for _, recorded := range events {
			n := told[odoo.EventKey(recorded.GetEvent().GetSource(), recorded.GetEvent().GetId())]
			if n > 0 {
				r.Confirmed++
			}
			if n > 1 {
				r.problem("event %q: hq told %d times that it is in Odoo", recorded.GetEvent().GetId(), n)
			}
		}
	}
	if r.Confirmed != r.Applied {
		r.problem("%d events are in Odoo, and hq told their plants of %d", r.Applied, r.Confirmed)
	}
}

// checkProduced compares what the plants completed of each order with what Odoo's manufacturing orders say is produced.
func (r *Report) checkProduced(e *evidence) {
	completed, produced := map[string]*apd.Decimal{}, map[string]*apd.Decimal{}
	for _, events := range e.origin {
		for _, recorded := range events {
			if err := addCompletion(completed, recorded); err != nil {
				r.problem("event %q: %v", recorded.GetEvent().GetId(), err)
			}
		}
	}
	for _, o := range e.orders { // Odoo may have split an order into parts
		if err := addTo(produced, o.Order, o.Produced); err != nil {
			r.problem("order %s in Odoo: %v", o.Order, err)
		}
	}
	for order, want := range completed {
		if got := produced[order]; got == nil || got.Cmp(want) != 0 {
			r.problem("order %s: the plants completed %f, Odoo has produced %v", order, want, got)
		}
	}
}

func addCompletion(sums map[string]*apd.Decimal, recorded *eventv1.RecordedEvent) error {
	payload, err := plantmesh.Payload(recorded.GetEvent())
	if err != nil {
		return err
	}
	p, ok := payload.(*manufacturingv1.ProductionCompleted)
	if !ok {
		return nil
	}
	quantity, _, err := apd.NewFromString(p.GetQuantity().GetValue())
	if err != nil {
		return fmt.Errorf("quantity %q: %w", p.GetQuantity().GetValue(), err)
	}
	return addTo(sums, p.GetOrderId(), quantity)
}

func addTo(sums map[string]*apd.Decimal, name string, quantity *apd.Decimal) error {
	if sums[name] == nil {
		sums[name] = new(apd.Decimal)
	}
	_, err := apd.BaseContext.Add(sums[name], sums[name], quantity)
	return err
}
