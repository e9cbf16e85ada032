package capture

import (
	"fmt"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// house is a warehouse as far as transfers need it.
type house struct{ stock, in, out int64 }

func (h *office) house(code string) house {
	h.t.Helper()
	return house{
		stock: h.read("stock.warehouse", h.find("stock.warehouse", "code", code), "lot_stock_id").ref("lot_stock_id"),
		in:    h.operation(code, "incoming"), out: h.operation(code, "outgoing"),
	}
}

func (h *office) operation(code, kind string) int64 {
	h.t.Helper()
	var types []row
	domain := []any{[]any{"warehouse_id.code", "=", code}, []any{"code", "=", kind}}
	if err := h.person.SearchRead(h.t.Context(), "stock.picking.type", domain, []string{"code"}, 1, &types); err != nil || len(types) != 1 {
		h.t.Fatalf("%v: %d operation types", err, len(types))
	}
	return types[0].id()
}

// transit is the location between warehouses.
func (h *office) transit() int64 {
	h.t.Helper()
	var found []row
	args := odoo.Args{"domain": []any{[]any{"usage", "=", "transit"}}, "fields": []string{"usage"}, "order": "id", "limit": 1, "context": allRecords}
	if err := h.person.Call(h.t.Context(), "stock.location", "search_read", args, &found); err != nil || len(found) == 0 {
		h.t.Fatalf("transit: %v", err)
	}
	if h.target.Database != "mesh" {
		h.write("stock.location", found[0].id(), map[string]any{"active": true})
	}
	return found[0].id()
}

// picking plans goods from one place to another, behind a move of another picking if there is one.
func (h *office) picking(kind, from, to, product, unit, behind int64) (id, move int64) {
	h.t.Helper()
	id = h.create("stock.picking", map[string]any{"picking_type_id": kind, "location_id": from, "location_dest_id": to})[0]
	values := map[string]any{"picking_id": id, "product_id": product, "product_uom": unit, "product_uom_qty": 3, "location_id": from, "location_dest_id": to}
	if behind != 0 {
		values["move_orig_ids"] = []any{[]any{6, 0, []int64{behind}}}
	}
	move = h.create("stock.move", values)[0]
	return id, move
}

// validate moves goods of a picking; the rest of them waits.
func (h *office) validate(id, move int64, quantity float64) {
	h.t.Helper()
	h.button("stock.picking", "action_confirm", odoo.Args{"ids": []int64{id}})
	h.write("stock.move", move, map[string]any{"quantity": quantity, "picked": true})
	h.button("stock.picking", "button_validate", odoo.Args{"ids": []int64{id}, "context": map[string]any{"skip_backorder": true}})
}

func (h *office) button(model, name string, args odoo.Args) {
	h.t.Helper()
	if err := h.person.Call(h.t.Context(), model, name, args, nil); err != nil {
		h.t.Fatal(err)
	}
}

// twoPlants maps plant-b to a warehouse of its own, and returns both codes.
func (h *office) twoPlants() (a, b string) {
	h.t.Helper()
	code := fmt.Sprintf("%05d", time.Now().UnixNano()%100000)
	h.create("stock.warehouse", map[string]any{"name": h.name("B"), "code": code})
	h.config.Sites = map[string]odoo.Site{"plant-a": {Warehouse: "WH"}, "plant-b": {Warehouse: code}}
	h.restart(h.log, h.mesh)
	return "WH", code
}

func (h *office) received(transfer string) []*manufacturingv1.TransferReceived {
	return told[*manufacturingv1.TransferReceived](h, plantmesh.StreamOf("hq", "logistics"), "transfer/"+transfer)
}

func TestReceiptByAPersonOfWhatAPlantDispatchedIsToldOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		_, b := h.twoPlants()
		a, three := h.applier(), h.name("T")
		if err := a.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.product(nil)
		h.poll()
		pieces := func(n string) []*manufacturingv1.ShippedMaterial {
			return []*manufacturingv1.ShippedMaterial{{ItemId: h.name("bolt"), Quantity: &manufacturingv1.Quantity{Value: n, Unit: "C62"}}}
		}
		h.apply(a, "dispatch", &manufacturingv1.TransferDispatched{TransferId: three, FromSiteId: "plant-a", ToSiteId: "plant-b", Materials: pieces("5")})
		var open []row
		domain := []any{[]any{"x_mesh_transfer", "=", three}, []any{"picking_type_id", "=", h.operation(b, "incoming")}}
		if err := h.person.SearchRead(t.Context(), "stock.picking", domain, []string{"name"}, 2, &open); err != nil || len(open) != 1 {
			t.Fatalf("%v: %d open receipts, want one", err, len(open))
		}
		h.validate(open[0].id(), h.find("stock.move", "picking_id", open[0].id()), 2)
		h.poll()
		h.poll()
		got := h.received(three)
		if len(got) != 1 || !got[0].GetPartial() || got[0].GetToSiteId() != "plant-b" || got[0].GetFromSiteId() != "plant-a" || got[0].GetMaterials()[0].GetQuantity().GetValue() != "2" {
			t.Fatalf("told %v, want 2 of 5 bolts arrived", got)
		}
		h.apply(a, "receipt", &manufacturingv1.TransferReceived{TransferId: three, FromSiteId: "plant-a", ToSiteId: "plant-b", Materials: pieces("1"), Partial: true})
		h.poll()
		if got = h.received(three); len(got) != 1 {
			t.Fatalf("told %v, want nothing of what the plant received", got)
		}
		rest := h.find("stock.picking", "backorder_id", h.find("stock.picking", "backorder_id", open[0].id()))
		h.validate(rest, h.find("stock.move", "picking_id", rest), 2)
		h.write("product.product", h.find("product.product", "default_code", h.name("bolt")), map[string]any{"default_code": h.name("screw")})
		h.ahead += h.config.Capture.Compare()
		h.poll()
		if got = h.received(three); len(got) != 2 || got[1].GetPartial() || got[1].GetMaterials()[0].GetQuantity().GetValue() != "2" {
			t.Fatalf("told %v, want the last 2 arrived, and what was told before told once", got)
		}
		if sent := told[*manufacturingv1.TransferDispatched](h, plantmesh.StreamOf("hq", "logistics"), ""); len(sent) != 0 {
			t.Errorf("told %v, want nothing of what the plant sent", sent)
		}
	})
}

