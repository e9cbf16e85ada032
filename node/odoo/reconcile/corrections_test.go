package reconcile

import (
	"testing"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func TestCorrectionsAreProposedOnlyWhereOdooWouldTakeThem(t *testing.T) {
	const (
		none   = manufacturingv1.Tracking_TRACKING_NONE
		lot    = manufacturingv1.Tracking_TRACKING_LOT
		serial = manufacturingv1.Tracking_TRACKING_SERIAL
	)
	unit := &odoo.Measure{Name: "Units", Code: "C62"}
	for name, c := range map[string]struct {
		tracking manufacturingv1.Tracking
		lot, gap string
		want     string // quantity; empty: no proposal
		increase bool
	}{
		"too much":                         {none, "", "2.5", "2.5", false},
		"too little":                       {none, "", "-2.50", "2.5", true},
		"of a lot":                         {lot, "L1", "-3", "3", true},
		"without a lot, though tracked":    {lot, "", "3", "", false},
		"a piece too much":                 {serial, "S1", "1", "1", false},
		"a piece too little":               {serial, "S1", "-1", "1", true},
		"two of one serial number":         {serial, "S1", "2", "", false},
		"without a number, though tracked": {serial, "", "1", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Reconciliation{Config: odoo.Config{Sites: map[string]odoo.Site{"plant-a": {Warehouse: "WH"}}}}
			items := map[string]*manufacturingv1.ItemChanged{"A": {ItemId: "A", Tracking: c.tracking}}
			m := &model{comparison: &comparison{Reconciliation: r, inventory: &odoo.Inventory{}, items: items}, corrected: map[place]int{}}
			gap, _, err := apd.NewFromString(c.gap)
			if err != nil {
				t.Fatal(err)
			}
			at := place{"WH", "A", c.lot}
			p := m.propose(at, gap, unit)
			if p == nil {
				if c.want != "" {
					t.Fatal("nothing is proposed")
				}
				return
			}
			if p.Quantity != c.want || p.Increase != c.increase || p.Lot != c.lot || p.Site != "plant-a" {
				t.Errorf("proposed %+v", p)
			}
			if m.corrected[at]++; m.propose(at, gap, unit).ID == p.ID {
				t.Error("the same gap after a correction is the same proposal, which counts once and is approved already")
			}
		})
	}
}
