package capture

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// made is a bill of materials of a bolt, by two components.
type made struct {
	id, unit     int64
	steel, paint int64
	lines        []int64
}

func (h *office) read(model string, id int64, fields ...string) row {
	h.t.Helper()
	var rows []row
	if err := h.person.SearchRead(h.t.Context(), model, []any{[]any{"id", "=", id}}, fields, 1, &rows); err != nil || len(rows) != 1 {
		h.t.Fatalf("%s %d: %v, %d records", model, id, err, len(rows))
	}
	return rows[0]
}

func (h *office) bill() made {
	h.t.Helper()
	bolt := h.read("product.product", h.product(nil), "uom_id", "product_tmpl_id")
	m := made{unit: bolt.ref("uom_id"), steel: h.product(map[string]any{"default_code": h.name("steel")}), paint: h.product(map[string]any{"default_code": h.name("paint")})}
	line := func(product int64, quantity float64) []any {
		return []any{0, 0, map[string]any{"product_id": product, "product_qty": quantity, "product_uom_id": m.unit}}
	}
	m.id = h.create("mrp.bom", map[string]any{
		"code": h.name("B"), "type": "normal", "product_tmpl_id": bolt.ref("product_tmpl_id"), "product_qty": 10, "product_uom_id": m.unit,
		"bom_line_ids": []any{line(m.steel, 2.5), line(m.paint, 1)},
	})[0]
	m.lines = h.read("mrp.bom", m.id, "bom_line_ids").refs("bom_line_ids")
	return m
}

func (h *office) bills() []*manufacturingv1.BillOfMaterialsChanged {
	return told[*manufacturingv1.BillOfMaterialsChanged](h, "hq/master-data", "bill-of-materials/"+h.name("B"))
}

func (h *office) routings() []*manufacturingv1.RoutingChanged {
	return told[*manufacturingv1.RoutingChanged](h, "hq/master-data", "bill-of-materials/"+h.name("B"))
}

func TestBillOfMaterialsIsToldAsAWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		if err := h.applier().Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.poll()
		m := h.bill()
		h.poll()
		got := h.bills()
		if len(got) != 1 || got[0].GetItemId() != h.name("bolt") || got[0].GetQuantity().GetValue() != "10" || len(got[0].GetComponents()) != 2 ||
			got[0].GetComponents()[0].GetItemId() != h.name("steel") || got[0].GetComponents()[0].GetQuantity().GetValue() != "2.5" {
			t.Fatalf("told %v, want 10 bolts of two components", got)
		}
		h.write("mrp.bom.line", m.lines[1], map[string]any{"product_qty": 3}) // the line alone
		h.poll()
		h.poll()
		if got = h.bills(); len(got) != 2 || len(got[1].GetComponents()) != 2 || got[1].GetComponents()[1].GetQuantity().GetValue() != "3" {
			t.Fatalf("told %v, want the whole again with 3 of paint", got)
		}
		h.unlink("mrp.bom.line", m.lines[1])
		h.ahead += h.config.Capture.Compare()
		h.poll()
		if got = h.bills(); len(got) != 3 || len(got[2].GetComponents()) != 1 {
			t.Fatalf("told %v, want it without paint", got)
		}
		h.write("mrp.bom", m.id, map[string]any{"active": false})
		h.poll()
		if got = h.bills(); len(got) != 4 || !got[3].GetRetired() {
			t.Fatalf("told %v, want it retired", got)
		}
	})
}

func TestRoutingIsToldWithTheBillOfMaterialsThatItBelongsTo(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		if err := h.applier().Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.poll()
		m := h.bill()
		h.poll()
		if got := h.routings(); len(got) != 0 {
			t.Fatalf("told %v of a bill of materials without operations", got)
		}
		lathe := h.create("mrp.workcenter", map[string]any{"name": "Lathe", "code": h.name("L")})[0]
		step := h.create("mrp.routing.workcenter", map[string]any{"name": "Turn", "bom_id": m.id, "workcenter_id": lathe, "time_cycle_manual": 1.5})[0]
		h.poll()
		got := h.routings()
		if len(got) != 1 || got[0].GetBillOfMaterialsId() != h.name("B") || len(got[0].GetOperations()) != 1 {
			t.Fatalf("told %v, want one operation", got)
		}
		if o := got[0].GetOperations()[0]; o.GetName() != "Turn" || o.GetWorkCenterId() != h.name("L") || o.GetRunDuration().AsDuration() != 90*time.Second {
			t.Fatalf("told %v, want 90 seconds of turning at %s", o, h.name("L"))
		}
		h.write("mrp.routing.workcenter", step, map[string]any{"name": "Turn and drill"})
		h.poll()
		if got = h.routings(); len(got) != 2 || got[1].GetOperations()[0].GetName() != "Turn and drill" {
			t.Fatalf("told %v, want the new name", got)
		}
	})
}

func TestBillAndRoutingOfTheMeshAreNotToldButLaterChangesAre(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		a := h.applier()
		for _, id := range []string{"bolt", "steel"} {
			h.apply(a, id, &manufacturingv1.ItemChanged{ItemId: h.name(id), Name: id, Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "C62"})
		}
		h.apply(a, "lathe", &manufacturingv1.WorkCenterChanged{WorkCenterId: h.name("L"), Name: "Lathe"})
		bill := &manufacturingv1.BillOfMaterialsChanged{
			BillOfMaterialsId: h.name("B"), ItemId: h.name("bolt"), Quantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"},
			Components: []*manufacturingv1.Component{{LineId: "10", ItemId: h.name("steel"), Quantity: &manufacturingv1.Quantity{Value: "2", Unit: "C62"}}},
		}
		h.apply(a, "bill", bill)
		h.apply(a, "routing", &manufacturingv1.RoutingChanged{
			RoutingId: h.name("R"), BillOfMaterialsId: h.name("B"),
			Operations: []*manufacturingv1.Operation{{OperationId: "10", Name: "Turn", WorkCenterId: h.name("L"), RunDuration: durationpb.New(time.Minute)}},
		})
		h.poll()
		if b, r := h.bills(), h.routings(); len(b)+len(r) != 0 {
			t.Fatalf("told %v, %v, want nothing: the mesh made it so", b, r)
		}
		step := h.find("mrp.routing.workcenter", "bom_id", h.find("mrp.bom", "code", h.name("B")))
		h.write("mrp.routing.workcenter", step, map[string]any{"time_cycle_manual": 2})
		h.poll()
		if got := h.routings(); len(got) != 1 || got[0].GetOperations()[0].GetRunDuration().AsDuration() != 2*time.Minute || got[0].GetOperations()[0].GetOperationId() != "10" || got[0].GetRoutingId() != h.name("R") {
			t.Fatalf("told %v, want what a person changed, and routing and operation by the mesh's names", got)
		}
		bill.Components[0].Quantity.Value = "4"
		h.apply(a, "bill again", bill)
		h.poll()
		if got := h.bills(); len(got) != 0 {
			t.Fatalf("told %v, want nothing of what the mesh changed", got)
		}
	})
}
