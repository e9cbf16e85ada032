package odootest

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
	"github.com/plantmesh/plantmesh/node/odoo/replay"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// office is a node that is past all events it was told of, but for those of parked subjects.
type office struct {
	*plant
	told      map[plantmesh.StreamName][]consumer.Delivery
	parked    map[string]plantmesh.Offset
	discarded map[string]bool
	unit      string            // that this plant defines
	units     map[string]string // of the mapping
}

func newOffice(t *testing.T, target Target) *office {
	t.Helper()
	return &office{plant: newPlant(t, target), told: map[plantmesh.StreamName][]consumer.Delivery{}, parked: map[string]plantmesh.Offset{}, discarded: map[string]bool{}}
}

// tell records an event without applying it.
func (o *office) tell(d consumer.Delivery) consumer.Delivery {
	d.Event.RecordedTime = timestamppb.New(time.Date(2026, 1, 5, 6, 0, int(d.Event.GetOffset()), 0, time.UTC))
	o.told[d.Stream] = append(o.told[d.Stream], d)
	return d
}

func (o *office) Positions(context.Context) (map[plantmesh.StreamName]plantmesh.Offset, error) {
	all := map[plantmesh.StreamName]plantmesh.Offset{}
	for name, told := range o.told {
		all[name] = plantmesh.Offset(told[len(told)-1].Event.GetOffset())
	}
	return all, nil
}

func (o *office) Parked(_ context.Context, _ plantmesh.StreamName, subject string) (plantmesh.Offset, error) {
	return o.parked[subject], nil
}

func (o *office) Discarded(context.Context) (map[string]bool, error) { return o.discarded, nil }

func (o *office) Events(_ context.Context, name plantmesh.StreamName, _ time.Time) iter.Seq2[replay.Item, error] {
	return func(yield func(replay.Item, error) bool) {
		for _, d := range o.told[name] {
			if !yield(replay.Item{Incarnation: d.Incarnation, Event: d.Event}, nil) {
				return
			}
		}
	}
}

