package odootest

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/capture"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// define tells of master data of every kind, with numbers that Odoo rounds.
func (o *office) define() {
	o.t.Helper()
	say := func(payload proto.Message) { o.t.Helper(); o.tell(o.apply(payload)) }
	o.unit = o.code()
	say(&manufacturingv1.UnitChanged{UnitId: o.unit, Name: "Box " + o.tag, ReferenceUnit: "C62", Factor: "24"})
	pump := o.item("PUMP")
	pump.Category, pump.Barcode, pump.Purchased = "Parts / "+o.name("Pumps"), o.name("EAN"), true
	pump.StandardCost, pump.ListPrice = o.money("12.345"), o.money("20")
	say(pump)
	say(&manufacturingv1.CostRolledUp{RollupId: o.name("R"), ItemId: o.name("PUMP"), Unit: "DZN", UnitCost: o.money("162")})
	seal := o.item("SEAL")
	seal.Unit = "KGM"
	say(seal)
	say(o.item("HOUSING"))
	say(o.item("LOTS")) // not tracked, until an event names a lot
	say(&manufacturingv1.StockCounted{CountId: o.name("C"), ItemId: o.name("LOTS"), LotId: o.name("L"), Quantity: pieces("1")})
	retired := o.item("OLD")
	retired.Retired = true
	say(retired)
	say(&manufacturingv1.WorkCenterChanged{WorkCenterId: o.name("BENCH"), Name: "Bench " + o.tag, CostPerHour: o.money("95.5"), EfficiencyPercent: "87.5"})
	bill := &manufacturingv1.BillOfMaterialsChanged{
		BillOfMaterialsId: o.name("BOM"), ItemId: o.name("PUMP"), Quantity: pieces("2"), SiteId: "plant-a", Components: []*manufacturingv1.Component{
			{LineId: "1", ItemId: o.name("SEAL"), Quantity: in("KGM", "0.125")}, {LineId: "2", ItemId: o.name("HOUSING"), Quantity: pieces("2")},
		},
	}
	say(bill)
	say(&manufacturingv1.RoutingChanged{RoutingId: o.name("R"), BillOfMaterialsId: o.name("BOM"), Operations: []*manufacturingv1.Operation{
		{OperationId: "10", Name: "Press", WorkCenterId: o.name("BENCH"), RunDuration: durationpb.New(100 * time.Second)}, {OperationId: "20", WorkCenterId: "Bench " + o.tag},
	}})
	bill = proto.CloneOf(bill)
	bill.Components[0].OperationId = "20"
	say(bill)
	say(&manufacturingv1.SupplierChanged{SupplierId: o.name("S"), Name: "Steel Ltd", City: "Graz", CountryCode: "AT", Email: "orders@steel.example", Currency: o.money("1").GetCurrency()})
	say(&manufacturingv1.CustomerChanged{CustomerId: o.name("C"), Name: "Mill Ltd", Phone: "+43 1 2345"})
	say(&manufacturingv1.CustomerChanged{CustomerId: o.name("GONE"), Name: "Gone Ltd"})
	say(&manufacturingv1.SupplierChanged{SupplierId: o.name("BOTH"), Name: "Both Ltd", City: "Linz"})
	say(&manufacturingv1.CustomerChanged{CustomerId: o.name("BOTH"), Name: "Both Ltd & Co", City: "Wels"}) // one contact, whose last word that is
	say(&manufacturingv1.FinancialDimensionChanged{DimensionId: o.name("cost-center"), DimensionName: "Cost center " + o.tag, ValueId: "4711", Name: "Assembly"})
}

// tamper is a person who changes one field of a record.
func (o *office) tamper(model string, domain []any, field string, value any) {
	o.t.Helper()
	found := o.one(model, domain, "id")
	if err := o.client.Write(o.t.Context(), model, []int64{id(found["id"])}, map[string]any{field: value}); err != nil {
		o.t.Fatal(err)
	}
}

