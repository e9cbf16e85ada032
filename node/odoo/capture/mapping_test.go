package capture

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// remap is a node that was started again with another mapping. A real Odoo's connector is let into its companies.
func (h *office) remap(change func(*odoo.Config)) {
	h.t.Helper()
	change(&h.config)
	h.restart(h.log, h.mesh)
	if h.target.Connector == h.target.Key { // the sandbox has one user
		return
	}
	admin, err := odoo.NewAdministrator(h.config, h.target.Key, "", slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	defer admin.Close()
	if _, _, err := admin.Provision(h.t.Context(), false); err != nil {
		h.t.Fatal(err)
	}
}

func TestMappedWorkCentersAreToldAsPlantsCallThem(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		lathe := h.create("mrp.workcenter", map[string]any{"name": h.name("Lathe"), "code": h.name("L"), "time_efficiency": 100})[0]
		h.remap(func(c *odoo.Config) { c.WorkCenters = map[string]string{h.name("10"): h.name("L")} })
		a := h.applier()
		if err := a.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.poll()
		if got := told[*manufacturingv1.WorkCenterChanged](h, "hq/master-data", "work-center/"+h.name("10")); len(got) != 1 {
			t.Errorf("told %v, want the work center by the plant's name", got)
		}
		if got := told[*manufacturingv1.WorkCenterChanged](h, "hq/master-data", "work-center/"+h.name("L")); len(got) != 0 {
			t.Errorf("told %v by Odoo's name", got)
		}
		h.apply(a, "lathe", &manufacturingv1.WorkCenterChanged{WorkCenterId: h.name("10"), Name: "Lathe of the mesh"})
		for _, id := range []string{"bolt", "steel"} {
			h.apply(a, id, &manufacturingv1.ItemChanged{ItemId: h.name(id), Name: id, Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "C62"})
		}
		h.apply(a, "bill", &manufacturingv1.BillOfMaterialsChanged{
			BillOfMaterialsId: h.name("B"), ItemId: h.name("bolt"), Quantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"},
			Components: []*manufacturingv1.Component{{LineId: "10", ItemId: h.name("steel"), Quantity: &manufacturingv1.Quantity{Value: "2", Unit: "C62"}}},
		})
		h.apply(a, "routing", &manufacturingv1.RoutingChanged{
			RoutingId: h.name("R"), BillOfMaterialsId: h.name("B"),
			Operations: []*manufacturingv1.Operation{{OperationId: "10", Name: "Turn", WorkCenterId: h.name("10"), RunDuration: durationpb.New(time.Minute)}},
		})
		h.poll()
		if got := h.routings(); len(got) != 0 {
			t.Fatalf("told %v, want nothing: the mesh made it so", got)
		}
		if got := told[*manufacturingv1.WorkCenterChanged](h, "hq/master-data", "work-center/"+h.name("10")); len(got) != 1 {
			t.Errorf("told %v, want nothing of what the mesh changed", got)
		}
		step := h.find("mrp.routing.workcenter", "workcenter_id", lathe)
		h.write("mrp.routing.workcenter", step, map[string]any{"time_cycle_manual": 2})
		h.poll()
		if got := h.routings(); len(got) != 1 || got[0].GetOperations()[0].GetWorkCenterId() != h.name("10") {
			t.Errorf("told %v, want the work center by the plant's name", got)
		}
	})
}

func TestWorkCenterThatNobodyCouldTellApartIsLeftOutWithTheReason(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		for _, code := range []string{"LA", "LB"} {
			h.create("mrp.workcenter", map[string]any{"name": h.name(code), "code": h.name(code)})
		}
		h.remap(func(c *odoo.Config) {
			c.Sites = map[string]odoo.Site{"plant-a": {WorkCenters: map[string]string{h.name("10"): h.name("LA")}}, "plant-b": {WorkCenters: map[string]string{h.name("10"): h.name("LB")}}}
		})
		h.poll()
		if got := told[*manufacturingv1.WorkCenterChanged](h, "hq/master-data", "work-center/"+h.name("10")); len(got) != 0 {
			t.Errorf("told %v of two work centers by one name", got)
		}
		said := ""
		for _, k := range h.Status().Kinds {
			if k.Name == workCenters.name {
				said = k.Example
			}
		}
		if !strings.Contains(said, "would be "+h.name("10")+" in the mesh") {
			t.Errorf("the status says %q, want why", said)
		}
	})
}

func TestOrderGoesToThePlantOfItsCompanyThoughWarehousesAreCalledTheSame(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		code := fmt.Sprintf("%05d", time.Now().UnixNano()%100000)
		company := h.create("res.company", map[string]any{"name": h.name("Works")})[0]
		ours := h.create("stock.warehouse", map[string]any{"name": h.name("A"), "code": code})[0]
		theirs := h.create("stock.warehouse", map[string]any{"name": h.name("B"), "code": code, "company_id": company})[0]
		h.remap(func(c *odoo.Config) {
			c.Sites = map[string]odoo.Site{"plant-a": {Warehouse: code, Company: "1"}, "plant-b": {Warehouse: code, Company: h.name("Works")}}
		})
		for plant, house := range map[string]int64{"plant-a": ours, "plant-b": theirs} {
			var types []row
			domain := []any{[]any{"warehouse_id", "=", house}, []any{"code", "=", "mrp_operation"}}
			if err := h.person.SearchRead(t.Context(), "stock.picking.type", domain, []string{"code"}, 1, &types); err != nil || len(types) != 1 {
				t.Fatalf("%v: %d operation types", err, len(types))
			}
			values := map[string]any{"name": h.name(plant), "product_id": h.product(map[string]any{"default_code": h.name(plant)}), "product_qty": 5, "picking_type_id": types[0].id()}
			if plant == "plant-b" {
				values["company_id"] = company
			}
			h.confirm(h.create("mrp.production", values)[0])
		}
		h.poll()
		for _, plant := range []string{"plant-a", "plant-b"} {
			if got := h.orders(plant, h.name(plant)); len(got) != 1 {
				t.Errorf("%s was told %v of its order, want it released", plant, got)
			}
		}
	})
}
