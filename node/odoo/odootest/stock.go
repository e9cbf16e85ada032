package odootest

import (
	"testing"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// stockUp makes some of a lot, or of no lot, and returns the product.
func (p *plant) stockUp(lot, quantity string) int64 {
	p.t.Helper()
	p.apply(&manufacturingv1.ProductionCompleted{OrderId: p.name("WO-stock"), ItemId: p.name("IT"), Quantity: pieces(quantity), LotId: lot, Partial: true})
	return p.product(p.name("IT"))
}

func scrapIsWrittenOff(t *testing.T, target Target) {
	p := newPlant(t, target)
	product := p.stockUp("", "5")
	p.apply(&manufacturingv1.ScrapReported{ItemId: p.name("IT"), Quantity: pieces("2")})
	p.inStock(product, "Stock", "3")
	p.apply(&manufacturingv1.ScrapReported{ItemId: p.name("IT"), Quantity: pieces("4")})
	p.inStock(product, "Stock", "-1")
	scraps := p.read("stock.scrap", where("product_id", product), "state", "scrap_qty")
	if len(scraps) != 2 {
		t.Fatalf("%d scraps, want 2", len(scraps))
	}
	expect(t, scraps[0], map[string]string{"state": "done", "scrap_qty": "2"})
	expect(t, scraps[1], map[string]string{"state": "done", "scrap_qty": "4"})
}

func scrapOfLot(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("IT"), Quantity: pieces("10"), LotId: p.name("LOT")})
	p.apply(&manufacturingv1.ScrapReported{OrderId: order, ItemId: p.name("IT"), Quantity: pieces("1"), LotId: p.name("LOT"), ReasonCode: p.name("DENT")})
	scrap := p.one("stock.scrap", where("origin", order), "state", "lot_id", "production_id", "scrap_reason_tag_ids")
	expect(t, scrap, map[string]string{"state": "done"})
	tag := p.one("stock.scrap.reason.tag", where("name", p.name("DENT")), "id")
	tags, _ := scrap["scrap_reason_tag_ids"].([]any)
	if name(scrap["lot_id"]) != p.name("LOT") || ref(scrap["production_id"]) != id(p.order(order)["id"]) || len(tags) != 1 || id(tags[0]) != id(tag["id"]) {
		t.Errorf("scrap %v, want lot, order and reason", scrap)
	}
	err := p.applier.Handle(t.Context(), p.record(&manufacturingv1.ScrapReported{ItemId: p.name("IT"), Quantity: pieces("1")}))
	parked(t, err, "tracked by lot in Odoo, and the event names none")
}

func (p *plant) hold(hold, lot string) *manufacturingv1.QualityHoldPlaced {
	return &manufacturingv1.QualityHoldPlaced{HoldId: p.name(hold), ItemId: p.name("IT"), LotId: lot, ReasonCode: "CRACK"}
}

func (p *plant) unhold(hold, lot string) *manufacturingv1.QualityHoldReleased {
	return &manufacturingv1.QualityHoldReleased{HoldId: p.name(hold), ItemId: p.name("IT"), LotId: lot}
}

func holdAndRelease(t *testing.T, target Target) {
	p := newPlant(t, target)
	lot := p.name("LOT")
	product := p.stockUp(lot, "8")
	p.apply(p.hold("H", lot))
	p.inStock(product, "Stock", "0")
	p.inStock(product, odoo.DefaultQuarantine, "8")
	expect(t, p.one(odoo.ModelHold, where("x_hold", p.name("H")), "x_open", "x_quantity", "x_lot", "x_reason"),
		map[string]string{"x_open": "true", "x_quantity": "8", "x_lot": lot, "x_reason": "CRACK"})
	parked(t, p.applier.Handle(t.Context(), p.record(p.hold("H", lot))), "is in place already")
	p.apply(p.unhold("H", lot))
	p.inStock(product, "Stock", "8")
	p.inStock(product, odoo.DefaultQuarantine, "0")
	expect(t, p.one(odoo.ModelHold, where("x_hold", p.name("H")), "x_open"), map[string]string{"x_open": "false"})
}

func holdOfPart(t *testing.T, target Target) {
	p := newPlant(t, target)
	product := p.stockUp("", "8")
	hold := p.hold("H", "")
	hold.Quantity = pieces("5")
	p.apply(hold)
	p.inStock(product, "Stock", "3")
	release := p.unhold("H", "")
	release.Quantity = pieces("2")
	p.apply(release)
	p.inStock(product, odoo.DefaultQuarantine, "3")
	release = p.unhold("H", "")
	release.Quantity = pieces("4")
	parked(t, p.applier.Handle(t.Context(), p.record(release)), "the release asks for")
	p.apply(p.unhold("H", ""))
	p.inStock(product, "Stock", "8")
	p.inStock(product, odoo.DefaultQuarantine, "0")
}

func holdBeforeCompletion(t *testing.T, target Target) {
	p := newPlant(t, target)
	lot := p.name("LOT")
	p.apply(p.hold("H", lot)) // nothing of it is booked yet
	product := p.stockUp(lot, "6")
	p.inStock(product, "Stock", "0")
	p.inStock(product, odoo.DefaultQuarantine, "6")
	p.apply(p.unhold("H", lot))
	p.inStock(product, "Stock", "6")
	p.stockUp(lot, "1") // the hold is over
	p.inStock(product, "Stock", "7")
}

func releaseOfUnknownHold(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.stockUp("", "1")
	parked(t, p.applier.Handle(t.Context(), p.record(p.unhold("H", ""))), "is not in place in Odoo")
}