func TestTransferBetweenPlantsIsToldWhenItLeavesAndWhenItArrives(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		if err := h.applier().Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		first, second := h.twoPlants()
		a, b, transit := h.house(first), h.house(second), h.transit()
		bolt := h.read("product.product", h.product(nil), "uom_id")
		old, oldMove := h.picking(a.out, a.stock, transit, bolt.id(), bolt.ref("uom_id"), 0)
		h.validate(old, oldMove, 3)
		h.write("stock.picking", old, map[string]any{"date_done": "2026-01-05 06:00:00"})
		h.poll()

		out, outMove := h.picking(a.out, a.stock, transit, bolt.id(), bolt.ref("uom_id"), 0)
		in, inMove := h.picking(b.in, transit, b.stock, bolt.id(), bolt.ref("uom_id"), outMove)
		name := h.read("stock.picking", out, "name").text("name")
		sent := func() []*manufacturingv1.TransferDispatched {
			return told[*manufacturingv1.TransferDispatched](h, plantmesh.StreamOf("hq", "logistics"), "transfer/"+name)
		}
		arrived := func() []*manufacturingv1.TransferReceived {
			return told[*manufacturingv1.TransferReceived](h, plantmesh.StreamOf("hq", "logistics"), "transfer/"+name)
		}
		h.poll()
		if len(sent())+len(arrived()) != 0 {
			t.Fatalf("told %v, %v of what is only planned", sent(), arrived())
		}
		h.validate(out, outMove, 3)
		h.poll()
		h.poll()
		s := sent()
		if len(s) != 1 || len(arrived()) != 0 || s[0].GetFromSiteId() != "plant-a" || s[0].GetToSiteId() != "plant-b" || len(s[0].GetMaterials()) != 1 ||
			s[0].GetMaterials()[0].GetItemId() != h.name("bolt") || s[0].GetMaterials()[0].GetQuantity().GetValue() != "3" {
			t.Fatalf("told %v, %v, want 3 bolts on their way from plant-a to plant-b", s, arrived())
		}
		h.validate(in, inMove, 3)
		h.poll()
		if r := arrived(); len(r) != 1 || len(sent()) != 1 || r[0].GetFromSiteId() != "plant-a" || r[0].GetToSiteId() != "plant-b" || r[0].GetPartial() {
			t.Fatalf("told %v, want 3 bolts arrived", r)
		}
		if all := told[*manufacturingv1.TransferDispatched](h, plantmesh.StreamOf("hq", "logistics"), ""); len(all) != 1 {
			t.Errorf("told %v, want nothing of what left before capture began", all)
		}
	})
}
