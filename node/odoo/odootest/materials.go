package odootest

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// assembly makes an item of three components a piece, of which there are 100 in stock, releases an order for it, and returns the component.
func (p *plant) assembly(order, quantity string) (component int64) {
	p.t.Helper()
	p.complete(p.name("WO-C"), "100", false)
	component = p.product(p.name("IT"))
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: p.name("WO-0"), ItemId: p.name("FIN"), Quantity: pieces("1")})
	final := p.one("product.product", where("default_code", p.name("FIN")), "product_tmpl_id")
	_, err := p.client.Create(p.t.Context(), "mrp.bom", map[string]any{
		"code": p.name("BOM"), "product_tmpl_id": ref(final["product_tmpl_id"]), "product_qty": 1,
		"bom_line_ids": []any{[]any{0, 0, map[string]any{"product_id": component, "product_qty": 3}}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("FIN"), Quantity: pieces(quantity), BillOfMaterialsId: p.name("BOM")})
	return component
}

func (p *plant) consumed(order, item, quantity string) *manufacturingv1.MaterialConsumed {
	return &manufacturingv1.MaterialConsumed{OrderId: order, ItemId: item, Quantity: pieces(quantity)}
}

func (p *plant) assembled(order, quantity string, partial bool) {
	p.t.Helper()
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: order, ItemId: p.name("FIN"), Quantity: pieces(quantity), Partial: partial})
}

// refused handles an event that Odoo has to refuse with these words.
func (p *plant) refused(payload proto.Message, words string) {
	p.t.Helper()
	parked(p.t, p.applier.Handle(p.t.Context(), p.record(payload)), words)
}

func consumptionIsWhatWasReported(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	component := p.assembly(order, "2")
	p.apply(p.consumed(order, p.name("IT"), "3"))
	p.apply(p.consumed(order, p.name("IT"), "4")) // one more than the bill of materials says
	p.inStock(component, "Stock", "100")          // Odoo posts it with the order
	p.assembled(order, "2", false)
	p.inStock(component, "Stock", "93")
	expect(t, p.order(order), map[string]string{"state": "done", "qty_produced": "2"})
}

func consumptionOfAPartThenTheBill(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	component := p.assembly(order, "4")
	p.apply(p.consumed(order, p.name("IT"), "7"))
	p.assembled(order, "2", true)
	p.inStock(component, "Stock", "93")
	p.assembled(order, "2", false) // nothing was reported for this part: the bill of materials counts
	p.inStock(component, "Stock", "87")
}

func consumptionBesideTheBill(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	component := p.assembly(order, "2")
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: p.name("WO-G"), ItemId: p.name("GLUE"), Quantity: in("KGM", "5")})
	p.apply(&manufacturingv1.MaterialConsumed{OrderId: order, ItemId: p.name("GLUE"), Quantity: in("GRM", "250")})
	p.assembled(order, "2", false)
	p.inStock(component, "Stock", "94")
	p.inStock(p.product(p.name("GLUE")), "Stock", "4.75")
}

func consumptionOfLots(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: p.name("WO-S"), ItemId: p.name("STEEL"), Quantity: pieces("10"), LotId: p.name("L1")})
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("IT"), Quantity: pieces("1")})
	consumed := p.consumed(order, p.name("STEEL"), "4")
	p.refused(consumed, "tracked by lot in Odoo, and the event names none")
	consumed.LotId = p.name("L1")
	p.apply(consumed)
	p.complete(order, "1", false)
	steel := p.product(p.name("STEEL"))
	p.inStock(steel, "Stock", "6")
	if lots := p.read("stock.lot", where("product_id", steel), "name"); len(lots) != 1 {
		t.Errorf("lots %v", lots)
	}
}

func consumptionAfterTheEnd(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	component := p.assembly(order, "2")
	p.assembled(order, "2", false)
	p.inStock(component, "Stock", "94")
	d := p.apply(p.consumed(order, p.name("IT"), "1.5"))
	p.inStock(component, "Stock", "92.5")
	expect(t, p.one(odoo.ModelApplied, where("x_event", odoo.EventKey("//plant-a/mes", d.Event.GetEvent().GetId())), "x_note"), map[string]string{"x_note": "the order was done already"})
	p.refused(p.consumed(p.name("NONE"), p.name("IT"), "1"), "is not in Odoo: release it at its source")
}

func closingCancelsWhatIsOpen(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.release(order, "10")
	p.complete(order, "4", true)
	closed := &manufacturingv1.ProductionOrderClosed{OrderId: order, Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED}
	p.apply(closed)
	parts := p.parts(order)
	if len(parts) != 2 {
		t.Fatalf("%d parts, want 2", len(parts))
	}
	expect(t, parts[0], map[string]string{"state": "done", "qty_produced": "4"})
	expect(t, parts[1], map[string]string{"state": "cancel"})
	p.inStock(p.product(p.name("IT")), "Stock", "4")
	p.apply(closed) // says nothing new
	p.refused(&manufacturingv1.ProductionOrderClosed{OrderId: p.name("NONE"), Reason: manufacturingv1.CloseReason_CLOSE_REASON_CANCELLED}, "is not in Odoo")
}

func closingKeepsWhatWasUsed(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	component := p.assembly(order, "2")
	p.apply(p.consumed(order, p.name("IT"), "5"))
	p.apply(&manufacturingv1.ProductionOrderClosed{OrderId: order, Reason: manufacturingv1.CloseReason_CLOSE_REASON_CANCELLED, Comment: "tool broke"})
	p.inStock(component, "Stock", "95")
	if state := p.order(order)["state"]; state != "done" && state != "cancel" {
		t.Errorf("the order is %v", state)
	}
}

func reservationForAnOrder(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	component := p.assembly(order, "2")
	reserve := func(quantity string) *manufacturingv1.StockReserved {
		return &manufacturingv1.StockReserved{ReservationId: p.name("R"), OrderId: order, ItemId: p.name("IT"), Quantity: pieces(quantity)}
	}
	reserved := func(want string) {
		t.Helper()
		expect(t, p.one("stock.quant", where("product_id", component, "location_id.usage", "internal"), "reserved_quantity", "quantity"),
			map[string]string{"reserved_quantity": want, "quantity": "100"})
	}
	p.apply(reserve("6"))
	reserved("6")
	p.apply(reserve("2.5"))
	reserved("2.5")
	p.refused(reserve("101"), "Only 100")
	reserved("2.5")
	p.apply(reserve("0"))
	reserved("0")
	p.apply(reserve("6"))
	p.assembled(order, "2", false)
	p.inStock(component, "Stock", "94")
	p.refused(reserve("1"), "is not open in Odoo")
}
