package reconcile

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/capture"
	"github.com/plantmesh/plantmesh/node/odoo/replay"
	"github.com/plantmesh/plantmesh/node/odoo/totals"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// exact has room for sums of any number of quantities.
var exact = apd.BaseContext.WithPrecision(60)

// Tables are what Odoo has; an *odoo.Reader is one.
type Tables interface {
	totals.Books
	AppliedOf(ctx context.Context, events []string) ([]odoo.Applied, error)
	Inventory(ctx context.Context) (*odoo.Inventory, error)
	Orders(ctx context.Context) ([]odoo.Order, error)
}

// Reconciliation says what to compare.
type Reconciliation struct {
	Site   plantmesh.SiteID // that faces Odoo
	Config odoo.Config
	Node   replay.Node
	Odoo   Tables
	// Caller is the same Odoo; master data is read through it.
	Caller capture.Caller
	// Tolerance is by how much a quantity may differ, by the code of its unit. What is not named here may not.
	Tolerance map[string]*apd.Decimal
}

// Run compares. The node and Odoo may go on working.
//
// Errors: of the node and of Odoo; none of them says anything about the events.
func (r *Reconciliation) Run(ctx context.Context) (Report, error) {
	start := time.Now()
	report, err := r.once(ctx)
	if err == nil && len(report.Differences) > 0 {
		first := report.Differences
		if report, err = r.once(ctx); err == nil {
			report.keep(func(d Difference) bool { return slices.ContainsFunc(first, d.same) })
		}
	}
	if err != nil {
		return Report{}, err
	}
	report.Agree = len(report.Differences) == 0
	report.Differences = report.Differences[:min(len(report.Differences), maxDifferences)]
	report.Start, report.End = start, time.Now()
	return report, nil
}

// once compares once, with all differences.
func (r *Reconciliation) once(ctx context.Context) (Report, error) {
	h, err := r.read(ctx)
	if err != nil {
		return Report{}, err
	}
	inventory, err := r.Odoo.Inventory(ctx)
	if err != nil {
		return Report{}, err
	}
	inventory.Measures.Map(r.Config)
	orders, err := r.Odoo.Orders(ctx)
	if err != nil {
		return Report{}, err
	}
	things, err := capture.MasterData(ctx, r.Config, r.Site, r.Caller)
	if err != nil {
		return Report{}, err
	}
	c := &comparison{
		Reconciliation: r, inventory: inventory, measures: map[string]*odoo.Measure{}, items: map[string]*manufacturingv1.ItemChanged{},
		report: Report{Differences: []Difference{}, Counted: []Counted{}, Incomplete: slices.Concat([]string{}, h.incomplete), Waiting: h.waiting},
	}
	for _, p := range inventory.Products {
		if p.Active || c.measures[p.Item] == nil {
			c.measures[p.Item] = inventory.Measures.Of(p.Measure)
		}
	}
	for _, t := range things {
		if p, ok := t.Payload.(*manufacturingv1.ItemChanged); ok && (c.items[p.GetItemId()] == nil || !p.GetRetired()) {
			c.items[p.GetItemId()] = p
		}
	}
	m := c.project(h)
	if len(h.incomplete) == 0 {
		c.stock(m)
		c.orders(m, orders)
		c.transfers(m)
	}
	if err := c.postings(ctx, h); err != nil {
		return Report{}, err
	}
	c.masterData(m, things)
	return c.report, nil
}

// comparison is one look at both sides.
type comparison struct {
	*Reconciliation
	inventory *odoo.Inventory
	measures  map[string]*odoo.Measure                // of items
	items     map[string]*manufacturingv1.ItemChanged // as Odoo has them
	report    Report
}

// compared notes how many records of a kind there were, and its differences.
func (c *comparison) compared(kind string, records int, found []Difference) {
	slices.SortStableFunc(found, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Field, b.Field))
	})
	c.report.Compared = append(c.report.Compared, Compared{Kind: kind, Records: records, Differences: len(found)})
	c.report.Differences = append(c.report.Differences, found...)
}

// keep drops differences, and counts what is left.
func (r *Report) keep(wanted func(Difference) bool) {
	r.Differences = slices.DeleteFunc(r.Differences, func(d Difference) bool { return !wanted(d) })
	for i := range r.Compared {
		r.Compared[i].Differences = 0
		for _, d := range r.Differences {
			if d.Kind == r.Compared[i].Kind {
				r.Compared[i].Differences++
			}
		}
	}
}

// gap is what Odoo has too much; ok is false if that is within the tolerance of the unit.
func (c *comparison) gap(mesh, erp *apd.Decimal, unit *odoo.Measure) (gap *apd.Decimal, beyond bool) {
	gap = minus(erp, mesh)
	size := new(apd.Decimal).Abs(gap)
	if allowed := c.Tolerance[code(unit)]; allowed != nil {
		return gap, size.Cmp(allowed) > 0
	}
	return gap, !size.IsZero()
}

func code(unit *odoo.Measure) string {
	if unit == nil {
		return ""
	}
	return cmp.Or(unit.Code, unit.Name)
}

// plus and minus cannot fail for numbers of 60 digits.
func plus(a, b *apd.Decimal) *apd.Decimal {
	d := new(apd.Decimal)
	_, _ = exact.Add(d, a, b)
	return d
}

func minus(a, b *apd.Decimal) *apd.Decimal {
	d := new(apd.Decimal)
	_, _ = exact.Sub(d, a, b)
	return d
}
