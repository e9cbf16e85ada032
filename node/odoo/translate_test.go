package odoo

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func TestEventBecomesAnEffectWithItsOrigin(t *testing.T) {
	cfg := Default()
	cfg.Warehouse, cfg.Sites = "WH", map[string]Site{"plant-b": {Warehouse: "WB"}}
	zone := time.FixedZone("", 2*60*60)
	event, err := plantmesh.NewEvent("//plant-b/mes", "e-1", time.Now(), &manufacturingv1.OperationReported{
		OrderId: "WO-1", OperationId: "OP", WorkCenterId: "WC", Activity: manufacturingv1.Activity_ACTIVITY_SETUP,
		StartTime: timestamppb.New(time.Date(2026, 1, 5, 0, 30, 59, 999e6, zone)), EndTime: timestamppb.New(time.Date(2026, 1, 5, 2, 0, 0, 0, zone)),
		CompletedQuantity: &manufacturingv1.Quantity{Value: "0.250", Unit: "KGM"},
	})
	if err != nil {
		t.Fatal(err)
	}
	e, ok, err := cfg.translate("plant-b/production", 1<<63, &eventv1.RecordedEvent{Offset: 1 << 40, Site: "plant-b", Event: event})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	origin := Origin{
		Key: "plant-b/production order/WO-1", Event: "//plant-b/mes e-1", Type: "plantmesh.manufacturing.v1.OperationReported", Stream: "plant-b/production",
		Offset: "1099511627776", Incarnation: "9223372036854775808", Subject: "order/WO-1", Site: "plant-b", Warehouse: "WB",
	}
	if e.Origin != origin {
		t.Errorf("origin %+v, want %+v", e.Origin, origin)
	}
	if e.Kind != EffectReport || e.Loss != "mrp.block_reason2" || e.Start != "2026-01-04 22:30:59" || e.End != "2026-01-05 00:00:00" {
		t.Errorf("effect %+v", e)
	}
	if want := (Quantity{Value: "0.250", Unit: "KGM", UoM: "uom.product_uom_kgm"}); *e.Completed != want || e.Rejected != nil {
		t.Errorf("completed %+v, want %+v; rejected %v", *e.Completed, want, e.Rejected)
	}
	if _, warehouse := cfg.home("plant-a"); warehouse != "WH" {
		t.Errorf("a site that is not named goes to %s", warehouse)
	}
}

func TestEveryEffectTypeIsTranslatedOrIgnored(t *testing.T) {
	with := map[string]EffectKind{
		"ProductionOrderReleased": EffectRelease, "OperationReported": EffectReport, "ProductionCompleted": EffectComplete,
		"ScrapReported": EffectScrap, "QualityHoldPlaced": EffectHold, "QualityHoldReleased": EffectUnhold,
		"MaterialConsumed": EffectConsume, "StockReserved": EffectReserve, "ProductionOrderClosed": EffectClose,
		"TransferDispatched": EffectTransferOut, "TransferReceived": EffectTransferIn, "ShipmentConfirmed": EffectShipment,
		"PurchaseOrderIssued": EffectPurchase, "GoodsReceived": EffectGoodsIn, "UnitChanged": EffectUnit, "ItemChanged": EffectItem, "BillOfMaterialsChanged": EffectBill, "RoutingChanged": EffectRouting,
		"WorkCenterChanged": EffectWorkCenter, "SupplierChanged": EffectPartner, "CustomerChanged": EffectPartner, "FinancialDimensionChanged": EffectDimension,
		"PostingPrepared": EffectPost, "CostRolledUp": EffectCost, "StockAdjusted": EffectAdjust, "CorrectionApproved": EffectAdjust, "StockCounted": EffectCount,
		"DowntimeStarted": EffectDown, "DowntimeEnded": EffectUp, "MaintenanceRequested": EffectRequest,
	}
	for _, eventType := range plantmesh.EventTypes() {
		short := eventType.Name[strings.LastIndexByte(eventType.Name, '.')+1:]
		b := builder{}
		e, ok := b.effect(eventType.New())
		if want, applies := with[short]; ok != applies || e.Kind != want {
			t.Errorf("%s: effect %q, %t; want %q", short, e.Kind, ok, want)
		}
	}
}

func TestActivitiesAllHaveACategoryOfTime(t *testing.T) {
	for number, name := range manufacturingv1.Activity_name {
		if number != 0 && losses[manufacturingv1.Activity(number)] == "" {
			t.Errorf("%s has no category of time", name)
		}
	}
}

func TestQuantityThatOdooCannotHoldIsRefused(t *testing.T) {
	for _, c := range []struct{ value, unit, says string }{
		{"1", "C62", ""},
		{"0", "KGM", ""},
		{"0.000000001", "KGM", ""},
		{"123456789012345", "C62", ""},
		{"1234567890123450000", "C62", ""}, // the zeros are exact
		{"123456.789012345", "C62", ""},
		{"123456789012345.6", "C62", "16 significant digits"},
		{"1.000000000", "C62", ""},
	} {
		_, err := Default().quantity(c.value, c.unit)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s %s: %v, want %q", c.value, c.unit, err, c.says)
		}
	}
}
