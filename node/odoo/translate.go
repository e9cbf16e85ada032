package odoo

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// dateTime is how Odoo writes a point in time, in UTC and to the second.
const dateTime = "2006-01-02 15:04:05"

// losses maps an activity to Odoo's category of time.
var losses = map[manufacturingv1.Activity]string{
	manufacturingv1.Activity_ACTIVITY_PRODUCTION: "mrp.block_reason7", // Fully Productive Time
	manufacturingv1.Activity_ACTIVITY_SETUP:      "mrp.block_reason2", // Setup and Adjustments
	manufacturingv1.Activity_ACTIVITY_BREAKDOWN:  "mrp.block_reason1", // Equipment Failure
}

// EventKey is how a record in Odoo names its event: source and id.
func EventKey(source, id string) string { return source + " " + id }

// HasEffect tells whether applying an event does anything in Odoo, or would if the event were right. What site captured there has none.
func (c Config) HasEffect(site plantmesh.SiteID, stream plantmesh.StreamName, incarnation plantmesh.Incarnation, recorded *eventv1.RecordedEvent) bool {
	if stream.Origin() == site && recorded.GetEvent().GetSource() == CaptureSource(site) {
		return false
	}
	_, ok, err := c.translate(stream, incarnation, recorded)
	return ok || err != nil
}

// translate turns an event into its effect; ok is false for a type without one. An error is the event's fault, or the
// mapping's: it has to be parked.
func (c Config) translate(stream plantmesh.StreamName, incarnation plantmesh.Incarnation, recorded *eventv1.RecordedEvent) (e Effect, ok bool, err error) {
	event := recorded.GetEvent()
	payload, err := plantmesh.Payload(event)
	if err != nil {
		return Effect{}, false, err
	}
	b := builder{cfg: c}
	if e, ok = b.effect(payload); !ok {
		return Effect{}, false, nil
	}
	e.Origin = Origin{
		Key: string(stream) + " " + event.GetSubject(), Event: EventKey(event.GetSource(), event.GetId()), Type: event.GetType(),
		Stream: string(stream), Offset: strconv.FormatUint(recorded.GetOffset(), 10), Incarnation: strconv.FormatUint(uint64(incarnation), 10),
		Subject: event.GetSubject(), Site: recorded.GetSite(),
	}
	c.place(&e, cmp.Or(b.site, recorded.GetSite()))
	if b.other != "" {
		e.OtherCompany, e.OtherWarehouse = c.home(b.other)
	}
	return e, true, b.err
}

// builder keeps the first error of many conversions.
type builder struct {
	cfg   Config // for units
	err   error
	site  string // that the effect is at, if not the one that publishes
	other string // at the other end of a transfer
}

func (b *builder) effect(payload proto.Message) (Effect, bool) {
	switch p := payload.(type) {
	case *manufacturingv1.ProductionOrderReleased:
		return Effect{
			Kind:  EffectRelease,
			Goods: Goods{Order: p.GetOrderId(), Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity()), Lot: p.GetLotId()},
			Work: Work{
				BillOfMaterials: p.GetBillOfMaterialsId(), WorkCenter: p.GetWorkCenterId(),
				Start: formatTime(p.GetPlannedStartTime()), End: formatTime(p.GetPlannedEndTime()),
			},
		}, true
	case *manufacturingv1.OperationReported:
		return b.report(p), true
	case *manufacturingv1.ProductionCompleted:
		return Effect{Kind: EffectComplete, Goods: Goods{
			Order: p.GetOrderId(), Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity()), Lot: p.GetLotId(),
			Serials: p.GetSerialIds(), Location: p.GetLocationId(), Partial: p.GetPartial(),
		}}, true
	case *manufacturingv1.ScrapReported:
		return Effect{Kind: EffectScrap, Goods: Goods{
			Order: p.GetOrderId(), Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity()), Lot: p.GetLotId(),
			Location: p.GetLocationId(), Reason: p.GetReasonCode(),
		}, Work: Work{Operation: p.GetOperationId()}}, true
	case *manufacturingv1.QualityHoldPlaced:
		return Effect{Kind: EffectHold, Hold: p.GetHoldId(), Goods: Goods{
			Order: p.GetOrderId(), Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity()), Lot: p.GetLotId(),
			Location: p.GetLocationId(), Reason: p.GetReasonCode(),
		}}, true
	case *manufacturingv1.QualityHoldReleased:
		return Effect{Kind: EffectUnhold, Hold: p.GetHoldId(), Goods: Goods{
			Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity()), Lot: p.GetLotId(), Location: p.GetLocationId(),
		}}, true
	}
	return b.floor(payload)
}

func (b *builder) report(p *manufacturingv1.OperationReported) Effect {
	return Effect{
		Kind:  EffectReport,
		Goods: Goods{Order: p.GetOrderId(), Item: p.GetItemId()},
		Work: Work{
			WorkCenter: p.GetWorkCenterId(), Operation: p.GetOperationId(), Worker: p.GetWorkerId(), Loss: losses[p.GetActivity()],
			Start: formatTime(p.GetStartTime()), End: formatTime(p.GetEndTime()), Rework: p.GetRework(),
			Completed: b.quantity("completed_quantity", p.GetCompletedQuantity()), Rejected: b.quantity("rejected_quantity", p.GetRejectedQuantity()),
			Review: b.quantity("review_quantity", p.GetReviewQuantity()), OrderQuantity: b.quantity("order_quantity", p.GetOrderQuantity()),
		},
	}
}

func (b *builder) quantity(field string, q *manufacturingv1.Quantity) *Quantity {
	if q == nil {
		return nil
	}
	out, err := b.cfg.quantity(q.GetValue(), q.GetUnit())
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("%s: %w", field, err)
	}
	return out
}

func formatTime(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Truncate(time.Second).Format(dateTime)
}
