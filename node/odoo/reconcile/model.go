package reconcile

import (
	"github.com/cockroachdb/apd/v3"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// use is material of an order.
type use struct {
	order string
	place
}

// location is a name of a storage location in a warehouse.
type location struct{ warehouse, name string }

// journey is an item and lot of a transfer.
type journey struct{ transfer, item, lot string }

// model is what the events say.
type model struct {
	*comparison
	stock  map[place]*account
	used   map[use]*apd.Decimal // reported
	orders map[string]*order
	away   map[journey]*apd.Decimal
	moves  map[journey][]entry
	known  map[string]bool // transfers of which an event of a plant told
	holds  map[string]*held
	wholes map[place]*held   // those that take in what is made of a lot
	mains  map[location]bool // the names of warehouses' main stocks

	masters map[thing]word
	costs   map[string]price // of items

	corrected  map[place]int  // how often a correction was approved
	correcting map[place]bool // one is approved, and waits
}

// held is material in quarantine.
type held struct {
	at       place
	quantity *apd.Decimal
	all      bool
}

// quarantine is the location of held material in a model; no name of a location is like it.
const quarantine = "\x00quarantine"

// project works out what the events say, one after the other.
func (c *comparison) project(h *history) *model {
	m := &model{
		comparison: c, stock: map[place]*account{}, used: map[use]*apd.Decimal{}, orders: map[string]*order{}, away: map[journey]*apd.Decimal{},
		moves: map[journey][]entry{}, known: map[string]bool{}, holds: map[string]*held{}, wholes: map[place]*held{}, mains: map[location]bool{},
		masters: map[thing]word{}, costs: map[string]price{},
		corrected: map[place]int{}, correcting: map[place]bool{},
	}
	for _, p := range c.inventory.Places {
		for _, name := range p.Names {
			if p.Main && name != "" {
				m.mains[location{p.Warehouse, name}] = true
			}
		}
	}
	for _, e := range h.entries {
		m.take(e)
	}
	for _, e := range h.unmade {
		m.correcting[m.correct(e)] = true
	}
	return m
}

func (m *model) take(e entry) {
	site := e.site
	switch p := e.payload.(type) {
	case *manufacturingv1.ProductionOrderReleased:
		m.release(e, p)
	case *manufacturingv1.ProductionOrderClosed:
		m.close(e, p)
	case *manufacturingv1.OperationReported:
		m.report(e, p)
	case *manufacturingv1.ProductionCompleted:
		m.complete(e, p)
	case *manufacturingv1.MaterialConsumed:
		if quantity := m.change(e, site, p.GetItemId(), p.GetLotId(), p.GetLocationId(), p.GetQuantity(), out); quantity != nil {
			of := use{p.GetOrderId(), place{m.warehouse(site), p.GetItemId(), p.GetLotId()}}
			m.used[of] = plus(orZero(m.used[of]), quantity)
		}
	case *manufacturingv1.ScrapReported:
		m.change(e, site, p.GetItemId(), p.GetLotId(), p.GetLocationId(), p.GetQuantity(), out)
	case *manufacturingv1.StockAdjusted:
		way := in
		if p.GetDirection() == manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_DECREASE {
			way = out
		}
		m.change(e, site, p.GetItemId(), p.GetLotId(), p.GetLocationId(), p.GetQuantity(), way)
	case *manufacturingv1.StockCounted:
		m.count(e, p)
	case *manufacturingv1.QualityHoldPlaced:
		m.hold(e, p)
	case *manufacturingv1.QualityHoldReleased:
		m.unhold(e, p)
	case *manufacturingv1.CorrectionApproved:
		m.correct(e)
	default:
		m.logistics(e)
		m.define(e)
	}
}

// logistics takes what goes from place to place.
func (m *model) logistics(e entry) {
	switch p := e.payload.(type) {
	case *manufacturingv1.TransferDispatched:
		m.shipped(e, p.GetFromSiteId(), p.GetLocationId(), p.GetMaterials(), out, p.GetTransferId())
	case *manufacturingv1.TransferReceived:
		m.shipped(e, p.GetToSiteId(), p.GetLocationId(), p.GetMaterials(), in, p.GetTransferId())
	case *manufacturingv1.ShipmentConfirmed:
		m.shipped(e, e.site, p.GetLocationId(), p.GetMaterials(), out, "")
	case *manufacturingv1.GoodsReceived:
		for _, material := range p.GetMaterials() {
			m.pieces(e, e.site, p.GetLocationId(), material.GetItemId(), material.GetLotId(), material.GetSerialIds(), material.GetQuantity(), in)
		}
	}
}

func (m *model) shipped(e entry, site, location string, materials []*manufacturingv1.ShippedMaterial, way direction, transfer string) {
	for _, material := range materials {
		moved := m.pieces(e, site, location, material.GetItemId(), material.GetLotId(), material.GetSerialIds(), material.GetQuantity(), way)
		if transfer == "" || e.captured && (way == out || !m.known[transfer]) {
			continue // a person's own, of which Odoo has no name of the mesh
		}
		m.known[transfer] = true
		for lot, quantity := range moved {
			of := journey{transfer, material.GetItemId(), lot}
			if way == in {
				quantity = new(apd.Decimal).Neg(quantity)
			}
			m.away[of] = plus(orZero(m.away[of]), quantity)
			m.moves[of] = append(m.moves[of], e)
		}
	}
}

func orZero(d *apd.Decimal) *apd.Decimal {
	if d == nil {
		return new(apd.Decimal)
	}
	return d
}
