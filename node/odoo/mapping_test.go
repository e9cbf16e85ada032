package odoo

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// mapped is a configuration with two plants, of which each has a mapping of its own.
func mapped() Config {
	c := valid()
	c.Company, c.Warehouse = "Acme GmbH", "WH"
	c.Locations, c.Journals = map[string]string{"SCRAP": "Scrap", "RAW": "Stock"}, map[string]string{"MAT": "STJ"}
	c.Accounts = map[string]string{"400": "400000"}
	c.Units = map[string]string{"PCE": "uom.product_uom_unit", "BX": "Box of 24"}
	c.Sites = map[string]Site{
		"plant-a": {WorkCenters: map[string]string{"10": "LATHE-A", "20": "MILL"}},
		"plant-b": {
			Company: "Acme Inc", Warehouse: "WHB", Locations: map[string]string{"RAW": "WHB/Stock/Raw"}, WorkCenters: map[string]string{"10": "LATHE-B", "30": "SAW"},
			Accounts: map[string]string{"410": "410100"},
		},
	}
	return c
}

func effectAt(t *testing.T, c Config, site string, payload proto.Message) Effect {
	t.Helper()
	event, err := plantmesh.NewEvent("//"+site+"/mes", "e-1", time.Now(), payload)
	if err != nil {
		t.Fatal(err)
	}
	e, ok, err := c.translate(plantmesh.StreamOf(plantmesh.SiteID(site), "production"), 1, &eventv1.RecordedEvent{Offset: 1, Site: site, Event: event})
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	return e
}

