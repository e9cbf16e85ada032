package capture

import (
	"testing"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func (h *office) purchases(name string) []*manufacturingv1.PurchaseOrderIssued {
	return told[*manufacturingv1.PurchaseOrderIssued](h, plantmesh.StreamOf("hq", "procurement"), "purchase-order/"+name)
}

// incoming is the operation type of receipts in a warehouse.
func (h *office) incoming(code string) int64 {
	h.t.Helper()
	var types []row
	domain := []any{[]any{"warehouse_id.code", "=", code}, []any{"code", "=", "incoming"}}
	if err := h.person.SearchRead(h.t.Context(), "stock.picking.type", domain, []string{"code"}, 1, &types); err != nil || len(types) != 1 {
		h.t.Fatalf("%v: %d operation types", err, len(types))
	}
	return types[0].id()
}

func TestPurchaseOrderIsToldFromItsConfirmationOn(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		if err := h.applier().Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.poll()
		supplier := h.create("res.partner", map[string]any{"name": "Steel Ltd", "ref": h.name("S"), "x_mesh_supplier": h.name("S")})[0]
		steel := h.read("product.product", h.product(map[string]any{"default_code": h.name("steel")}), "uom_id")
		var currencies []row
		if err := h.person.SearchRead(t.Context(), "res.company", []any{}, []string{"currency_id"}, 1, &currencies); err != nil {
			t.Fatal(err)
		}
		line := map[string]any{"product_id": steel.id(), "product_qty": 3, "product_uom_id": steel.ref("uom_id"), "price_unit": 2.5}
		id := h.create("purchase.order", map[string]any{
			"name": h.name("P"), "partner_id": supplier, "partner_ref": "their 17", "picking_type_id": h.incoming("WH"), "currency_id": currencies[0].ref("currency_id"),
			"order_line": []any{[]any{0, 0, line}},
		})[0]
		h.poll()
		if got := h.purchases(h.name("P")); len(got) != 0 {
			t.Fatalf("told %v of a request for quotation", got)
		}
		h.press("purchase.order", id, "button_confirm", "purchase")
		h.poll()
		got := h.purchases(h.name("P"))
		if len(got) != 1 || got[0].GetState() != manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_ISSUED || got[0].GetSupplierId() != h.name("S") ||
			got[0].GetSiteId() != "plant-a" || got[0].GetSupplierReference() != "their 17" || len(got[0].GetLines()) != 1 {
			t.Fatalf("told %v, want the order once", got)
		}
		if l := got[0].GetLines()[0]; l.GetItemId() != h.name("steel") || l.GetQuantity().GetValue() != "3" || l.GetUnitPrice().GetAmount() != "2.5" {
			t.Fatalf("told %v, want 3 of %s at 2.5", l, h.name("steel"))
		}
		h.write("purchase.order.line", h.find("purchase.order.line", "order_id", id), map[string]any{"product_qty": 4})
		h.poll()
		h.poll()
		if got = h.purchases(h.name("P")); len(got) != 2 || got[1].GetLines()[0].GetQuantity().GetValue() != "4" {
			t.Fatalf("told %v, want 4 now", got)
		}
		h.press("purchase.order", id, "button_cancel", "cancel")
		h.poll()
		if got = h.purchases(h.name("P")); len(got) != 3 || got[2].GetState() != manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_CANCELLED {
			t.Fatalf("told %v, want it cancelled", got)
		}
	})
}

func TestPurchaseOrderOfTheMeshIsNotToldButALaterChangeIs(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		a := h.applier()
		h.apply(a, "steel", &manufacturingv1.ItemChanged{ItemId: h.name("steel"), Name: "Steel", Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "C62", Purchased: true})
		h.apply(a, "supplier", &manufacturingv1.SupplierChanged{SupplierId: h.name("S"), Name: "Steel Ltd"})
		h.apply(a, "order", &manufacturingv1.PurchaseOrderIssued{
			PurchaseOrderId: h.name("P"), SupplierId: h.name("S"), SiteId: "plant-a", State: manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_ISSUED,
			Lines: []*manufacturingv1.PurchaseOrderLine{{LineId: "10", ItemId: h.name("steel"), Quantity: &manufacturingv1.Quantity{Value: "3", Unit: "C62"}}},
		})
		h.poll()
		h.poll()
		if got := h.purchases(h.name("P")); len(got) != 0 {
			t.Fatalf("told %v, want nothing: the mesh made it so", got)
		}
		id := h.find("purchase.order", "x_mesh_purchase", h.name("P"))
		h.write("purchase.order.line", h.find("purchase.order.line", "order_id", id), map[string]any{"product_qty": 5})
		h.poll()
		if got := h.purchases(h.name("P")); len(got) != 1 || got[0].GetLines()[0].GetLineId() != "10" || got[0].GetLines()[0].GetQuantity().GetValue() != "5" {
			t.Fatalf("told %v, want what a person changed", got)
		}
	})
}
