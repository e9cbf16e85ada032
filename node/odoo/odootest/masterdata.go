package odootest

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func (p *plant) money(amount string) *manufacturingv1.Money {
	p.t.Helper()
	company := p.one("res.company", where("id", 1), "currency_id")
	return &manufacturingv1.Money{Amount: amount, Currency: name(company["currency_id"])}
}

func (p *plant) item(id string) *manufacturingv1.ItemChanged {
	return &manufacturingv1.ItemChanged{ItemId: p.name(id), Name: "Item " + p.name(id), Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "C62"}
}

// archived finds records that are archived, too.
func (p *plant) archived(model string, domain []any, fields ...string) map[string]any {
	p.t.Helper()
	return p.one(model, append(domain, []any{"active", "in", []bool{true, false}}), fields...)
}

func itemsAreDefined(t *testing.T, target Target) {
	p := newPlant(t, target)
	changed := p.item("BRG")
	changed.Category, changed.Tracking, changed.Purchased = "Parts / "+p.name("Bearings"), manufacturingv1.Tracking_TRACKING_LOT, true
	changed.StandardCost, changed.ListPrice, changed.Barcode = p.money("12.5"), p.money("20"), p.name("EAN")
	p.apply(changed)
	read := func() map[string]any {
		t.Helper()
		return p.archived("product.product", where("default_code", p.name("BRG")), "name", "type", "is_storable", "tracking", "categ_id", "barcode", "standard_price",
			"list_price", "purchase_ok", "sale_ok", "active", "uom_id")
	}
	got := read()
	expect(t, got, map[string]string{
		"name": "Item " + p.name("BRG"), "type": "consu", "is_storable": "true", "tracking": "lot", "barcode": p.name("EAN"), "standard_price": "12.5", "list_price": "20",
		"purchase_ok": "true", "sale_ok": "false", "active": "true",
	})
	if category := p.one("product.category", where("name", p.name("Bearings")), "parent_id"); name(category["parent_id"]) != "Parts" || ref(got["categ_id"]) != id(category["id"]) {
		t.Errorf("category %v of %v", category, got)
	}
	changed.Name, changed.Retired = "Other", true
	p.apply(changed)
	expect(t, read(), map[string]string{"name": "Other", "active": "false"})
	changed.Retired = false
	p.apply(changed)
	expect(t, read(), map[string]string{"active": "true"})
	changed.StandardCost = &manufacturingv1.Money{Amount: "1", Currency: "XTS"}
	p.refused(changed, "the company keeps its books in")

	p.release(p.name("WO"), "1") // makes the item IT
	known := p.item("IT")
	known.Name = "Known before"
	p.apply(known)
	expect(t, p.one("product.product", where("default_code", p.name("IT")), "name"), map[string]string{"name": "Known before"})
	service := p.item("SRV")
	service.Kind, service.Unit = manufacturingv1.ItemKind_ITEM_KIND_SERVICE, "HUR"
	p.apply(service)
	expect(t, p.one("product.product", where("default_code", p.name("SRV")), "type", "is_storable"), map[string]string{"type": "service", "is_storable": "false"})
}

// code is a unit code that this run has for itself.
func (p *plant) code() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	n := int(starts/1000) + int(runs.Load())*7919
	return fmt.Sprintf("X%c%c", letters[n%36], letters[n/36%36])
}

func unitsAreDefined(t *testing.T, target Target) {
	p := newPlant(t, target)
	code := p.code()
	box := &manufacturingv1.UnitChanged{UnitId: code, Name: "Box " + p.name("24"), ReferenceUnit: "C62", Factor: "24"}
	p.refused(&manufacturingv1.ScrapReported{ItemId: p.name("IT"), Quantity: in("ZZ", "1")}, `unit "ZZ" has no counterpart in Odoo`)
	p.apply(box)
	expect(t, p.one("uom.uom", where("x_mesh_code", code), "name"), map[string]string{"name": "Box " + p.name("24")})
	p.apply(p.item("IT"))
	p.apply(&manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.name("IT"), Quantity: in(code, "2.5")})
	p.inStock(p.product(p.name("IT")), "Stock", "60")
	box.Name = "Carton " + p.name("24")
	p.apply(box)
	expect(t, p.one("uom.uom", where("x_mesh_code", code), "name"), map[string]string{"name": "Carton " + p.name("24")})
	p.refused(&manufacturingv1.UnitChanged{UnitId: "KGM", Name: "Kilo"}, "is a unit that Odoo has")
}