func reconciliationNamesMasterData(t *testing.T, target Target) {
	o := newOffice(t, target)
	o.define()
	for name, d := range o.differences(nil) {
		t.Errorf("%s differs before anybody changed it: %+v", name, d)
	}
	bom := id(o.archived("mrp.bom", where("code", o.name("BOM")), "id")["id"])
	o.tamper("uom.uom", where("x_mesh_code", o.unit), "relative_factor", 25)
	pump := where("default_code", o.name("PUMP"))
	o.tamper("product.product", pump, "barcode", false)
	o.tamper("product.product", pump, "sale_ok", true)
	o.tamper("product.product", pump, "standard_price", 14)
	o.tamper("product.product", pump, "list_price", 21)
	o.tamper("mrp.bom", where("code", o.name("BOM")), "product_qty", 3)
	o.tamper("mrp.bom.line", where("bom_id", bom, "x_mesh_line", "1"), "product_qty", 0.5)
	o.tamper("mrp.bom.line", where("bom_id", bom, "x_mesh_line", "2"), "x_mesh_line", "3")
	o.tamper("mrp.routing.workcenter", where("bom_id", bom, "x_mesh_operation", "10"), "time_cycle_manual", 2)
	o.tamper("mrp.routing.workcenter", where("bom_id", bom, "x_mesh_operation", "20"), "sequence", 1)
	o.tamper("mrp.workcenter", where("code", o.name("BENCH")), "costs_hour", 100)
	o.tamper("res.partner", where("x_mesh_supplier", o.name("S")), "city", "Linz")
	o.tamper("res.partner", where("x_mesh_customer", o.name("C")), "active", false)
	o.tamper("res.partner", where("x_mesh_customer", o.name("GONE")), "x_mesh_customer", false)
	o.tamper("res.partner", where("ref", o.name("GONE")), "ref", false)
	o.tamper("res.partner", where("x_mesh_customer", o.name("BOTH")), "city", "Linz")
	o.tamper("account.analytic.account", where("x_mesh_dimension", o.name("cost-center"), "code", "4711"), "name", "Painting")
	want := map[string][2]string{
		"unit//unit " + o.unit + "/factor":                                     {"24", "25"},
		"item//item PUMP/barcode":                                              {o.name("EAN"), "(empty)"},
		"item//item PUMP/sold":                                                 {"false", "true"},
		"item//item PUMP/standard_cost":                                        {"13.5", "14"},
		"item//item PUMP/list_price":                                           {"20", "21"},
		"bill//bill of materials BOM/quantity":                                 {"2", "3"},
		"bill//bill of materials BOM/component 1: quantity":                    {"0.13", "0.5"},
		"bill//bill of materials BOM/component 2":                              {"2 C62 of " + o.name("HOUSING"), "not there"},
		"bill//bill of materials BOM/component 3":                              {"not there", "2 C62 of " + o.name("HOUSING")},
		"routing//routing of bill of materials BOM/operation 10: run_duration": {"1m40s", "2m0s"},
		"routing//routing of bill of materials BOM/order of operations":        {"[10 20]", "[20 10]"},
		"work_center//work center BENCH/cost_per_hour":                         {"95.5", "100"},
		"supplier//supplier S/city":                                            {"Graz", "Linz"},
		"customer//customer C/retired":                                         {"false", "true"},
		"customer//customer GONE/customer":                                     {"there", "not there"},
		"customer//customer BOTH/city":                                         {"Wels", "Linz"},
		"dimension//dimension cost-center value 4711/name":                     {"Assembly", "Painting"},
	}
	found := o.differences(nil)
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("found %q,\nwant %q", got, slices.Sorted(maps.Keys(want)))
	}
	for name, values := range want {
		d := found[name]
		if d.Mesh != values[0] || d.Odoo != values[1] || len(d.Events) != 1 || d.Cause == "" || d.Proposal != nil {
			t.Errorf("%s: %+v, want %v", name, d, values)
		}
	}
	if cause := found["supplier//supplier S/city"].Cause; !strings.Contains(cause, "written last by ") || !strings.Contains(cause, "does not hear of it without capture") {
		t.Errorf("cause %q says neither by whom, nor that the mesh does not hear of it", cause)
	}
	if by := found["item//item PUMP/standard_cost"].Events[0]; !strings.HasSuffix(by, " CostRolledUp") {
		t.Errorf("the cost is said to come from %s", by)
	}
}

func reconciliationTakesTheLastWord(t *testing.T, target Target) {
	o := newOffice(t, target)
	o.tell(o.apply(o.item("PUMP")))
	o.tamper("product.product", where("default_code", o.name("PUMP")), "name", "Pump, new")
	of := "item//item PUMP/name"
	if d := o.differences(nil)[of]; d.Odoo != "Pump, new" {
		t.Fatalf("a person changed the name, found %+v", d)
	}
	o.captured(o.name("PUMP"))
	if d, differs := o.differences(nil)[of]; differs {
		t.Errorf("after Odoo told of the change: %+v", d)
	}
	// Another site's older word reaches Odoo late, and is what Odoo has then.
	late := o.record(o.item("PUMP"))
	late.Stream, late.Event.Site = "plant-b/master-data", "plant-b"
	late.Event.GetEvent().Time = timestamppb.New(time.Date(2026, 1, 5, 5, 0, 0, 0, time.UTC))
	if err := o.applier.Handle(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	o.tell(late)
	if d := o.differences(nil)[of]; !strings.Contains(d.Cause, "Odoo has what plant-b/master-data@") {
		t.Errorf("an older word that came late: %+v", d)
	}
}

// captured has Odoo tell of an item as it is.
func (o *office) captured(item string) {
	o.t.Helper()
	things, err := capture.MasterData(o.t.Context(), o.target.Config(), "hq", o.target.AsConnector().Open(o.t))
	if err != nil {
		o.t.Fatal(err)
	}
	for _, thing := range things {
		p, ok := thing.Payload.(*manufacturingv1.ItemChanged)
		if !ok || p.GetItemId() != item {
			continue
		}
		o.offset++
		e, err := plantmesh.NewEvent(odoo.CaptureSource("hq"), o.name("captured"), time.Date(2026, 1, 5, 7, 0, 0, 0, time.UTC), p)
		if err != nil {
			o.t.Fatal(err)
		}
		o.tell(consumer.Delivery{Stream: "hq/master-data", Incarnation: 1, Event: &eventv1.RecordedEvent{Offset: uint64(o.offset), Site: "hq", Event: e}})
		return
	}
	o.t.Fatalf("item %s is not among %d things of Odoo", item, len(things))
}