// differences are those of this plant's own names, as kind, subject and field, with both values. Other runs have left records of theirs behind.
func (o *office) differences(sites map[string]odoo.Site) map[string]reconcile.Difference {
	o.t.Helper()
	cfg := o.target.Config()
	cfg.Sites, cfg.Units = sites, o.units
	client := o.target.AsConnector().Open(o.t) // as the node does: nobody else needs the rights
	r := reconcile.Reconciliation{Site: "hq", Config: cfg, Node: o, Odoo: odoo.NewReader(client), Caller: client}
	report, err := r.Run(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	found := map[string]reconcile.Difference{}
	for _, d := range report.Differences {
		if strings.Contains(d.Subject, o.tag) || d.Subject == "unit "+o.unit {
			found[strings.ReplaceAll(d.Kind+"/"+strings.Split(d.Site, " ")[0]+"/"+d.Subject+"/"+d.Field, "-"+o.tag, "")] = d
		}
	}
	return found
}

func reconciliationNamesWhatDiffers(t *testing.T, target Target) {
	o := newOffice(t, target)
	code := "R" + o.code()
	if _, err := o.client.Create(t.Context(), "stock.warehouse", map[string]any{"name": "Plant " + o.tag, "code": code}); err != nil {
		t.Fatal(err)
	}
	sites := map[string]odoo.Site{"plant-b": {Warehouse: code}}
	o.applier = o.newApplier(func(c *odoo.Config) { c.Sites = sites })
	agreed := func(when string) {
		t.Helper()
		for _, d := range o.differences(sites) {
			t.Errorf("%s: %+v", when, d)
		}
	}
	part, steel, lot := o.name("PART"), o.name("STEEL"), o.name("LOT")
	grams := func(value string) *manufacturingv1.Quantity {
		return &manufacturingv1.Quantity{Value: value, Unit: "GRM"}
	}
	kilograms := func(value string) *manufacturingv1.Quantity {
		return &manufacturingv1.Quantity{Value: value, Unit: "KGM"}
	}
	o.tell(o.apply(&manufacturingv1.ItemChanged{ItemId: part, Name: "Part", Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "C62", Tracking: manufacturingv1.Tracking_TRACKING_LOT}))
	o.tell(o.apply(&manufacturingv1.ItemChanged{ItemId: steel, Name: "Steel", Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "GRM"}))
	o.tell(o.apply(&manufacturingv1.BillOfMaterialsChanged{BillOfMaterialsId: o.name("BOM"), ItemId: part, Quantity: pieces("1"), Components: []*manufacturingv1.Component{
		{LineId: "1", ItemId: steel, Quantity: grams("10")},
	}}))
	o.tell(o.apply(&manufacturingv1.StockCounted{CountId: o.name("C"), ItemId: steel, Quantity: kilograms("2.5")}))
	o.tell(o.apply(&manufacturingv1.ProductionOrderReleased{OrderId: o.name("WO"), ItemId: part, Quantity: pieces("10"), BillOfMaterialsId: o.name("BOM"), LotId: lot}))
	o.tell(o.apply(&manufacturingv1.ProductionCompleted{OrderId: o.name("WO"), ItemId: part, Quantity: pieces("4"), LotId: lot, Partial: true}))
	agreed("material by the bill")
	o.tell(o.apply(&manufacturingv1.MaterialConsumed{OrderId: o.name("WO"), ItemId: steel, Quantity: kilograms("0.07")}))
	agreed("material that is reported, but not out of stock yet")
	o.tell(o.apply(&manufacturingv1.ScrapReported{OrderId: o.name("WO"), ItemId: steel, Quantity: grams("30")}))
	agreed("material of an order that is scrapped")
	o.tell(o.apply(&manufacturingv1.QualityHoldPlaced{HoldId: o.name("H"), ItemId: part, LotId: lot, ReasonCode: "CRACK"}))
	o.tell(o.apply(&manufacturingv1.ProductionCompleted{OrderId: o.name("WO"), ItemId: part, Quantity: pieces("5"), LotId: lot, Partial: true}))
	o.tell(o.apply(&manufacturingv1.StockCounted{CountId: o.name("C"), ItemId: part, LotId: lot, Quantity: pieces("1")})) // beside what is held
	o.tell(o.apply(&manufacturingv1.QualityHoldReleased{HoldId: o.name("H"), ItemId: part, LotId: lot}))
	o.tell(o.apply(&manufacturingv1.ScrapReported{ItemId: part, LotId: lot, Quantity: pieces("2")}))
	o.tell(o.apply(&manufacturingv1.ScrapReported{OrderId: o.name("WO"), ItemId: part, LotId: lot, Quantity: pieces("1")}))
	o.tell(o.apply(&manufacturingv1.StockAdjusted{
		AdjustmentId: o.name("A"), ItemId: steel, Quantity: grams("500"), Direction: manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_DECREASE, ReasonCode: "RUST",
	}))
	o.tell(o.apply(&manufacturingv1.TransferDispatched{TransferId: o.name("T"), FromSiteId: "plant-a", ToSiteId: "plant-b", Materials: []*manufacturingv1.ShippedMaterial{
		o.material("PART", lot, "3"),
	}}))
	receipt := &manufacturingv1.TransferReceived{TransferId: o.name("T"), FromSiteId: "plant-a", ToSiteId: "plant-b", Partial: true, Materials: []*manufacturingv1.ShippedMaterial{
		o.material("PART", lot, "1"),
	}}
	o.tell(o.apply(receipt))
	agreed("holds, counts, scrap, adjustments and transfers")

	parked := o.tell(o.record(&manufacturingv1.ScrapReported{ItemId: steel, Quantity: grams("9")}))
	o.parked[parked.Event.GetEvent().GetSubject()] = plantmesh.Offset(parked.Event.GetOffset())
	agreed("an event that waits")

	o.tell(o.record(&manufacturingv1.ProductionOrderClosed{OrderId: o.name("WO"), Reason: manufacturingv1.CloseReason_CLOSE_REASON_CANCELLED}))
	o.tell(o.record(&manufacturingv1.ProductionOrderReleased{OrderId: o.name("WO-2"), ItemId: part, Quantity: pieces("10")}))
	o.tell(o.record(receipt))
	gone := o.tell(o.record(&manufacturingv1.ScrapReported{OrderId: o.name("WO"), ItemId: part, LotId: lot, Quantity: pieces("1")}))
	o.discarded[odoo.EventKey(gone.Event.GetEvent().GetSource(), gone.Event.GetEvent().GetId())] = true
	product := o.product(steel)
	if err := o.client.Write(t.Context(), "product.product", []int64{product}, map[string]any{"name": "Steel bar"}); err != nil {
		t.Fatal(err)
	}
	want := map[string][2]string{
		"order/plant-a/order WO/state":                      {"ended", "open"},
		"order/plant-a/order WO-2/order":                    {"there", "not there"},
		"transfer//transfer T, item PART lot LOT/under way": {"1", "2"},
		"stock/warehouse/item PART lot LOT/quantity":        {"", ""},
		"stock/plant-b/item PART lot LOT/quantity":          {"2", "1"},
		"item//item STEEL/name":                             {"Steel", "Steel bar"},
	}
	found := o.differences(sites)
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("found %q", got)
	}
	for name, values := range want {
		d := found[name]
		if values[0] != "" && (d.Mesh != values[0] || d.Odoo != values[1]) || d.Cause == "" {
			t.Errorf("%s: %+v, want %v", name, d, values)
		}
		if len(d.Events) == 0 {
			t.Errorf("%s names no events", name)
		}
	}
	proposal := found["stock/plant-b/item PART lot LOT/quantity"].Proposal
	if proposal == nil {
		t.Fatal("no correction of the stock is proposed")
	}
	approved := o.tell(o.record(proposal.Approved("a test", "it was counted")))
	waits := approved.Event.GetEvent().GetSubject()
	o.parked[waits] = plantmesh.Offset(approved.Event.GetOffset())
	if d := o.differences(sites)["stock/plant-b/item PART lot LOT/quantity"]; d.Proposal != nil || !strings.Contains(d.Cause, "waits for Odoo") {
		t.Errorf("while a correction waits: %+v", d)
	}
	delete(o.parked, waits)
	if err := o.applier.Handle(t.Context(), approved); err != nil {
		t.Fatal(err)
	}
	if d, differs := o.differences(sites)["stock/plant-b/item PART lot LOT/quantity"]; differs {
		t.Errorf("after the correction: %+v", d)
	}
}

