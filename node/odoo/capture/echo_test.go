package capture

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// applier applies events of a client at hq, whose streams the log has.
func (h *office) applier() *odoo.Applier {
	h.t.Helper()
	a, err := odoo.New(h.config, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(a.Close)
	return a
}

// apply publishes an event in hq's own stream and applies it.
func (h *office) apply(a *odoo.Applier, id string, payload proto.Message) {
	h.t.Helper()
	event, err := plantmesh.NewEvent("//hq/pdm", h.name(id), time.Now(), payload)
	if err != nil {
		h.t.Fatal(err)
	}
	kind, err := plantmesh.LookupEventType(event.GetType())
	if err != nil {
		h.t.Fatal(err)
	}
	s := plantmesh.StreamOf("hq", kind.Domain)
	receipts, err := h.log.Append(h.t.Context(), storage.Write{Entries: []storage.Entry{{Stream: s, Event: event}}})
	if err != nil {
		h.t.Fatal(err)
	}
	recorded, err := h.log.Get(s, receipts[0].Offset)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := a.Handle(h.t.Context(), consumer.Delivery{Stream: s, Incarnation: receipts[0].Incarnation, Event: recorded, Attempt: 1}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *office) find(model, field string, value any) int64 {
	h.t.Helper()
	var rows []row
	if err := h.person.SearchRead(h.t.Context(), model, []any{[]any{field, "=", value}}, []string{field}, 2, &rows); err != nil || len(rows) != 1 {
		h.t.Fatalf("%s %v: %v, %d records", model, value, err, len(rows))
	}
	return rows[0].id()
}

func TestWhatTheMeshAppliedIsNotToldButALaterChangeIs(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		a := h.applier()
		item := &manufacturingv1.ItemChanged{ItemId: h.name("bolt"), Name: "Bolt", Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "EA", Purchased: true}
		h.apply(a, "one", item)
		h.poll()
		if got := h.items("bolt"); len(got) != 0 {
			t.Fatalf("told %v, want nothing: the mesh made it so", got)
		}
		id := h.find("product.product", "default_code", h.name("bolt"))
		h.write("product.product", id, map[string]any{"name": "Nut"})
		h.poll()
		if got := h.items("bolt"); len(got) != 1 || got[0].GetName() != "Nut" {
			t.Fatalf("told %v, want what a person changed", got)
		}
		h.write("product.product", id, map[string]any{"name": "Bolt"})
		h.poll()
		if got := h.items("bolt"); len(got) != 2 || got[1].GetName() != "Bolt" {
			t.Fatalf("told %v, want what a person changed back, though the mesh once made it so", got)
		}
		item.Name = "Washer"
		h.apply(a, "two", item)
		h.poll()
		if got := h.items("bolt"); len(got) != 2 {
			t.Fatalf("told %v, want nothing of what the mesh changed", got[2:])
		}
	})
}

func (h *office) orders(site, order string) []proto.Message {
	return told[proto.Message](h, plantmesh.StreamOf("hq", odoo.OrdersDomain(site)), "order/"+order)
}

func TestOrderThatMovesIsClosedAtItsOldPlant(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		name := h.name("MO")
		id := h.create("mrp.production", map[string]any{"name": name, "product_id": h.product(nil), "product_qty": 5, "picking_type_id": h.madeIn("WH")})[0]
		h.confirm(id)
		h.poll()
		h.config.Sites = map[string]odoo.Site{"plant-c": {Warehouse: "WH"}} // the mapping moves the warehouse
		h.restart(h.log, h.mesh)
		h.poll()
		h.poll()
		if got := h.orders("plant-c", name); len(got) != 1 {
			t.Errorf("plant-c was told %v, want the release", got)
		}
		got := h.orders("plant-a", name)
		if len(got) != 2 {
			t.Fatalf("plant-a was told %v, want release and close", got)
		}
		if _, ok := got[1].(*manufacturingv1.ProductionOrderClosed); !ok {
			t.Errorf("plant-a was told %v, want it closed", got[1])
		}
	})
}

// madeIn is the operation type of manufacturing in a warehouse.
func (h *office) madeIn(code string) int64 {
	h.t.Helper()
	var types []row
	domain := []any{[]any{"warehouse_id.code", "=", code}, []any{"code", "=", "mrp_operation"}}
	if err := h.person.SearchRead(h.t.Context(), "stock.picking.type", domain, []string{"code"}, 1, &types); err != nil || len(types) != 1 {
		h.t.Fatalf("%v: %d operation types", err, len(types))
	}
	return types[0].id()
}

