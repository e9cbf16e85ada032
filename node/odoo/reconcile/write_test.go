package reconcile_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
)

func differing() reconcile.Report {
	return reconcile.Report{
		Start: time.Date(2026, 5, 4, 5, 0, 0, 0, time.UTC), End: time.Date(2026, 5, 4, 5, 0, 7, 0, time.UTC), Waiting: 2,
		Compared: []reconcile.Compared{{Kind: reconcile.KindStock, Records: 9, Differences: 1}, {Kind: reconcile.KindItem, Records: 3, Differences: 1}},
		Differences: []reconcile.Difference{
			{
				Kind: reconcile.KindStock, Site: "plant-a (WH)", Subject: "item A-100, lot L7", Field: "quantity", Mesh: "5", Odoo: "3", Gap: "-2", Unit: "C62", Cause: "somebody, by hand",
				Events: []string{"plant-a/production@4 ProductionCompleted", "plant-a/inventory@2 StockCounted"}, Proposal: &reconcile.Proposal{ID: "correction-1", Quantity: "2", Unit: "C62", Increase: true},
			},
			{Kind: reconcile.KindItem, Subject: "item B", Field: "name", Mesh: "Bolt", Odoo: `=HYPERLINK("http://x")`, Cause: "renamed"},
		},
		Counted: []reconcile.Counted{}, Incomplete: []string{},
	}
}

func TestDifferencesAsCSVAreNoFormulas(t *testing.T) {
	var out bytes.Buffer
	if err := differing().WriteCSV(&out); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"kind,site,subject,field,mesh,odoo,gap,unit,cause,events,proposal",
		`stock,plant-a (WH),"item A-100, lot L7",quantity,5,3,-2,C62,"somebody, by hand",plant-a/production@4 ProductionCompleted; plant-a/inventory@2 StockCounted,correction-1`,
		`item,,item B,name,Bolt,"'=HYPERLINK(""http://x"")",,,renamed,,`, "",
	}, "\n")
	if out.String() != want {
		t.Errorf("wrote\n%s\nwant\n%s", &out, want)
	}
}

func TestReportAsJSONReadsBackEqual(t *testing.T) {
	var out bytes.Buffer
	r := differing()
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var back reconcile.Report
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("%v: read %+v", err, back)
	}
}