func billsAndRoutingsAreDefined(t *testing.T, target Target) {
	p := newPlant(t, target)
	bill := &manufacturingv1.BillOfMaterialsChanged{
		BillOfMaterialsId: p.name("BOM"), ItemId: p.name("FIN"), Quantity: pieces("10"), Components: []*manufacturingv1.Component{
			{LineId: "1", ItemId: p.name("STEEL"), Quantity: in("GRM", "2500")}, {LineId: "2", ItemId: p.name("BOLT"), Quantity: pieces("40")},
		},
	}
	routing := &manufacturingv1.RoutingChanged{RoutingId: p.name("R"), BillOfMaterialsId: p.name("BOM"), Operations: []*manufacturingv1.Operation{
		{OperationId: "10", Name: "Turn", WorkCenterId: p.name("LATHE"), RunDuration: durationpb.New(90 * time.Second)}, {OperationId: "20", WorkCenterId: p.name("BENCH")},
	}}
	p.refused(routing, "publish it (BillOfMaterialsChanged)")
	for _, i := range []*manufacturingv1.ItemChanged{p.item("FIN"), p.item("BOLT")} {
		p.apply(i)
	}
	steel := p.item("STEEL")
	steel.Unit = "KGM"
	p.apply(steel)
	p.apply(bill)
	p.apply(routing)
	bom := func() int64 {
		t.Helper()
		return id(p.archived("mrp.bom", where("code", p.name("BOM")), "id")["id"])
	}
	lines := func() map[string]map[string]any {
		t.Helper()
		all := map[string]map[string]any{}
		for _, l := range p.read("mrp.bom.line", where("bom_id", bom()), "x_mesh_line", "product_id", "product_qty", "product_uom_id", "operation_id") {
			all[fmt.Sprint(l["x_mesh_line"])] = l
		}
		return all
	}
	expect(t, p.archived("mrp.bom", where("code", p.name("BOM")), "x_mesh_routing"), map[string]string{"x_mesh_routing": p.name("R")})
	first := lines()
	expect(t, first["1"], map[string]string{"product_qty": "2500"})
	expect(t, first["2"], map[string]string{"product_qty": "40"})
	operations := p.read("mrp.routing.workcenter", where("bom_id", bom()), "name", "time_cycle_manual", "workcenter_id", "x_mesh_operation")
	if len(operations) != 2 {
		t.Fatalf("operations %v", operations)
	}
	expect(t, operations[0], map[string]string{"name": "Turn", "time_cycle_manual": "1.5"})
	expect(t, operations[1], map[string]string{"name": "20"})

	bill.Components = bill.Components[:1]
	bill.Components[0].OperationId = "20"
	bill.Components[0].Quantity = in("KGM", "3")
	p.apply(bill)
	second := lines()
	if len(second) != 1 || id(second["1"]["id"]) != id(first["1"]["id"]) || ref(second["1"]["operation_id"]) != id(operations[1]["id"]) {
		t.Errorf("lines %v, were %v: want the first, with its identity", second, first)
	}
	expect(t, second["1"], map[string]string{"product_qty": "3"})
	routing.Operations = routing.Operations[1:]
	p.apply(routing)
	if operations := p.read("mrp.routing.workcenter", where("bom_id", bom()), "name"); len(operations) != 1 {
		t.Errorf("operations %v", operations)
	}

	order := p.name("WO")
	p.apply(&manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.name("STEEL"), Quantity: in("KGM", "5")})
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("FIN"), Quantity: pieces("5"), BillOfMaterialsId: p.name("BOM")})
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: order, ItemId: p.name("FIN"), Quantity: pieces("5")})
	p.inStock(p.product(p.name("STEEL")), "Stock", "3.5")
	bill.Retired = true
	p.apply(bill)
	expect(t, p.archived("mrp.bom", where("code", p.name("BOM")), "active"), map[string]string{"active": "false"})
}

func workCentersAreDefined(t *testing.T, target Target) {
	p := newPlant(t, target)
	center := &manufacturingv1.WorkCenterChanged{WorkCenterId: p.name("LATHE"), Name: "Lathe", CostPerHour: p.money("95.5"), EfficiencyPercent: "87.5"}
	p.apply(center)
	read := func() map[string]any {
		t.Helper()
		return p.archived("mrp.workcenter", where("code", p.name("LATHE")), "name", "costs_hour", "time_efficiency", "active")
	}
	expect(t, read(), map[string]string{"name": "Lathe", "costs_hour": "95.5", "time_efficiency": "87.5", "active": "true"})
	center.Name, center.Retired = "Old lathe", true
	p.apply(center)
	expect(t, read(), map[string]string{"name": "Old lathe", "active": "false"})
}

func partnersAreDefined(t *testing.T, target Target) {
	p := newPlant(t, target)
	supplier := &manufacturingv1.SupplierChanged{SupplierId: p.name("S"), Name: "Steel Ltd", City: "Graz", CountryCode: "AT", Email: "orders@steel.example", Street: "Ring 1", PostalCode: "8010"}
	p.apply(supplier)
	read := func() map[string]any {
		t.Helper()
		return p.archived("res.partner", where("x_mesh_supplier", p.name("S")), "name", "city", "country_id", "email", "street", "zip", "is_company", "active", "ref")
	}
	got := read()
	expect(t, got, map[string]string{"name": "Steel Ltd", "city": "Graz", "email": "orders@steel.example", "street": "Ring 1", "zip": "8010", "is_company": "true", "ref": p.name("S")})
	if name(got["country_id"]) != "Austria" {
		t.Errorf("country %v", got["country_id"])
	}
	supplier.City, supplier.Retired = "Linz", true
	p.apply(supplier)
	expect(t, read(), map[string]string{"city": "Linz", "active": "false"})
	p.apply(&manufacturingv1.CustomerChanged{CustomerId: p.name("C"), Name: "Mill Ltd"})
	expect(t, p.one("res.partner", where("x_mesh_customer", p.name("C")), "name"), map[string]string{"name": "Mill Ltd"})
	p.refused(&manufacturingv1.CustomerChanged{CustomerId: p.name("C"), Name: "Mill Ltd", CountryCode: "XX"}, "Country XX is not in Odoo")
}