func TestEffectHasOdoosNamesForThoseOfItsSite(t *testing.T) {
	c := mapped()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	count := func(site, location, unit string) Effect {
		return effectAt(t, c, site, &manufacturingv1.StockCounted{CountId: "C", ItemId: "IT", LocationId: location, Quantity: &manufacturingv1.Quantity{Value: "1", Unit: unit}})
	}
	for _, one := range []struct{ site, location, company, warehouse, want string }{
		{"plant-a", "RAW", "Acme GmbH", "WH", "Stock"},
		{"plant-b", "RAW", "Acme Inc", "WHB", "WHB/Stock/Raw"},
		{"plant-b", "SCRAP", "Acme Inc", "WHB", "Scrap"},
		{"plant-c", "Shelf", "Acme GmbH", "WH", "Shelf"},
		{"plant-c", "", "Acme GmbH", "WH", ""},
	} {
		if e := count(one.site, one.location, "PCE"); e.Location != one.want || e.Company != one.company || e.Warehouse != one.warehouse {
			t.Errorf("%s of %s: at %q in %q, %q, want %q in %q, %q", one.location, one.site, e.Location, e.Warehouse, e.Company, one.want, one.warehouse, one.company)
		}
	}
	if q := count("plant-a", "", "PCE").Quantity; q.UoM != "uom.product_uom_unit" || q.Name != "" {
		t.Errorf("unit by external id: %+v", q)
	}
	if q := count("plant-a", "", "BX").Quantity; q.UoM != "" || q.Name != "Box of 24" {
		t.Errorf("unit by name: %+v", q)
	}
	routing := effectAt(t, c, "plant-b", &manufacturingv1.RoutingChanged{RoutingId: "R", BillOfMaterialsId: "B", Operations: []*manufacturingv1.Operation{
		{OperationId: "1", WorkCenterId: "10"}, {OperationId: "2", WorkCenterId: "20"},
	}})
	if a, b := routing.Operations[0].WorkCenter, routing.Operations[1].WorkCenter; a != "LATHE-B" || b != "20" {
		t.Errorf("work centers of plant-b: %s and %s", a, b)
	}
	money := &manufacturingv1.Money{Amount: "1", Currency: "EUR"}
	posting := effectAt(t, c, "plant-b", &manufacturingv1.PostingPrepared{PostingId: "P", JournalId: "MAT", PostingDate: "2026-01-31", Lines: []*manufacturingv1.PostingLine{
		{AccountId: "400", Side: manufacturingv1.PostingSide_POSTING_SIDE_DEBIT, Amount: money}, {AccountId: "410", Side: manufacturingv1.PostingSide_POSTING_SIDE_CREDIT, Amount: money},
	}})
	if posting.Journal != "STJ" || posting.Lines[0].Account != "400000" || posting.Lines[1].Account != "410100" {
		t.Errorf("posting %+v", posting.Posting)
	}
	transfer := effectAt(t, c, "plant-a", &manufacturingv1.TransferDispatched{
		TransferId: "T", FromSiteId: "plant-a", ToSiteId: "plant-b", LocationId: "RAW",
		Materials: []*manufacturingv1.ShippedMaterial{{ItemId: "IT", Quantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"}}},
	})
	if transfer.Location != "Stock" || transfer.OtherWarehouse != "WHB" || transfer.OtherCompany != "Acme Inc" {
		t.Errorf("transfer from %q to %q of %q", transfer.Location, transfer.OtherWarehouse, transfer.OtherCompany)
	}
}

func TestMappingNamesItsOwnFaults(t *testing.T) {
	c := mapped()
	c.Sites["plant-c"] = Site{}
	c.Sites["plant-d"] = Site{
		Locations: map[string]string{"R1": "Shelf", "R2": "Shelf", "STORE": "Stock", "": "X"}, WorkCenters: map[string]string{"10": ""}, Journals: map[string]string{"A": "STJ", "B": "STJ"},
	}
	c.Units = map[string]string{"pieces": "Units", "BX": ""}
	err := c.Validate()
	for _, says := range []string{
		"odoo.sites.plant-c.warehouse: name a warehouse's code, or leave the site out", `odoo.sites.plant-d.locations.R2 "Shelf": R1 is the same in Odoo`,
		`odoo.sites.plant-d.locations.STORE "Stock": RAW is the same in Odoo`, `odoo.sites.plant-d.locations."" "X": give both names`, `odoo.sites.plant-d.work_centers."10" ""`,
		`odoo.units "pieces"`, "odoo.units.BX: name the unit",
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %s", err, says)
		}
	}
	if err != nil && strings.Contains(err.Error(), "journals") {
		t.Errorf("%v: two codes may be one journal", err)
	}
}

func TestWorkCentersOfOdooAreCalledAsThePlantsDo(t *testing.T) {
	c := mapped()
	for _, one := range []struct{ site, code, name, want, problem string }{
		{"", "MILL", "Mill", "20", ""},
		{"", "W9", "SAW", "30", ""}, // mapped by its name
		{"", "PRESS", "Press", "PRESS", ""},
		{"", "", "Press", "Press", ""},
		{"", "LATHE-A", "", "", "work center LATHE-A would be 10 in the mesh, as LATHE-B of Odoo is"},
		{"plant-a", "LATHE-A", "", "10", ""},
		{"plant-b", "LATHE-B", "", "10", ""},
		{"", "10", "", "", "work center 10 would be 10 in the mesh"},
	} {
		id, problem := c.PlantWorkCenter(one.site, one.code, one.name)
		if id != one.want || one.problem == "" && problem != "" || !strings.Contains(problem, one.problem) {
			t.Errorf("%s %s at %q: %q, %q; want %q, %q", one.code, one.name, one.site, id, problem, one.want, one.problem)
		}
	}
	c.Sites["plant-a"].WorkCenters["99"] = "SAW"
	if id, problem := c.PlantWorkCenter("", "SAW", ""); id != "" || !strings.Contains(problem, "[30 99] in the mesh") {
		t.Errorf("two names for one: %q, %q", id, problem)
	}
}

func TestUnitsOfOdooHaveTheCodesOfTheMapping(t *testing.T) {
	c := mapped()
	c.Units["LTR"] = "acme.litre"
	for _, one := range []struct{ external, name, want string }{
		{"uom.product_uom_unit", "Units", "C62"}, // UN/CEFACT's before the mapping's
		{"", "Box of 24", "BX"}, {"acme.litre", "Litre", "LTR"}, {"uom.product_uom_litre", "L", ""}, {"", "Pallet", ""},
	} {
		if code := c.UnitCode(one.external, one.name); code != one.want {
			t.Errorf("%s %s is %q, want %q", one.external, one.name, code, one.want)
		}
	}
	if !c.SameUnit("PCE", "C62") || !c.SameUnit("BX", "BX") || c.SameUnit("BX", "PCE") || c.SameUnit("ZA", "ZB") {
		t.Error("which units are the same")
	}
}

func TestWarehousesOfOneCodeAreToldApartByTheirCompany(t *testing.T) {
	all := []Warehouse{{ID: 1, Code: "WH", Company: 1, CompanyName: "Acme GmbH"}, {ID: 2, Code: "WH", Company: 2, CompanyName: "Acme Inc"}, {ID: 3, Code: "WHB", Company: 2, CompanyName: "Acme Inc"}}
	c := Config{Sites: map[string]Site{"plant-a": {Company: "Acme Inc", Warehouse: "WH"}, "plant-b": {Company: "2", Warehouse: "WHB"}, "plant-c": {Company: "3"}}}
	for site, label := range map[string]string{"plant-a": "WH of Acme Inc", "plant-b": "WHB", "plant-c": "", "plant-d": "WH of Acme GmbH"} {
		w, ok := c.WarehouseOf(site, all)
		if got := w.Label(all); ok != (label != "") || ok && got != label {
			t.Errorf("%s: %q, %t, want %q", site, got, ok, label)
		}
	}
}
