package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/totals"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// itemChange is the last that was said of an item.
type itemChange struct {
	item *manufacturingv1.ItemChanged
	by   entry
}

// postings compares those of this month and the one before with the books.
func (c *comparison) postings(ctx context.Context, h *history) error {
	now := time.Now().UTC()
	var found []Difference
	records := 0
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for _, month := range []time.Time{first.AddDate(0, -1, 0), first} {
		report, err := totals.Month(ctx, month.Format("2006-01"), func(yield func(*eventv1.RecordedEvent, error) bool) {
			for _, e := range h.entries {
				if !e.discarded && !yield(e.recorded, nil) {
					return
				}
			}
		}, c.Odoo)
		if err != nil {
			return err
		}
		records += report.Postings
		for _, f := range report.Findings {
			found = append(found, Difference{
				Kind: KindPosting, Site: f.Site, Subject: "posting " + f.Posting, Field: report.Month, Mesh: "see plantmesh odoo totals", Odoo: f.What,
				Cause: "somebody changed, reversed or entered it in the books by hand",
			})
		}
	}
	c.compared(KindPosting, records, found)
	return nil
}

// items compares what was said last of each item with its product.
func (c *comparison) items(m *model) {
	products := map[string]odoo.Product{}
	for _, p := range c.inventory.Products {
		if known, ok := products[p.Item]; !ok || p.Active && !known.Active {
			products[p.Item] = p
		}
	}
	var found []Difference
	for name, last := range m.items {
		d := Difference{Kind: KindItem, Subject: "item " + name, Events: named([]entry{last.by}), Cause: "somebody changed it in Odoo by hand, and capture does not tell the mesh: see capture"}
		add := func(field, mesh, erp string) {
			if mesh != erp {
				d.Field, d.Mesh, d.Odoo = field, mesh, erp
				found = append(found, d)
			}
		}
		p, ok := products[name]
		if !ok {
			if !last.item.GetRetired() {
				add("item", "there", "not there")
			}
			continue
		}
		add("retired", fmt.Sprint(last.item.GetRetired()), fmt.Sprint(!p.Active))
		add("name", last.item.GetName(), p.Name)
		if unit := c.inventory.Measures.Of(p.Measure); unit == nil || !odoo.SameUnit(unit.Code, last.item.GetUnit()) {
			add("unit", last.item.GetUnit(), code(unit))
		}
	}
	c.compared(KindItem, len(m.items), found)
}
