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
	if h.target.Database == "mesh" { // what Odoo does by itself
		h.write("stock.picking", id, map[string]any{"name": h.name(fmt.Sprint("P", id))})
		if behind != 0 {
			h.write("stock.move", behind, map[string]any{"move_dest_ids": []any{[]any{6, 0, []int64{move}}}})
		}
	}
	return id, move
}

// validate has all goods of a picking moved.
func (h *office) validate(id, move, product, unit int64) {
	h.t.Helper()
	if h.target.Database == "mesh" {
		h.create("stock.move.line", map[string]any{"picking_id": id, "product_id": product, "quantity": 3, "product_uom_id": unit})
		h.write("stock.picking", id, map[string]any{"state": "done", "date_done": time.Now().UTC().Add(time.Second).Format(time.DateTime)})
		return
	}
	h.press("stock.picking", id, "action_confirm", "")
	h.write("stock.move", move, map[string]any{"quantity": 3, "picked": true})
	h.press("stock.picking", id, "button_validate", "")
}

func TestTransferBetweenPlantsIsToldWhenItLeavesAndWhenItArrives(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		if err := h.applier().Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		code := fmt.Sprintf("%05d", time.Now().UnixNano()%100000)
		h.create("stock.warehouse", map[string]any{"name": h.name("B"), "code": code})
		h.config.Sites = map[string]odoo.Site{"plant-a": {Warehouse: "WH"}, "plant-b": {Warehouse: code}}
		h.restart(h.log, h.mesh)
		a, b, transit := h.house("WH"), h.house(code), h.transit()
		bolt := h.read("product.product", h.product(nil), "uom_id")
		old, oldMove := h.picking(a.out, a.stock, transit, bolt.id(), bolt.ref("uom_id"), 0)
		h.validate(old, oldMove, bolt.id(), bolt.ref("uom_id"))
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
		h.validate(out, outMove, bolt.id(), bolt.ref("uom_id"))
		h.poll()
		h.poll()
		s := sent()
		if len(s) != 1 || len(arrived()) != 0 || s[0].GetFromSiteId() != "plant-a" || s[0].GetToSiteId() != "plant-b" || len(s[0].GetMaterials()) != 1 ||
			s[0].GetMaterials()[0].GetItemId() != h.name("bolt") || s[0].GetMaterials()[0].GetQuantity().GetValue() != "3" {
			t.Fatalf("told %v, %v, want 3 bolts on their way from plant-a to plant-b", s, arrived())
		}
		h.validate(in, inMove, bolt.id(), bolt.ref("uom_id"))
		h.poll()
		if r := arrived(); len(r) != 1 || len(sent()) != 1 || r[0].GetFromSiteId() != "plant-a" || r[0].GetToSiteId() != "plant-b" || r[0].GetPartial() {
			t.Fatalf("told %v, want 3 bolts arrived", r)
		}
		if all := told[*manufacturingv1.TransferDispatched](h, plantmesh.StreamOf("hq", "logistics"), ""); len(all) != 1 {
			t.Errorf("told %v, want nothing of what left before capture began", all)
		}
	})
}
