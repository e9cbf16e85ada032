package killrun_test

import (
	"fmt"
	"time"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// Items that are bought, sold, and carried between the plants.
const (
	goods, lotGoods   = "GOODS", "LGOODS"
	bought, lotBought = "BUY", "LBUY"
	held              = "HLD"
)

// sale is a sales order that somebody entered in Odoo.
type sale struct {
	ref      string
	site     plantmesh.SiteID
	quantity int64
}

func (m *model) material(item, lot string, n int64) *manufacturingv1.ShippedMaterial {
	material := &manufacturingv1.ShippedMaterial{ItemId: m.name(item), Quantity: pieces(n)}
	if lot != "" {
		material.LotId = m.name(lot)
	}
	return material
}

// ship moves all that a document lists.
func (m *model) ship(materials []*manufacturingv1.ShippedMaterial, from, to place) {
	for _, s := range materials {
		n, err := hundredths(s.GetQuantity().GetValue())
		if err != nil {
			panic(err) // the model wrote it
		}
		m.move(s.GetItemId(), s.GetLotId(), from, to, n)
	}
}

// transfer leaves one plant and arrives at the other, at once or in two parts, not always whole. Both plants tell their part.
func (m *model) transfer(from plantmesh.SiteID) (t thread) {
	id, to := m.next("T"), other(from)
	first, second := m.between(1, 900), m.between(1, 900)
	out := []*manufacturingv1.ShippedMaterial{m.material(goods, "", first+second), m.material(lotGoods, "L1", 3*one)}
	t.tell(from, &manufacturingv1.TransferDispatched{TransferId: id, FromSiteId: string(from), ToSiteId: string(to), Materials: out})
	m.ship(out, stock(from), transit)
	m.want.add(tableDocuments, id, one)
	receive := func(partial bool, in ...*manufacturingv1.ShippedMaterial) {
		t.tell(to, &manufacturingv1.TransferReceived{TransferId: id, FromSiteId: string(from), ToSiteId: string(to), Materials: in, Partial: partial})
		m.ship(in, transit, stock(to))
		m.want.add(tableDocuments, id, one)
	}
	receive(true, m.material(goods, "", first))
	if m.often(70) {
		receive(false, m.material(goods, "", second), m.material(lotGoods, "L1", m.between(1, 3)*one))
	}
	return t
}

func (m *model) confirmed(site plantmesh.SiteID, demand string, partial bool, materials ...*manufacturingv1.ShippedMaterial) *manufacturingv1.ShipmentConfirmed {
	id := m.next("S")
	m.ship(materials, stock(site), customers)
	m.want.add(tableDocuments, id, one)
	return &manufacturingv1.ShipmentConfirmed{ShipmentId: id, DemandId: demand, CustomerId: m.name("CU"), Materials: materials, Partial: partial}
}

func (m *model) shipment(site plantmesh.SiteID) (t thread) {
	t.tell(site, m.confirmed(site, "", false, m.material(goods, "", m.between(1, 700)), m.material(lotGoods, "L2", m.between(1, 4)*one)))
	return t
}

// sale is delivered in parts; the last one may end it short.
func (m *model) sale(site plantmesh.SiteID) (t thread) {
	s := sale{ref: m.next("SO"), site: site, quantity: m.between(20, 60) * one}
	m.sales = append(m.sales, s)
	parts := m.between(1, 3)
	for i := range parts {
		n := m.between(1, 6) * one
		t.tell(site, m.confirmed(site, s.ref, i+1 < parts || m.often(50), m.material(goods, "", n)))
		m.want.add(tableDelivered, s.ref, n)
	}
	return t
}

func (m *model) purchase(site plantmesh.SiteID) (t thread) {
	id := m.next("PO")
	lines := []struct {
		line, item, lot string
		ordered         int64
		unit            func(int64) *manufacturingv1.Quantity
	}{{"1", lotBought, id, m.between(1000, 5000), kilograms}, {"2", bought, "", m.between(10, 90) * one, pieces}}
	issued := &manufacturingv1.PurchaseOrderIssued{
		PurchaseOrderId: id, SupplierId: m.name("SU"), State: manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_ISSUED, SiteId: string(site),
	}
	for _, l := range lines {
		issued.Lines = append(issued.Lines, &manufacturingv1.PurchaseOrderLine{LineId: l.line, ItemId: m.name(l.item), Quantity: l.unit(l.ordered), UnitPrice: m.money(250)})
		m.want.add(tablePurchased, fmt.Sprintf("%s, %s, ordered", id, l.line), l.ordered)
	}
	t.tell(site, issued)
	for part := range m.between(1, 3) {
		received := &manufacturingv1.GoodsReceived{ReceiptId: m.next("R"), PurchaseOrderId: id, Partial: true}
		for i, l := range lines {
			if i == 1 && part == 1 {
				continue
			}
			n := m.between(1, 3) * one
			received.Materials = append(received.Materials, &manufacturingv1.ReceivedMaterial{LineId: l.line, ItemId: m.name(l.item), LotId: l.lot, Quantity: l.unit(n)})
			m.move(m.name(l.item), l.lot, suppliers, stock(site), n)
			m.want.add(tablePurchased, fmt.Sprintf("%s, %s, received", id, l.line), n)
		}
		t.tell(site, received)
		m.want.add(tableDocuments, received.GetReceiptId(), one)
	}
	return t
}

// counting is counts and adjustments of an item that nothing else touches, so that their order is all that matters.
func (m *model) counting(site plantmesh.SiteID) (t thread) {
	item, lot, at, has := m.next("CNT"), "", stock(site), int64(0)
	if m.often(50) {
		lot = m.next("L")
	}
	location := ""
	if m.often(50) {
		location, at = shelfName, place{site, shelfName}
	}
	for i := range m.between(2, 6) {
		n := m.between(1, 9000)
		if i == 0 || m.often(40) {
			t.tell(site, &manufacturingv1.StockCounted{CountId: m.next("C"), ItemId: item, LotId: lot, LocationId: location, Quantity: pieces(n)})
			if n > has {
				m.move(item, lot, inventory, at, n-has)
			} else {
				m.move(item, lot, at, inventory, has-n)
			}
			has = n
			continue
		}
		adjusted := &manufacturingv1.StockAdjusted{AdjustmentId: m.next("A"), ItemId: item, LotId: lot, LocationId: location, Quantity: pieces(n), ReasonCode: "FOUND"}
		if m.often(50) {
			adjusted.Direction = manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_INCREASE
			m.move(item, lot, inventory, at, n)
			has += n
		} else {
			adjusted.Direction = manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_DECREASE
			m.move(item, lot, at, inventory, n)
			has -= n
		}
		t.tell(site, adjusted)
	}
	return t
}

// partHeld is a hold of some of a lot, and its release, at once or in steps.
func (m *model) partHeld(site plantmesh.SiteID) (t thread) {
	hold := &manufacturingv1.QualityHoldPlaced{HoldId: m.next("H"), ItemId: m.name(held), LotId: m.name("L-" + string(site)), ReasonCode: "CRACK"}
	n, back := m.between(200, 2000), m.between(1, 199)
	hold.Quantity = pieces(n)
	t.tell(site, hold)
	release := func(some *manufacturingv1.Quantity) {
		t.tell(site, &manufacturingv1.QualityHoldReleased{HoldId: hold.GetHoldId(), ItemId: hold.GetItemId(), LotId: hold.GetLotId(), Quantity: some})
	}
	if m.often(60) {
		release(pieces(back))
		n -= back
		if m.often(50) {
			release(nil) // all that is left
			n = 0
		}
	}
	m.move(hold.GetItemId(), hold.GetLotId(), stock(site), quarantine(site), n)
	m.want.add(tableHolds, hold.GetHoldId(), n)
	return t
}

// scrap belongs to no order.
func (m *model) scrap(site plantmesh.SiteID) (t thread) {
	n := m.between(1, 200)
	t.tell(site, &manufacturingv1.ScrapReported{ItemId: m.name(goods), Quantity: pieces(n)})
	m.move(m.name(goods), "", stock(site), inventory, n)
	return t
}

// accounts of postings, and their journal, are somebody's in Odoo.
func (m *model) account(n int) string { return fmt.Sprintf("7%s%d", m.tag, n) }

func (m *model) posting(site plantmesh.SiteID) (t thread) {
	id, sum := m.next("P"), int64(0)
	posting := &manufacturingv1.PostingPrepared{PostingId: id, JournalId: journalOf(m.tag), PostingDate: m.today.Format(time.DateOnly), Reference: id}
	line := func(account string, side manufacturingv1.PostingSide, name string, n int64) {
		posting.Lines = append(posting.Lines, &manufacturingv1.PostingLine{AccountId: account, Side: side, Amount: m.money(n)})
		m.want.add(tableAccounts, account+", "+name, n)
	}
	for range m.between(1, 3) {
		n := m.between(1, 1_000_000)
		sum += n
		line(m.account(m.IntN(2)), manufacturingv1.PostingSide_POSTING_SIDE_DEBIT, "debit", n)
	}
	line(m.account(2), manufacturingv1.PostingSide_POSTING_SIDE_CREDIT, "credit", sum)
	t.tell(site, posting)
	m.want.add(tablePostings, id, one)
	return t
}