// reconciliationKnowsMappedNames: what the mapping calls otherwise makes no difference; a location and the main stock that it is are one.
func reconciliationKnowsMappedNames(t *testing.T, target Target) {
	o := newOffice(t, target)
	code := "K" + o.code()
	o.warehouse(code, 0)
	box := o.code()
	o.apply(&manufacturingv1.UnitChanged{UnitId: box, Name: o.name("Box"), ReferenceUnit: "C62", Factor: "24"})
	sites := map[string]odoo.Site{"plant-a": {Warehouse: code, Locations: map[string]string{"STORE": code + "/Stock"}}}
	o.units = map[string]string{"ZBX": o.name("Box")}
	o.mapped(func(c *odoo.Config) { c.Sites, c.Units = sites, o.units })
	o.tell(o.apply(o.item("IT")))
	o.tell(o.apply(&manufacturingv1.StockCounted{CountId: o.name("C"), ItemId: o.name("IT"), LocationId: "STORE", Quantity: in("ZBX", "2")}))
	o.tell(o.apply(&manufacturingv1.StockCounted{CountId: o.name("C"), ItemId: o.name("IT"), Quantity: pieces("40")}))
	o.tell(o.apply(&manufacturingv1.ScrapReported{ItemId: o.name("IT"), LocationId: code + "/Stock", Quantity: pieces("1")}))
	for _, d := range o.differences(sites) {
		t.Errorf("%+v", d)
	}
	o.inStock(o.product(o.name("IT")), "Stock", "39")
}
