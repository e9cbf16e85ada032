package odootest

import (
	"testing"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// count sets the main stock of an item and lot.
func (p *plant) count(item, lot, quantity string) {
	p.t.Helper()
	p.apply(&manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.name(item), LotId: lot, Quantity: pieces(quantity)})
}

func (p *plant) material(item, lot, quantity string) *manufacturingv1.ShippedMaterial {
	return &manufacturingv1.ShippedMaterial{ItemId: p.name(item), LotId: lot, Quantity: pieces(quantity)}
}

// customer makes one, and returns its record.
func (p *plant) customer() int64 {
	p.t.Helper()
	p.apply(&manufacturingv1.CustomerChanged{CustomerId: p.name("CU"), Name: "Mill " + p.tag})
	return id(p.one("res.partner", where("x_mesh_customer", p.name("CU")), "id")["id"])
}

func (p *plant) shipment(shipment, demand, quantity string, partial bool) *manufacturingv1.ShipmentConfirmed {
	return &manufacturingv1.ShipmentConfirmed{
		ShipmentId: p.name(shipment), DemandId: demand, CustomerId: p.name("CU"), Partial: partial, Materials: []*manufacturingv1.ShippedMaterial{p.material("IT", "", quantity)},
	}
}

func shipmentsServeSalesOrders(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.count("IT", "", "20")
	customer, product := p.customer(), p.product(p.name("IT"))
	cancelled, err := p.client.Create(t.Context(), "sale.order", map[string]any{"partner_id": customer, "client_order_ref": p.name("PO"), "state": "cancel"})
	if err != nil {
		t.Fatal(err)
	}
	orders, err := p.client.Create(t.Context(), "sale.order", map[string]any{
		"partner_id": customer, "client_order_ref": p.name("PO"), "order_line": []any{[]any{0, 0, map[string]any{"product_id": product, "product_uom_qty": 10}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.apply(p.shipment("S1", p.name("PO"), "4", true))
	p.inStock(product, "Stock", "16")
	order := p.one("sale.order", where("id", orders[0]), "name", "state")
	expect(t, order, map[string]string{"state": "sale"})
	pickings := func(states ...string) int {
		t.Helper()
		return len(p.read("stock.picking", []any{[]any{"origin", "=", order["name"]}, []any{"state", "in", states}}, "id"))
	}
	if done, open := pickings("done"), pickings("assigned", "confirmed", "waiting"); done != 1 || open != 1 {
		t.Errorf("%d deliveries done, %d open, want one each", done, open)
	}
	p.apply(p.shipment("S2", p.name("PO"), "5", false)) // one is not coming any more
	p.inStock(product, "Stock", "11")
	if done, open := pickings("done"), pickings("assigned", "confirmed", "waiting"); done != 2 || open != 0 {
		t.Errorf("%d deliveries done, %d open, want two and none", done, open)
	}
	p.apply(p.shipment("S3", p.name("PO"), "2", false)) // beyond the order, but gone
	p.inStock(product, "Stock", "9")
	expect(t, p.one("sale.order", where("id", cancelled[0]), "state"), map[string]string{"state": "cancel"})
	lines := p.read("sale.order.line", where("order_id", orders[0]), "qty_delivered")
	if len(lines) != 1 {
		t.Fatalf("lines %v", lines)
	}
	expect(t, lines[0], map[string]string{"qty_delivered": "11"})
}

func shipmentsWithoutAnOrder(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.count("IT", "", "5")
	p.refused(p.shipment("S", "", "3", false), "publish it as master data")
	p.customer()
	p.apply(p.shipment("S", "", "3", false))
	p.inStock(p.product(p.name("IT")), "Stock", "2")
	expect(t, p.one("stock.picking", where("x_mesh_shipment", p.name("S")), "state", "origin"), map[string]string{"state": "done", "origin": p.name("S")})
}

func (p *plant) purchase(state manufacturingv1.PurchaseOrderState, lines ...*manufacturingv1.PurchaseOrderLine) *manufacturingv1.PurchaseOrderIssued {
	return &manufacturingv1.PurchaseOrderIssued{PurchaseOrderId: p.name("PO"), SupplierId: p.name("SU"), State: state, Lines: lines}
}

func (p *plant) received(receipt string, materials ...*manufacturingv1.ReceivedMaterial) *manufacturingv1.GoodsReceived {
	return &manufacturingv1.GoodsReceived{ReceiptId: p.name(receipt), PurchaseOrderId: p.name("PO"), Materials: materials}
}

func purchaseOrdersAreReceived(t *testing.T, target Target) {
	const issued, cancelled = manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_ISSUED, manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_CANCELLED
	p := newPlant(t, target)
	steel := p.item("STEEL")
	steel.Unit, steel.Tracking = "KGM", manufacturingv1.Tracking_TRACKING_LOT
	p.apply(steel)
	p.apply(p.item("BOLT"))
	line := func(line, item string, quantity *manufacturingv1.Quantity) *manufacturingv1.PurchaseOrderLine {
		return &manufacturingv1.PurchaseOrderLine{LineId: line, ItemId: p.name(item), Quantity: quantity, UnitPrice: p.money("2.5"), DueTime: at(12, 0)}
	}
	arrived := func(line, item, lot string, quantity *manufacturingv1.Quantity) *manufacturingv1.ReceivedMaterial {
		return &manufacturingv1.ReceivedMaterial{LineId: line, ItemId: p.name(item), LotId: lot, Quantity: quantity}
	}
	bolts := p.received("R1", arrived("2", "BOLT", "", pieces("60")))
	p.refused(bolts, "not confirmed: publish it")
	order := p.purchase(issued, line("1", "STEEL", in("KGM", "10")), line("2", "BOLT", pieces("100")))
	p.refused(order, "Supplier "+p.name("SU")+" is not in Odoo")
	p.apply(&manufacturingv1.SupplierChanged{SupplierId: p.name("SU"), Name: "Steel " + p.tag})
	p.apply(order)
	read := func() map[string]any {
		t.Helper()
		return p.one("purchase.order", where("x_mesh_purchase", p.name("PO")), "state", "amount_untaxed", "order_line")
	}
	expect(t, read(), map[string]string{"state": "purchase", "amount_untaxed": "275"})
	order.Lines[1].Quantity = pieces("80")
	p.apply(order)
	expect(t, read(), map[string]string{"amount_untaxed": "225"})

	bolts.Partial = true
	p.refused(p.received("R0", arrived("1", "BOLT", "", pieces("60"))), "correct it at its source")
	p.apply(bolts)
	p.inStock(p.product(p.name("BOLT")), "Stock", "60")
	p.refused(p.received("R2", arrived("1", "STEEL", "", in("GRM", "2500"))), "tracked by lot in Odoo, and the event names none")
	rest := p.received("R2", arrived("1", "STEEL", p.name("L1"), in("GRM", "2500")), arrived("2", "BOLT", "", pieces("20")))
	p.apply(rest)
	p.inStock(p.product(p.name("STEEL")), "Stock", "2.5")
	p.inStock(p.product(p.name("BOLT")), "Stock", "80")
	receipts := func(states ...string) int {
		t.Helper()
		order := p.one("purchase.order", where("x_mesh_purchase", p.name("PO")), "name")
		return len(p.read("stock.picking", []any{[]any{"origin", "=", order["name"]}, []any{"state", "in", states}}, "id"))
	}
	if done, open := receipts("done"), receipts("assigned", "confirmed", "waiting"); done != 2 || open != 0 {
		t.Errorf("%d receipts done, %d open, want two and none", done, open)
	}
	for item, want := range map[string]string{"STEEL": "2.5", "BOLT": "80"} {
		expect(t, p.one("purchase.order.line", where("product_id", p.product(p.name(item))), "qty_received"), map[string]string{"qty_received": want})
	}
	other := p.purchase(issued, line("1", "BOLT", pieces("5")))
	other.PurchaseOrderId = p.name("PO-2")
	p.apply(other)
	other.State = cancelled
	p.apply(other)
	expect(t, p.one("purchase.order", where("x_mesh_purchase", p.name("PO-2")), "state"), map[string]string{"state": "cancel"})
	other.State = issued
	p.refused(other, "is cancelled in Odoo")
}

func goodsWithoutAnOrder(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.apply(&manufacturingv1.SupplierChanged{SupplierId: p.name("SU"), Name: "Steel " + p.tag})
	p.apply(&manufacturingv1.GoodsReceived{ReceiptId: p.name("R"), SupplierId: p.name("SU"), LocationId: p.name("DOCK"), Materials: []*manufacturingv1.ReceivedMaterial{
		{ItemId: p.name("SER"), Quantity: pieces("2"), SerialIds: []string{p.name("S1"), p.name("S2")}},
	}})
	p.inStock(p.product(p.name("SER")), p.name("DOCK"), "2")
	expect(t, p.one("stock.picking", where("x_mesh_receipt", p.name("R")), "state"), map[string]string{"state": "done"})
}
