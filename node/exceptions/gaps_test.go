package exceptions_test

import (
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/exceptions"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
)

func TestGapIsAConditionOfItsKindUntilAComparisonFindsNone(t *testing.T) {
	var report reconcile.Report
	compared := false
	s := exceptions.Gaps(func() (reconcile.Report, bool) { return report, compared })
	stock, order := exceptions.Open{Condition: exceptions.Condition{About: "stock"}}, exceptions.Open{Condition: exceptions.Condition{About: "order"}}
	if ended, _ := s.Ended(stock); ended || len(s.Conditions()) != 0 {
		t.Fatal("something is known before the first comparison")
	}
	compared = true
	report = reconcile.Report{
		Compared:    []reconcile.Compared{{Kind: "stock", Records: 9, Differences: 2}, {Kind: "order", Records: 4}},
		Differences: []reconcile.Difference{{Kind: "stock", Subject: "item A", Field: "quantity", Mesh: "3", Odoo: "5"}, {Kind: "stock", Subject: "item B"}},
	}
	all := s.Conditions()
	if len(all) != 1 || all[0].About != "stock" || !strings.Contains(all[0].Summary, "2 values") || !strings.Contains(all[0].Summary, "quantity of item A is 3 by the events, 5 in the ERP") {
		t.Errorf("conditions %+v", all)
	}
	if ended, _ := s.Ended(stock); ended {
		t.Error("ended, though stock differs")
	}
	if ended, how := s.Ended(order); !ended || how == "" {
		t.Error("not ended, though no order differs")
	}
	report.Compared = report.Compared[1:] // stock could not be compared: older events are not held any more
	if ended, _ := s.Ended(stock); ended {
		t.Error("ended, though stock was not compared")
	}
}
