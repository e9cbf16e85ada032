package odoo

import (
	"strings"

	"google.golang.org/protobuf/proto"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// directions maps which way stock is corrected.
var directions = map[manufacturingv1.AdjustmentDirection]string{
	manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_INCREASE: "increase",
	manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_DECREASE: "decrease",
}

// priorities maps how urgent maintenance is to Odoo's stars.
var priorities = map[manufacturingv1.MaintenancePriority]string{
	manufacturingv1.MaintenancePriority_MAINTENANCE_PRIORITY_UNSPECIFIED: "2",
	manufacturingv1.MaintenancePriority_MAINTENANCE_PRIORITY_LOW:         "1",
	manufacturingv1.MaintenancePriority_MAINTENANCE_PRIORITY_NORMAL:      "2",
	manufacturingv1.MaintenancePriority_MAINTENANCE_PRIORITY_HIGH:        "3",
}

// floor translates what else a shop floor reports: materials, stock, equipment.
func (b *builder) floor(payload proto.Message) (Effect, bool) {
	switch p := payload.(type) {
	case *manufacturingv1.MaterialConsumed:
		return Effect{Kind: EffectConsume, Goods: Goods{
			Order: p.GetOrderId(), Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity()), Lot: p.GetLotId(), Location: p.GetLocationId(),
		}, Work: Work{Operation: p.GetOperationId()}}, true
	case *manufacturingv1.StockReserved:
		return Effect{Kind: EffectReserve, Goods: Goods{
			Order: p.GetOrderId(), Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity()), Lot: p.GetLotId(), Location: p.GetLocationId(),
		}, Details: Details{Document: p.GetReservationId(), Demand: p.GetDemandId()}}, true
	case *manufacturingv1.ProductionOrderClosed:
		return Effect{Kind: EffectClose, Goods: Goods{Order: p.GetOrderId()}, Details: Details{Comment: closing(p)}}, true
	case *manufacturingv1.StockAdjusted:
		return Effect{Kind: EffectAdjust, Goods: Goods{
			Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity()), Lot: p.GetLotId(), Location: p.GetLocationId(), Reason: p.GetReasonCode(),
		}, Details: Details{Document: p.GetAdjustmentId(), Direction: directions[p.GetDirection()]}}, true
	case *manufacturingv1.CorrectionApproved:
		b.site = p.GetSiteId()
		return Effect{Kind: EffectAdjust, Goods: Goods{
			Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity()), Lot: p.GetLotId(), Reason: "approved by " + p.GetApprovedBy(),
		}, Details: Details{Document: p.GetProposalId(), Direction: directions[p.GetDirection()]}}, true
	case *manufacturingv1.StockCounted:
		return Effect{Kind: EffectCount, Goods: Goods{
			Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity()), Lot: p.GetLotId(), Location: p.GetLocationId(),
		}, Details: Details{Document: p.GetCountId()}}, true
	case *manufacturingv1.DowntimeStarted:
		return Effect{
			Kind: EffectDown, Goods: Goods{Reason: p.GetReasonCode()}, Work: Work{WorkCenter: p.GetWorkCenterId(), Start: formatTime(p.GetStartTime())},
			Details: Details{Document: p.GetDowntimeId(), Planned: p.GetPlanned(), Comment: p.GetComment()},
		}, true
	case *manufacturingv1.DowntimeEnded:
		return Effect{
			Kind: EffectUp, Work: Work{WorkCenter: p.GetWorkCenterId(), End: formatTime(p.GetEndTime())},
			Details: Details{Document: p.GetDowntimeId(), Comment: p.GetComment()},
		}, true
	case *manufacturingv1.MaintenanceRequested:
		kind := "corrective"
		if p.GetKind() == manufacturingv1.MaintenanceKind_MAINTENANCE_KIND_PREVENTIVE {
			kind = "preventive"
		}
		return Effect{Kind: EffectRequest, Work: Work{WorkCenter: p.GetWorkCenterId(), Start: formatTime(p.GetScheduledTime())}, Details: Details{
			Document: p.GetRequestId(), Title: p.GetTitle(), Asset: p.GetAssetId(), Comment: p.GetDescription(),
			Maintenance: kind, Priority: priorities[p.GetPriority()],
		}}, true
	}
	return b.office(payload)
}

// closing words why an order ended, for the journal.
func closing(p *manufacturingv1.ProductionOrderClosed) string {
	why := strings.ToLower(strings.TrimPrefix(p.GetReason().String(), "CLOSE_REASON_"))
	if p.GetComment() != "" {
		why += ": " + p.GetComment()
	}
	return why
}
