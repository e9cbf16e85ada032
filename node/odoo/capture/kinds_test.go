package capture

import (
	"testing"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func TestPartnersAndWorkCentersAreTold(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		if err := h.applier().Prepare(t.Context()); err != nil { // its fields tell partners' roles
			t.Fatal(err)
		}
		h.poll()
		h.create("res.partner", map[string]any{"name": "Steel Ltd", "x_mesh_supplier": h.name("S"), "city": "Graz"})
		h.create("res.partner", map[string]any{"name": "Shop Ltd", "ref": h.name("C"), "x_mesh_customer": h.name("C")})
		h.create("mrp.workcenter", map[string]any{"name": "Lathe", "code": h.name("L"), "costs_hour": 40})
		h.poll()
		s := told[*manufacturingv1.SupplierChanged](h, "hq/master-data", "supplier/"+h.name("S"))
		if len(s) != 1 || s[0].GetName() != "Steel Ltd" || s[0].GetCity() != "Graz" || s[0].GetRetired() {
			t.Errorf("told %v, want the supplier once", s)
		}
		if c := told[*manufacturingv1.CustomerChanged](h, "hq/master-data", "customer/"+h.name("C")); len(c) != 1 || c[0].GetName() != "Shop Ltd" {
			t.Errorf("told %v, want the customer once", c)
		}
		w := told[*manufacturingv1.WorkCenterChanged](h, "hq/master-data", "work-center/"+h.name("L"))
		if len(w) != 1 || w[0].GetCostPerHour().GetAmount() != "40" {
			t.Errorf("told %v, want the work center once", w)
		}
	})
}

func TestDemandIsToldAsAWhole(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		customer := h.create("res.partner", map[string]any{"name": "Shop Ltd", "ref": h.name("C")})[0]
		bolt := h.product(nil)
		unit := h.find("product.product", "default_code", h.name("bolt"))
		var products []row
		if err := h.person.SearchRead(t.Context(), "product.product", []any{[]any{"id", "=", unit}}, []string{"uom_id"}, 1, &products); err != nil {
			t.Fatal(err)
		}
		line := map[string]any{"product_id": bolt, "product_uom_qty": 3, "product_uom_id": products[0].ref("uom_id")}
		name := h.name("SO")
		id := h.create("sale.order", map[string]any{"name": name, "partner_id": customer, "order_line": []any{[]any{0, 0, line}}})[0]
		h.poll()
		demand := func() []*manufacturingv1.DemandReceived {
			return told[*manufacturingv1.DemandReceived](h, plantmesh.StreamOf("hq", "demand"), "demand/"+name)
		}
		if got := demand(); len(got) != 0 {
			t.Fatalf("told %v of a quotation", got)
		}
		h.write("sale.order", id, map[string]any{"state": "sale"})
		h.poll()
		lines := []row{}
		if err := h.person.SearchRead(t.Context(), "sale.order.line", []any{[]any{"order_id", "=", id}}, []string{"product_uom_qty"}, 1, &lines); err != nil || len(lines) != 1 {
			t.Fatalf("%v: %d lines", err, len(lines))
		}
		h.write("sale.order.line", lines[0].id(), map[string]any{"product_uom_qty": 4})
		h.poll()
		h.poll()
		got := demand()
		if len(got) != 2 || got[0].GetLines()[0].GetQuantity().GetValue() != "3" || got[1].GetLines()[0].GetQuantity().GetValue() != "4" || got[0].GetCustomerId() != h.name("C") {
			t.Fatalf("told %v, want 3 and then 4 pieces for %s", got, h.name("C"))
		}
	})
}
