package odootest

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func readerReads(t *testing.T, target Target) {
	p := newPlant(t, target)
	reader := p.applier.Reader()
	if err := p.applier.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := reader.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var deliveries []consumer.Delivery
	for range 3 {
		report := p.setup(p.name("WO"))
		report.CompletedQuantity, report.RejectedQuantity, report.ReviewQuantity = pieces("0.1"), pieces("0.2"), pieces("3")
		deliveries = append(deliveries, p.apply(report))
	}
	after, err := reader.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	grown := func(name string, before, after *apd.Decimal, want string) {
		d := new(apd.Decimal)
		if _, err := apd.BaseContext.Sub(d, after, before); err != nil || plain(json.Number(d.Text('f'))) != want {
			t.Errorf("%s grew by %s, want %s", name, d.Text('f'), want)
		}
	}
	grown("completed", before.Completed, after.Completed, "0.3")
	grown("rejected", before.Rejected, after.Rejected, "0.6")
	grown("review", before.Review, after.Review, "9")
	if after.Entries-before.Entries != 3 || after.Orders-before.Orders != 1 {
		t.Errorf("%d entries and %d orders more, want 3 and 1", after.Entries-before.Entries, after.Orders-before.Orders)
	}

	applied, err := reader.Applied(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var mine []odoo.Applied
	for _, a := range applied {
		if a.Subject == "order/"+p.name("WO") {
			mine = append(mine, a)
		}
	}
	if len(mine) != len(deliveries) {
		t.Fatalf("the journal has %d rows, want %d", len(mine), len(deliveries))
	}
	var keys []string
	for i, d := range deliveries {
		e := d.Event.GetEvent()
		keys = append(keys, odoo.EventKey(e.GetSource(), e.GetId()))
		want := odoo.Applied{
			ID: mine[i].ID, Event: odoo.EventKey(e.GetSource(), e.GetId()), Type: e.GetType(), Stream: d.Stream, Offset: plantmesh.Offset(d.Event.GetOffset()),
			Subject: e.GetSubject(), Model: "mrp.workcenter.productivity", Record: mine[i].Record,
		}
		if mine[i] != want || mine[i].Record == 0 || i > 0 && mine[i].ID <= mine[i-1].ID {
			t.Errorf("row %d is %+v, want %+v", i, mine[i], want)
		}
	}
	if named, err := reader.AppliedOf(t.Context(), append(keys, "nobody's event")); err != nil || !slices.Equal(named, mine) {
		t.Errorf("the rows of these events are %+v, %v, want %+v", named, err, mine)
	}
	orders, err := reader.Orders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, o := range orders {
		if o.Order == p.name("WO") {
			found++
			if o.State != "progress" || o.Quantity.Text('f') != "10" || o.Name == "" {
				t.Errorf("order %+v, want 10 in progress", o)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d orders, want 1", found)
	}
}

func recordsAreFoundBySubject(t *testing.T, target Target) {
	p := newPlant(t, target)
	order, item, lot := p.name("WO"), p.name("ITEM"), p.name("LOT")
	p.apply(&manufacturingv1.ItemChanged{ItemId: item, Name: "Valve", Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "C62", Tracking: manufacturingv1.Tracking_TRACKING_LOT})
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: item, Quantity: pieces("4"), LotId: lot})
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: order, ItemId: item, Quantity: pieces("1"), LotId: lot, Partial: true})
	found, err := p.applier.Reader().Records(t.Context(), []string{"order/" + order, "item/" + item, "lot/" + lot, "order/" + p.name("NONE"), "asset/x", "nothing"})
	if err != nil || len(found) != 3 {
		t.Fatalf("found %v, %v", found, err)
	}
	for subject, want := range map[string]odoo.Record{
		"order/" + order: {Kind: "manufacturing order", Model: "mrp.production", Key: order, More: 1},
		"item/" + item:   {Kind: "product", Model: "product.product", Key: item, Name: "Valve"},
		"lot/" + lot:     {Kind: "lot or serial number", Model: "stock.lot", Key: lot, Name: lot},
	} {
		got := found[subject]
		if got.ID == 0 || got.Name == "" {
			t.Errorf("%s is %+v", subject, got)
		}
		if got.ID = 0; want.Name == "" {
			got.Name = ""
		}
		if got != want {
			t.Errorf("%s is %+v, want %+v", subject, got, want)
		}
	}
	byOdoosName, err := p.applier.Reader().Records(t.Context(), []string{"order/" + found["order/"+order].Name})
	if err != nil || byOdoosName["order/"+found["order/"+order].Name].ID != found["order/"+order].ID {
		t.Errorf("by Odoo's own number: %v, %v", byOdoosName, err)
	}
	// Every kind can be asked for, with the rights that the connector has.
	var subjects []string
	for _, kind := range []string{
		"order", "item", "lot", "unit", "bill-of-materials", "work-center", "supplier", "customer", "dimension", "posting", "demand", "purchase-order", "transfer", "shipment", "receipt",
	} {
		subjects = append(subjects, kind+"/"+p.name("NONE"))
	}
	if found, err = p.applier.Reader().Records(t.Context(), subjects); err != nil || len(found) != 0 {
		t.Errorf("found %v, %v", found, err)
	}
}
