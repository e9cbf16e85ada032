package reconcile

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// order is what the events say of an order, in the item's unit.
type order struct {
	site, item, lot string
	total           *apd.Decimal // nil: not known
	produced        *apd.Decimal
	ended           bool
	last            []entry
	given           bool
}

func (m *model) orderOf(e entry, name, item string) *order {
	o := m.orders[name]
	if o == nil {
		o = &order{site: e.site, item: item, produced: new(apd.Decimal)}
		m.orders[name] = o
	}
	o.given = o.given || e.discarded
	if o.last = append(o.last, e); len(o.last) > maxEvents {
		o.last = o.last[1:]
	}
	return o
}

func (m *model) release(e entry, p *manufacturingv1.ProductionOrderReleased) {
	o := m.orderOf(e, p.GetOrderId(), p.GetItemId())
	o.lot = p.GetLotId()
	total := m.amount(p.GetItemId(), p.GetQuantity())
	if total != nil && total.Cmp(o.produced) > 0 { // a total that is produced already changes nothing
		o.total, o.ended = total, false
	}
}

func (m *model) report(e entry, p *manufacturingv1.OperationReported) {
	o := m.orderOf(e, p.GetOrderId(), p.GetItemId())
	if o.total == nil && p.GetOrderQuantity() != nil {
		o.total = m.amount(p.GetItemId(), p.GetOrderQuantity())
	}
}

func (m *model) complete(e entry, p *manufacturingv1.ProductionCompleted) {
	o := m.orderOf(e, p.GetOrderId(), p.GetItemId())
	lot := p.GetLotId()
	if lot == "" && len(p.GetSerialIds()) == 0 {
		lot = o.lot
	}
	location := p.GetLocationId()
	at := place{m.warehouse(e.site), p.GetItemId(), lot}
	h := m.wholes[at]
	if h != nil && len(p.GetSerialIds()) == 0 {
		location = quarantine
	}
	for _, quantity := range m.pieces(e, e.site, location, p.GetItemId(), lot, p.GetSerialIds(), p.GetQuantity(), in) {
		o.produced = plus(o.produced, quantity)
		if location == quarantine {
			h.quantity = plus(h.quantity, quantity)
		}
	}
	if !p.GetPartial() || o.total != nil && o.produced.Cmp(o.total) >= 0 {
		o.ended = true
	}
}

func (m *model) close(e entry, p *manufacturingv1.ProductionOrderClosed) {
	m.orderOf(e, p.GetOrderId(), "").ended = true
}

// made is what Odoo has of an order, all its parts together, in the item's unit.
type made struct {
	total, produced *apd.Decimal
	open            bool
}

func (c *comparison) orders(m *model, parts []odoo.Order) {
	erp := map[string]*made{}
	for _, p := range parts {
		o := erp[p.Order]
		if o == nil {
			o = &made{total: new(apd.Decimal), produced: new(apd.Decimal)}
			erp[p.Order] = o
		}
		open := p.State != "done" && p.State != "cancel"
		o.open = o.open || open
		o.produced = plus(o.produced, c.inOwn(m, p, p.Produced))
		if open {
			o.total = plus(o.total, c.inOwn(m, p, p.Quantity))
		} else {
			o.total = plus(o.total, c.inOwn(m, p, p.Produced))
		}
	}
	var found []Difference
	for name, o := range m.orders {
		unit := c.measures[o.item]
		d := Difference{Kind: KindOrder, Site: o.site, Subject: "order " + name, Events: named(o.last), Unit: code(unit)}
		is := erp[name]
		if is == nil {
			if o.last[len(o.last)-1].captured { // Odoo's own, of which the plant has said nothing yet
				continue
			}
			d.Field, d.Mesh, d.Odoo, d.Unit = "order", "there", "not there", ""
			d.Cause = "somebody deleted it in Odoo, or took away what names it (Mesh: order)"
			if o.given {
				d.Cause = "an event of it was discarded, so Odoo never got it"
			}
			found = append(found, d)
			continue
		}
		found = append(found, c.order(d, o, is, unit)...)
	}
	for name := range erp {
		if m.orders[name] == nil {
			found = append(found, Difference{
				Kind: KindOrder, Subject: "order " + name, Field: "order", Mesh: "not there", Odoo: "there",
				Cause: "no event names it: somebody filled in Mesh: order by hand, or copied the order, or its site's stream is not replicated any more",
			})
		}
	}
	c.compared(KindOrder, len(m.orders), found)
}

// order compares one that is on both sides.
func (c *comparison) order(d Difference, o *order, is *made, unit *odoo.Measure) (found []Difference) {
	d.Cause = "somebody changed, completed or cancelled it in Odoo by hand"
	if o.given {
		d.Cause = "an event of it was discarded, so Odoo never got it"
	}
	add := func(field string, mesh, erp *apd.Decimal) {
		if gap, beyond := c.gap(mesh, erp, unit); beyond {
			one := d
			one.Field, one.Mesh, one.Odoo, one.Gap = field, odoo.Plain(mesh), odoo.Plain(erp), odoo.Plain(gap)
			found = append(found, one)
		}
	}
	add("produced", o.produced, is.produced)
	if o.ended == is.open {
		one := d
		one.Field, one.Mesh, one.Odoo, one.Unit = "state", state(!o.ended), state(is.open), ""
		found = append(found, one)
	} else if is.open && o.total != nil {
		add("quantity", o.total, is.total)
	}
	return found
}

func state(open bool) string {
	if open {
		return "open"
	}
	return "ended"
}

// inOwn turns a quantity of an order's unit into that of the item.
func (c *comparison) inOwn(m *model, p odoo.Order, quantity *apd.Decimal) *apd.Decimal {
	o, unit := m.orders[p.Order], c.inventory.Measures.Of(p.Measure)
	if o == nil || unit == nil || unit.Code == "" {
		return quantity
	}
	if d, err := c.inventory.Measures.Convert(quantity, unit.Code, c.measures[o.item]); err == nil {
		return d
	}
	return quantity
}

// transfers compares what is between two sites.
func (c *comparison) transfers(m *model) {
	erp := map[journey]*apd.Decimal{}
	for _, t := range c.inventory.UnderWay {
		of := journey{t.Transfer, t.Item, t.Lot}
		erp[of] = plus(orZero(erp[of]), t.Quantity)
	}
	all := map[journey]bool{}
	for of := range m.away {
		all[of] = true
	}
	for of := range erp {
		all[of] = true
	}
	var found []Difference
	for of := range all {
		unit := c.measures[of.item]
		gap, beyond := c.gap(orZero(m.away[of]), orZero(erp[of]), unit)
		if !beyond {
			continue
		}
		found = append(found, Difference{
			Kind: KindTransfer, Subject: fmt.Sprintf("transfer %s, %s", of.transfer, place{item: of.item, lot: of.lot}.subject()), Field: "under way",
			Mesh: odoo.Plain(orZero(m.away[of])), Odoo: odoo.Plain(orZero(erp[of])), Gap: odoo.Plain(gap), Unit: code(unit), Events: named(m.moves[of]),
			Cause: transferCause(m.moves[of]),
		})
	}
	c.compared(KindTransfer, len(all), found)
}

func transferCause(moves []entry) string {
	for _, e := range moves {
		if e.discarded {
			return "an event of it was discarded, so Odoo never got it"
		}
	}
	if len(moves) == 0 {
		return "no event names it: somebody filled in Mesh: transfer by hand, or its site's stream is not replicated any more"
	}
	return "somebody received, returned or corrected it in Odoo by hand"
}
