package exceptions

import (
	"fmt"

	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
)

// Gaps looks for differences between the mesh and the ERP: one condition for each kind of records, however many they are. last is the last
// comparison, if there was one.
func Gaps(last func() (reconcile.Report, bool)) Source { return gaps{last} }

type gaps struct {
	last func() (reconcile.Report, bool)
}

func (gaps) Kinds() []string { return []string{KindReconciliation} }

func (g gaps) Conditions() (all []Condition) {
	r, _ := g.last()
	for _, c := range r.Compared {
		if c.Differences == 0 {
			continue
		}
		summary := fmt.Sprintf("%d values of the kind %s differ between the mesh and the ERP.", c.Differences, c.Kind)
		for _, d := range r.Differences {
			if d.Kind == c.Kind {
				summary += fmt.Sprintf(" The first: %s of %s is %s by the events, %s in the ERP.", d.Field, d.Subject, d.Mesh, d.Odoo)
				break
			}
		}
		all = append(all, Condition{
			Kind: KindReconciliation, About: c.Kind, Owner: Operations, Summary: summary,
			Action: "Run plantmesh odoo reconcile at the site that faces the ERP: it names each difference with the events behind it and a likely cause. Correct the side that is wrong.",
		})
	}
	return all
}

// Ended: the last comparison found none of this kind.
func (g gaps) Ended(o Open) (bool, string) {
	r, compared := g.last()
	if !compared {
		return false, ""
	}
	for _, c := range r.Compared {
		if c.Kind == o.About {
			return c.Differences == 0, "The mesh and the ERP agree again."
		}
	}
	return false, ""
}
