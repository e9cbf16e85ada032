package odootest

import (
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// tradeWorkloads are what comes and goes, and master data.
func tradeWorkloads() []workload {
	var supplier, product, unit atomic.Int64
	out, sent := &bareMove{}, &bareMove{}
	buying := func(p *plant, _ int) {
		p.apply(p.item("BOLT"))
		p.apply(&manufacturingv1.SupplierChanged{SupplierId: p.name("SU"), Name: "Steel " + p.tag})
		supplier.Store(id(p.one("res.partner", where("x_mesh_supplier", p.name("SU")), "id")["id"]))
		product.Store(p.product(p.name("BOLT")))
	}
	bought := func(p *plant, i int) *manufacturingv1.PurchaseOrderIssued {
		order := p.purchase(manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_ISSUED, &manufacturingv1.PurchaseOrderLine{
			LineId: "1", ItemId: p.name("BOLT"), Quantity: pieces("100"), UnitPrice: &manufacturingv1.Money{Amount: "2.5", Currency: "USD"}, DueTime: at(12, 0),
		})
		order.PurchaseOrderId = p.numbered("PO", i)
		return order
	}
	return []workload{
		{"transfer", func(p *plant, _ int) {
			p.otherWarehouse()
			p.count("IT", "", "1000000")
			sent.between(p, "outgoing", p.place("complete_name", "WH/Stock"), p.place("usage", "transit"))
		}, func(p *plant, i int) proto.Message {
			return &manufacturingv1.TransferDispatched{
				TransferId: p.numbered("T", i), FromSiteId: "plant-a", ToSiteId: "plant-b", Materials: []*manufacturingv1.ShippedMaterial{p.material("IT", "", "1")},
			}
		}, sent.make},
		{"shipment", func(p *plant, _ int) {
			p.customer()
			p.count("IT", "", "1000000")
			out.between(p, "outgoing", p.place("complete_name", "WH/Stock"), p.place("usage", "customer"))
		}, func(p *plant, i int) proto.Message {
			s := p.shipment("S", "", "1", false)
			s.ShipmentId = p.numbered("S", i)
			return s
		}, out.make},
		{"purchase", buying, func(p *plant, i int) proto.Message { return bought(p, i) }, func(p *plant, i int) error {
			ids, err := p.client.Create(p.t.Context(), "purchase.order", map[string]any{
				"partner_id": supplier.Load(), "partner_ref": p.numbered("PO", i), "order_line": []any{[]any{0, 0, map[string]any{
					"product_id": product.Load(), "product_qty": 100, "price_unit": 2.5, "date_planned": "2026-01-05 12:00:00",
				}}},
			})
			if err != nil {
				return err
			}
			return p.call("purchase.order", "button_confirm", ids, nil)
		}},
		{"receipt", func(p *plant, n int) {
			buying(p, n)
			for i := range n {
				p.apply(bought(p, i))
			}
		}, func(p *plant, i int) proto.Message {
			return &manufacturingv1.GoodsReceived{ReceiptId: p.numbered("R", i), PurchaseOrderId: p.numbered("PO", i), Materials: []*manufacturingv1.ReceivedMaterial{
				{LineId: "1", ItemId: p.name("BOLT"), Quantity: pieces("100")},
			}}
		}, func(p *plant, i int) error {
			picking := p.one("stock.picking", where("purchase_id.x_mesh_purchase", p.numbered("PO", i), "state", "assigned"), "id")
			return p.call("stock.picking", "button_validate", []int64{id(picking["id"])}, map[string]any{"skip_backorder": true})
		}},
		{"item", func(p *plant, _ int) {
			p.apply(p.item("IT"))
			unit.Store(ref(p.one("product.product", where("default_code", p.name("IT")), "uom_id")["uom_id"]))
		}, func(p *plant, i int) proto.Message {
			changed := p.item("IT")
			changed.ItemId = p.numbered("IT", i)
			return changed
		}, func(p *plant, i int) error {
			_, err := p.client.Create(p.t.Context(), "product.product", map[string]any{
				"default_code": p.numbered("IT", i), "name": "Item " + p.numbered("IT", i), "type": "consu", "is_storable": true, "uom_id": unit.Load(),
			})
			return err
		}},
		{"customer", func(*plant, int) {}, func(p *plant, i int) proto.Message {
			return &manufacturingv1.CustomerChanged{CustomerId: p.numbered("CU", i), Name: "Mill " + p.numbered("CU", i)}
		}, func(p *plant, i int) error {
			_, err := p.client.Create(p.t.Context(), "res.partner", map[string]any{
				"ref": p.numbered("CU", i), "name": "Mill " + p.numbered("CU", i), "is_company": true, "customer_rank": 1,
			})
			return err
		}},
	}
}