func TestOrderGoesToItsPlantAlone(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		house := h.create("stock.warehouse", map[string]any{"name": h.name("B"), "code": fmt.Sprintf("%05d", time.Now().UnixNano()%100000)})[0]
		var codes []row
		if err := h.person.SearchRead(t.Context(), "stock.warehouse", []any{[]any{"id", "=", house}}, []string{"code"}, 1, &codes); err != nil {
			t.Fatal(err)
		}
		h.config.Sites["plant-b"] = odoo.Site{Warehouse: codes[0].text("code")}
		h.restart(h.log, h.mesh)
		var types []row
		if err := h.person.SearchRead(t.Context(), "stock.picking.type", []any{[]any{"warehouse_id", "=", house}, []any{"code", "=", "mrp_operation"}}, []string{"code"}, 1, &types); err != nil {
			t.Fatal(err)
		}
		h.applier() // its fields are provisioned for the real one; the sandbox has its own
		name := h.name("MO")
		id := h.create("mrp.production", map[string]any{"name": name, "product_id": h.product(nil), "product_qty": 5, "picking_type_id": types[0].id()})[0]
		h.poll()
		if got := h.orders("plant-b", name); len(got) != 0 {
			t.Fatalf("told %v of an order that is not confirmed", got)
		}
		h.confirm(id)
		h.poll()
		h.poll()
		got := h.orders("plant-b", name)
		if len(got) != 1 {
			t.Fatalf("told %v, want it released once", got)
		}
		if r, ok := got[0].(*manufacturingv1.ProductionOrderReleased); !ok || r.GetQuantity().GetValue() != "5" || r.GetItemId() != h.name("bolt") {
			t.Errorf("told %v, want 5 bolts released", got[0])
		}
		if other := h.orders("plant-a", name); len(other) != 0 {
			t.Errorf("plant-a was told %v, want nothing", other)
		}
		h.restart(h.log, h.mesh)
		h.cancel(id)
		h.poll()
		if got := h.orders("plant-b", name); len(got) != 2 {
			t.Fatalf("told %v, want it closed", got)
		} else if _, ok := got[1].(*manufacturingv1.ProductionOrderClosed); !ok {
			t.Errorf("told %v, want it closed", got[1])
		}
	})
}

// confirm and cancel press the buttons of a real Odoo; the sandbox has none, so the state is written there.
func (h *office) confirm(id int64) { h.press("mrp.production", id, "action_confirm", "confirmed") }
func (h *office) cancel(id int64)  { h.press("mrp.production", id, "action_cancel", "cancel") }

// press is a person's. The sandbox has no such buttons.
func (h *office) press(model string, id int64, button, state string) {
	h.t.Helper()
	err := h.person.Call(h.t.Context(), model, button, odoo.Args{"ids": []int64{id}}, nil)
	if h.target.Database == "mesh" {
		h.write(model, id, map[string]any{"state": state})
		return
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestWhatThePlantDoesWithAnOrderIsNotTold(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		a, order := h.applier(), h.name("WO")
		ten, four := &manufacturingv1.Quantity{Value: "10", Unit: "C62"}, &manufacturingv1.Quantity{Value: "4", Unit: "C62"}
		h.product(nil)
		h.apply(a, "release", &manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: h.name("bolt"), Quantity: ten})
		h.poll()
		h.apply(a, "part", &manufacturingv1.ProductionCompleted{OrderId: order, ItemId: h.name("bolt"), Quantity: four, Partial: true})
		h.poll()
		h.apply(a, "more", &manufacturingv1.ProductionCompleted{OrderId: order, ItemId: h.name("bolt"), Quantity: ten})
		h.poll()
		if got := h.orders("plant-a", order); len(got) != 0 {
			t.Errorf("told %v, want nothing: the plant did it", got)
		}
	})
}

func TestWhatWasCapturedIsNotAppliedAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		h.product(nil)
		h.poll()
		recorded, err := h.log.Get("hq/master-data", 1)
		if err != nil {
			t.Fatal(err)
		}
		err = odoo.NewOutcomes(h.applier(), "hq", h.log).Handle(t.Context(), consumer.Delivery{Stream: "hq/master-data", Incarnation: 1, Event: recorded, Attempt: 1})
		if !errors.Is(err, consumer.ErrIgnored) {
			t.Errorf("applied with %v, want it ignored", err)
		}
	})
}
