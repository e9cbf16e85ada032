package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// maxEvents is how many events a difference names.
const maxEvents = 5

// place is an item and lot at a warehouse.
type place struct{ warehouse, item, lot string }

func (p place) subject() string {
	if p.lot == "" {
		return "item " + p.item
	}
	return "item " + p.item + " lot " + p.lot
}

// account is what the events say of a place.
type account struct {
	at      map[string]*apd.Decimal // by location; "": the main stock
	counted bool
	given   bool    // one of its events was discarded
	last    []entry // that changed it
	count   *Counted
}

func (a *account) total() *apd.Decimal {
	sum := new(apd.Decimal)
	for _, quantity := range a.at {
		sum = plus(sum, quantity)
	}
	return sum
}

func (a *account) add(location string, quantity *apd.Decimal) {
	before := a.at[location]
	if before == nil {
		before = new(apd.Decimal)
	}
	a.at[location] = plus(before, quantity)
}

// stock compares what the events leave at each place with Odoo's. Items of which there are no events are not the mesh's business.
func (c *comparison) stock(m *model) {
	has := map[place]*apd.Decimal{}
	for _, h := range c.inventory.Held {
		at := place{h.Warehouse, h.Item, h.Lot}
		if has[at] == nil {
			has[at] = new(apd.Decimal)
		}
		has[at] = plus(has[at], h.Quantity)
	}
	known := map[place]bool{}
	for at := range m.stock {
		known[place{warehouse: at.warehouse, item: at.item}] = true
	}
	open, byBill := c.used(m)
	all := map[place]bool{}
	for at := range m.stock {
		all[at] = true
	}
	for at := range has {
		all[at] = all[at] || known[place{warehouse: at.warehouse, item: at.item}]
	}
	var found []Difference
	records := 0
	for at, compared := range all {
		if !compared || !c.keepsStock(at.item) {
			continue
		}
		records++
		should, erp := new(apd.Decimal), has[at]
		a := m.stock[at]
		if a != nil {
			should = a.total()
		}
		for _, one := range []struct {
			by  *apd.Decimal
			way func(a, b *apd.Decimal) *apd.Decimal
		}{{open[at], plus}, {byBill[at], minus}} {
			if one.by != nil {
				should = one.way(should, one.by)
			}
		}
		if erp == nil {
			erp = new(apd.Decimal)
		}
		unit := c.measures[at.item]
		gap, beyond := c.gap(should, erp, unit)
		if !beyond {
			continue
		}
		d := Difference{
			Kind: KindStock, Site: c.sites(at.warehouse), Subject: at.subject(), Field: "quantity", Mesh: odoo.Plain(should), Odoo: odoo.Plain(erp), Gap: odoo.Plain(gap), Unit: code(unit),
		}
		if a != nil {
			d.Events = named(a.last)
		}
		d.Cause = stockCause(a)
		if m.correcting[at] {
			d.Cause = "a correction of it is approved, and waits for Odoo"
		} else {
			d.Proposal = m.propose(at, gap, unit)
		}
		if byBill[at] != nil {
			d.Cause += fmt.Sprintf(" (Odoo took %s by bills of materials, which is allowed for)", odoo.Plain(byBill[at]))
		}
		found = append(found, d)
	}
	c.compared(KindStock, records, found)
	for at, a := range m.stock {
		if a.count != nil {
			a.count.Site, a.count.Subject = c.sites(at.warehouse), at.subject()
			c.report.Counted = append(c.report.Counted, *a.count)
		}
	}
	slices.SortFunc(c.report.Counted, func(a, b Counted) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Subject, b.Subject)) })
}

// keepsStock tells whether Odoo keeps the quantity of an item in stock; of consumables and services it does not.
func (c *comparison) keepsStock(item string) bool {
	kind := c.items[item].GetKind()
	return kind != manufacturingv1.ItemKind_ITEM_KIND_CONSUMABLE && kind != manufacturingv1.ItemKind_ITEM_KIND_SERVICE
}

func stockCause(a *account) string {
	switch {
	case a == nil:
		return "no event names this lot: it was made or renamed in Odoo by hand"
	case a.given:
		return "an event of it was discarded, so Odoo never got it: enter it by hand, or correct the stock"
	case !a.counted:
		return "it was there before the mesh began, or somebody moved it in Odoo by hand: look at its moves in Odoo, and count it once at the plant"
	}
	return "somebody moved or corrected it in Odoo by hand, or an event from before the last count was applied after it: look at its moves in Odoo"
}

// used sorts out what Odoo took for orders: open is what was reported and goes out of stock when its order is done, byBill what was taken
// without a report.
func (c *comparison) used(m *model) (open, byBill map[place]*apd.Decimal) {
	open, byBill = map[place]*apd.Decimal{}, map[place]*apd.Decimal{}
	taken := map[use]*apd.Decimal{}
	add := func(sums map[place]*apd.Decimal, at place, by *apd.Decimal) {
		if sums[at] == nil {
			sums[at] = new(apd.Decimal)
		}
		sums[at] = plus(sums[at], by)
	}
	for _, u := range c.inventory.Used {
		at := place{u.Warehouse, u.Item, u.Lot}
		of := use{u.Order, at}
		if taken[of] == nil {
			taken[of] = new(apd.Decimal)
		}
		taken[of] = plus(taken[of], u.Quantity)
		if !u.Done {
			add(open, at, u.Quantity)
		}
	}
	for of, quantity := range taken {
		if reported := m.used[of]; reported != nil {
			quantity = minus(quantity, reported)
		}
		if quantity.Sign() > 0 {
			add(byBill, of.place, quantity)
		}
	}
	return open, byBill
}

// sites are those whose warehouse it is.
func (c *comparison) sites(warehouse string) string {
	var all []string
	for site := range c.Config.Sites {
		if c.warehouse(site) == warehouse {
			all = append(all, site)
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return "warehouse " + warehouse
	}
	return fmt.Sprintf("%s (%s)", strings.Join(all, ", "), warehouse)
}

// warehouse names a site's warehouse; one that Odoo does not have, as the mapping does.
func (c *comparison) warehouse(site string) string {
	if w, ok := c.Config.WarehouseOf(site, c.inventory.Warehouses); ok {
		return w.Label(c.inventory.Warehouses)
	}
	return c.Config.SiteOf(site).Warehouse
}

func named(entries []entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.String())
	}
	return all
}
