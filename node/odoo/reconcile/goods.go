package reconcile

import (
	"slices"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// direction is which way goods go.
type direction bool

const (
	in  direction = true
	out direction = false
)

// amount is a quantity in the item's unit; nil if Odoo has no such item or unit, and so cannot have the effect.
func (m *model) amount(item string, q *manufacturingv1.Quantity) *apd.Decimal {
	value, _, err := apd.NewFromString(q.GetValue())
	if err != nil || m.measures[item] == nil {
		return nil
	}
	if value, err = m.inventory.Measures.Convert(value, q.GetUnit(), m.measures[item]); err != nil {
		return nil
	}
	return value
}

// account is that of a place, of which an event tells.
func (m *model) account(e entry, at place) *account {
	a := m.stock[at]
	if a == nil {
		a = &account{at: map[string]*apd.Decimal{}}
		m.stock[at] = a
	}
	a.given = a.given || e.discarded
	if a.last = append(a.last, e); len(a.last) > maxEvents {
		a.last = slices.Delete(a.last, 0, 1)
	}
	return a
}

// location is how a model calls a storage location of a site, by the plant's name: as Odoo does; the main stock, by none of its names or any, is "".
func (m *model) location(site, name string) string {
	name = m.Config.LocationOf(site, name)
	if m.mains[location{m.warehouse(site), name}] {
		return ""
	}
	return name
}

// change moves goods into or out of a place, and returns how much in the item's unit.
func (m *model) change(e entry, site, item, lot, location string, q *manufacturingv1.Quantity, way direction) *apd.Decimal {
	quantity := m.amount(item, q)
	if quantity == nil {
		return nil
	}
	m.put(e, place{m.warehouse(site), item, lot}, m.location(site, location), quantity, way)
	return quantity
}

func (m *model) put(e entry, at place, location string, quantity *apd.Decimal, way direction) {
	if way == out {
		quantity = new(apd.Decimal).Neg(quantity)
	}
	m.account(e, at).add(location, quantity)
}

// pieces moves goods of one lot, or one of each serial number, and returns how much of which.
func (m *model) pieces(e entry, site, location, item, lot string, serials []string, q *manufacturingv1.Quantity, way direction) map[string]*apd.Decimal {
	moved := map[string]*apd.Decimal{}
	if len(serials) == 0 {
		if quantity := m.change(e, site, item, lot, location, q, way); quantity != nil {
			moved[lot] = quantity
		}
		return moved
	}
	for _, serial := range serials {
		moved[serial] = apd.New(1, 0)
		m.put(e, place{m.warehouse(site), item, serial}, m.location(site, location), moved[serial], way)
	}
	return moved
}

// count sets what a location has, and notes the last count that was not what the events say.
func (m *model) count(e entry, p *manufacturingv1.StockCounted) {
	counted := m.amount(p.GetItemId(), p.GetQuantity())
	if counted == nil {
		return
	}
	at := place{m.warehouse(e.site), p.GetItemId(), p.GetLotId()}
	a := m.account(e, at)
	location := m.location(e.site, p.GetLocationId())
	known := orZero(a.at[location])
	unit := m.measures[p.GetItemId()]
	gap, beyond := m.gap(known, counted, unit)
	if a.count = nil; beyond && (a.counted || len(a.last) > 1) {
		a.count = &Counted{Time: e.time, Known: odoo.Plain(known), Counted: odoo.Plain(counted), Gap: odoo.Plain(gap), Unit: code(unit), Event: e.String()}
	}
	a.at[location], a.counted = counted, true
}

// hold moves material into quarantine: what the event says, or all of it.
func (m *model) hold(e entry, p *manufacturingv1.QualityHoldPlaced) {
	at := place{m.warehouse(e.site), p.GetItemId(), p.GetLotId()}
	a, location := m.account(e, at), m.location(e.site, p.GetLocationId())
	h := &held{at: at, all: p.GetQuantity() == nil}
	if h.all {
		if h.quantity = orZero(a.at[location]); h.quantity.Sign() < 0 {
			h.quantity = new(apd.Decimal)
		}
	} else if h.quantity = m.amount(p.GetItemId(), p.GetQuantity()); h.quantity == nil {
		return
	}
	a.add(location, new(apd.Decimal).Neg(h.quantity))
	a.add(quarantine, h.quantity)
	if m.holds[p.GetHoldId()] = h; h.all && at.lot != "" {
		m.wholes[at] = h
	}
}

func (m *model) unhold(e entry, p *manufacturingv1.QualityHoldReleased) {
	h := m.holds[p.GetHoldId()]
	if h == nil {
		return
	}
	quantity := h.quantity
	if p.GetQuantity() != nil {
		if quantity = m.amount(p.GetItemId(), p.GetQuantity()); quantity == nil {
			return
		}
	}
	a := m.account(e, h.at)
	a.add(quarantine, new(apd.Decimal).Neg(quantity))
	a.add(m.location(e.site, p.GetLocationId()), quantity)
	if h.quantity = minus(h.quantity, quantity); p.GetQuantity() == nil || h.quantity.Sign() <= 0 {
		m.letGo(p.GetHoldId())
	}
}

// letGo ends a hold. What is made of the lot goes on into quarantine if there is another hold of all of it.
func (m *model) letGo(id string) {
	h := m.holds[id]
	delete(m.holds, id)
	if m.wholes[h.at] != h {
		return
	}
	delete(m.wholes, h.at)
	for _, other := range m.holds {
		if other.all && other.at == h.at {
			m.wholes[h.at] = other
			return
		}
	}
}
