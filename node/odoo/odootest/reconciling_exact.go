package odootest

import (
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh/node/consumer"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// reconciliationIsExact has work in it whose figures Odoo rounds, whose stock falls below zero, or whose pieces have numbers of their own.
func reconciliationIsExact(t *testing.T, target Target) {
	o := newOffice(t, target)
	say := func(payload proto.Message) { t.Helper(); o.tell(o.apply(payload)) }
	agreed := func(when string) {
		t.Helper()
		for name, d := range o.differences(nil) {
			t.Errorf("%s: %s: %+v", when, name, d)
		}
	}
	paste, pump := o.item("PASTE"), o.item("PUMP")
	paste.Unit, pump.Tracking = "KGM", manufacturingv1.Tracking_TRACKING_SERIAL
	say(paste)
	say(pump)
	say(&manufacturingv1.BillOfMaterialsChanged{BillOfMaterialsId: o.name("BOM"), ItemId: o.name("PUMP"), Quantity: pieces("1"), Components: []*manufacturingv1.Component{
		{LineId: "1", ItemId: o.name("PASTE"), Quantity: in("GRM", "5")},
	}})
	say(&manufacturingv1.StockCounted{CountId: o.name("C"), ItemId: o.name("PASTE"), Quantity: in("GRM", "1234.5")})
	say(&manufacturingv1.CustomerChanged{CustomerId: o.name("CU"), Name: "Mill Ltd"})
	agreed("a count that is rounded")
	say(&manufacturingv1.ProductionOrderReleased{OrderId: o.name("WO"), ItemId: o.name("PUMP"), Quantity: pieces("6"), BillOfMaterialsId: o.name("BOM")})
	for range 3 { // each half of what Odoo keeps
		say(&manufacturingv1.MaterialConsumed{OrderId: o.name("WO"), ItemId: o.name("PASTE"), Quantity: in("GRM", "5")})
	}
	rag := o.item("RAG")
	rag.Kind = manufacturingv1.ItemKind_ITEM_KIND_CONSUMABLE
	say(rag)
	say(&manufacturingv1.ScrapReported{ItemId: o.name("RAG"), Quantity: pieces("3")})
	agreed("material in grams of an item in kilograms, which is not posted yet")
	say(&manufacturingv1.ProductionCompleted{OrderId: o.name("WO"), ItemId: o.name("PUMP"), Quantity: pieces("2"), SerialIds: []string{o.name("S1"), o.name("S2")}, Partial: true})
	agreed("the same, posted")
	say(&manufacturingv1.ProductionCompleted{OrderId: o.name("WO"), ItemId: o.name("PUMP"), Quantity: pieces("1"), SerialIds: []string{o.name("S3")}, Partial: true})
	agreed("a part by the bill, rounded")
	say(&manufacturingv1.MaterialConsumed{OrderId: o.name("WO"), ItemId: o.name("PASTE"), Quantity: in("KGM", "0.07")})
	say(&manufacturingv1.ProductionOrderClosed{OrderId: o.name("WO"), Reason: manufacturingv1.CloseReason_CLOSE_REASON_CANCELLED})
	agreed("an order that is closed, with material that was used")
	say(&manufacturingv1.ShipmentConfirmed{ShipmentId: o.name("SH"), CustomerId: o.name("CU"), Materials: []*manufacturingv1.ShippedMaterial{
		{ItemId: o.name("PUMP"), Quantity: pieces("1"), SerialIds: []string{o.name("S2")}},
	}})
	say(&manufacturingv1.ScrapReported{ItemId: o.name("PASTE"), Quantity: in("KGM", "9")})
	agreed("pieces that left, and stock below zero")
	// Somebody loses a piece in Odoo. The correction is of that piece, whole.
	lost := o.name("S1")
	quant := o.one("stock.quant", where("lot_id.name", lost, "location_id.usage", "internal"), "quantity")
	if err := o.client.Write(t.Context(), "stock.quant", []int64{id(quant["id"])}, map[string]any{"quantity": 0}); err != nil {
		t.Fatal(err)
	}
	d := o.differences(nil)["stock/warehouse/item PUMP lot S1/quantity"]
	if p := d.Proposal; p == nil || !p.Increase || p.Quantity != "1" || p.Unit != "C62" || p.Lot != lost || d.Gap != "-1" {
		t.Fatalf("a piece that is not there: %+v, proposal %+v", d, d.Proposal)
	}
	approved := o.tell(o.record(d.Proposal.Approved("a test", "it is on the shelf")))
	for _, want := range []error{nil, consumer.ErrDuplicate} { // a retry counts once
		if err := o.applier.Handle(t.Context(), approved); !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	agreed("a piece that a correction brought back")
}
