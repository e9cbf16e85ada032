package odootest

import (
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// floorWorkloads are materials, quality and downtimes.
func floorWorkloads() []workload {
	var part, center, loss atomic.Int64
	places := &bareMove{}
	return []workload{
		{"consume", func(p *plant, n int) {
			part.Store(p.assembly(p.name("WO"), "1"))
			p.count("IT", "", "1000000")
			for i := range n {
				p.apply(&manufacturingv1.ProductionOrderReleased{
					OrderId: p.numbered("WO", i), ItemId: p.name("FIN"), Quantity: pieces("1"), BillOfMaterialsId: p.name("BOM"),
				})
			}
		}, func(p *plant, i int) proto.Message { return p.consumed(p.numbered("WO", i), p.name("IT"), "3") }, func(p *plant, i int) error {
			move := p.one("stock.move", where("raw_material_production_id.x_mesh_order", p.numbered("WO", i), "product_id", part.Load()), "id")
			return p.client.Write(p.t.Context(), "stock.move", []int64{id(move["id"])}, map[string]any{"quantity": 3, "picked": true})
		}},
		{"hold", func(p *plant, n int) {
			for i := range n { // each hold is about an item of its own
				p.apply(&manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.numbered("IT", i), Quantity: pieces("10")})
			}
			p.count("IT", "", "10")
			p.apply(p.held("IT", p.name("IT"))) // makes the location
			places.between(p, "internal", p.place("usage", "internal", "name", "Stock"), p.place("usage", "internal", "name", "Quarantine"))
		}, func(p *plant, i int) proto.Message { return p.held(p.numbered("H", i), p.numbered("IT", i)) }, func(p *plant, i int) error {
			own := *places
			own.product = p.product(p.numbered("IT", i))
			return own.make(p, i)
		}},
		{"downtime", func(p *plant, n int) {
			for i := range n { // one downtime at a time is open at a work center
				p.apply(&manufacturingv1.WorkCenterChanged{WorkCenterId: p.numbered("LATHE", i), Name: "Lathe"})
			}
			loss.Store(id(p.one("mrp.workcenter.productivity.loss", where("loss_type", "availability", "name", "Equipment Failure"), "id")["id"]))
		}, func(p *plant, i int) proto.Message {
			return &manufacturingv1.DowntimeStarted{DowntimeId: p.numbered("D", i), WorkCenterId: p.numbered("LATHE", i), StartTime: at(8, 0)}
		}, func(p *plant, i int) error {
			center.Store(id(p.one("mrp.workcenter", where("code", p.numbered("LATHE", i)), "id")["id"]))
			_, err := p.client.Create(p.t.Context(), "mrp.workcenter.productivity", map[string]any{
				"workcenter_id": center.Load(), "loss_id": loss.Load(), "date_start": "2026-01-05 08:00:00",
			})
			return err
		}},
	}
}

func (p *plant) held(hold, item string) *manufacturingv1.QualityHoldPlaced {
	return &manufacturingv1.QualityHoldPlaced{HoldId: p.name(hold), ItemId: item, Quantity: pieces("1"), ReasonCode: "dents"}
}

// place is the first location that matches, archived or not.
func (p *plant) place(pairs ...any) int64 {
	p.t.Helper()
	found := p.read("stock.location", append(where(pairs...), []any{"active", "in", []bool{true, false}}), "id")
	if len(found) == 0 {
		p.t.Fatalf("no location %v", pairs)
	}
	return id(found[0]["id"])
}

// bareMove moves a piece of an item from one location to another, as a person does: a transfer that is confirmed and validated.
type bareMove struct{ kind, product, from, to int64 }

func (m *bareMove) between(p *plant, kind string, from, to int64) {
	p.t.Helper()
	m.kind = id(p.archived("stock.picking.type", where("code", kind, "sequence_code", map[string]string{"internal": "INT", "outgoing": "OUT"}[kind], "warehouse_id.code", "WH"), "id")["id"])
	m.product, m.from, m.to = p.product(p.name("IT")), from, to
}

func (m *bareMove) make(p *plant, i int) error {
	pickings, err := p.client.Create(p.t.Context(), "stock.picking", map[string]any{
		"picking_type_id": m.kind, "location_id": m.from, "location_dest_id": m.to, "origin": p.numbered("T", i),
		"move_ids": []any{[]any{0, 0, map[string]any{"product_id": m.product, "product_uom_qty": 1, "location_id": m.from, "location_dest_id": m.to}}},
	})
	if err != nil {
		return err
	}
	if err := p.call("stock.picking", "action_confirm", pickings, nil); err != nil {
		return err
	}
	if err := p.call("stock.picking", "action_assign", pickings, nil); err != nil {
		return err
	}
	return p.call("stock.picking", "button_validate", pickings, map[string]any{"skip_backorder": true})
}
