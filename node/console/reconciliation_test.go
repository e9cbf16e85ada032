package console_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
)

// differing is a comparison that found something, of three kinds and sites.
func differing() *reconcile.Report {
	return &reconcile.Report{
		Start: time.Date(2026, 5, 4, 5, 0, 0, 0, time.UTC), End: time.Date(2026, 5, 4, 5, 0, 7, 0, time.UTC), Waiting: 2,
		Compared: []reconcile.Compared{{Kind: reconcile.KindStock, Records: 9, Differences: 1}, {Kind: reconcile.KindOrder, Records: 3, Differences: 1}, {Kind: reconcile.KindItem, Records: 3, Differences: 1}},
		Differences: []reconcile.Difference{
			{
				Kind: reconcile.KindStock, Site: "plant-a, plant-b (WH)", Subject: "item A-100, lot L7", Field: "quantity", Mesh: "5", Odoo: "3", Gap: "-2", Unit: "C62", Cause: "somebody, by hand",
				Events:   []string{"plant-a/production@4 ProductionCompleted", "plant-a/inventory@2 StockCounted"},
				Proposal: &reconcile.Proposal{ID: "correction-1", Site: "plant-a", Item: "A-100", Lot: "L7", Quantity: "2", Unit: "C62", Increase: true},
			},
			{Kind: reconcile.KindOrder, Site: "plant-b", Subject: "order WO-7", Field: "state", Mesh: "ended", Odoo: "open", Cause: "an event of it was discarded"},
			{Kind: reconcile.KindItem, Subject: "item B", Field: "name", Mesh: "Bolt", Odoo: nasty, Cause: "renamed"},
		},
		Counted: []reconcile.Counted{{Site: "plant-a", Subject: "item C", Time: time.Date(2026, 5, 3, 6, 0, 0, 0, time.UTC), Known: "7", Counted: "6", Gap: "-1", Unit: "C62", Event: "plant-a/inventory@9"}},
	}
}

func TestReconciliationShowsEachDifferenceWithWhatIsBehindItAndWhatToDo(t *testing.T) {
	o := newOffice(t)
	o.compared = reconcile.Status{Last: differing(), Next: time.Now().Add(5*time.Hour + time.Second)}
	o.shows("/reconciliation", "Made at", "2026-05-04 05:00:07 UTC", "The next is due", "(in 5 h)", "2 events wait for Odoo",
		"plant-a, plant-b (WH)", "item A-100, lot L7", `<span class="figure">1</span> <span class="quiet">difference in 9 records</span>`, "<strong>-2</strong> C62", "somebody, by hand", "plant-a/production@4 ProductionCompleted", "plant-a/inventory@2 StockCounted",
		"Proposal: 2 C62 more in Odoo", "plantmesh odoo approve correction-1 --by &#39;YOUR NAME&#39; --reason &#39;THE REASON&#39;",
		"&lt;script&gt;", "Counted otherwise than the events say", "plant-a/inventory@9", "3 of 3 differences.")
}

func TestReconciliationIsFilteredByKindAndSite(t *testing.T) {
	o := newOffice(t)
	o.compared.Last = differing()
	for query, want := range map[string]string{
		"kind=order": "order WO-7", "site=plant-b": "item A-100, lot L7|order WO-7", "site=plant-a": "item A-100, lot L7", "kind=item&site=plant-a": "", "kind=order&site=plant-b": "order WO-7", "kind=%3Cscript%3E": "",
	} {
		body := o.shows("/reconciliation?" + query)
		var found []string
		for _, subject := range []string{"item A-100, lot L7", "order WO-7", "item B"} {
			if strings.Contains(body, ">"+subject+"<br>") {
				found = append(found, subject)
			}
		}
		if got := strings.Join(found, "|"); got != want {
			t.Errorf("%s: found %q, want %q", query, got, want)
		}
	}
	o.shows("/reconciliation?kind=order", `<option value="order" selected>order</option>`, `href="/reconciliation.csv?kind=order"`, "1 of 3 differences.")
	o.shows("/reconciliation?kind=item&site=plant-a", "No difference of this kind and site")
}

func TestDownloadsHoldWhatThePageShows(t *testing.T) {
	o := newOffice(t)
	o.compared.Last = differing()
	answer := o.get("/reconciliation.csv?site=plant-b")
	rows, err := csv.NewReader(answer.Body).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][0] != "kind" || rows[1][10] != "correction-1" || rows[2][2] != "order WO-7" {
		t.Errorf("%v: %q", err, rows)
	}
	if got := answer.Header().Get("Content-Disposition"); got != `attachment; filename="reconciliation-20260504T050007Z.csv"` {
		t.Errorf("saved as %s", got)
	}
	var report reconcile.Report
	if err := json.NewDecoder(o.get("/reconciliation.json").Body).Decode(&report); err != nil || len(report.Differences) != 3 || report.Differences[2].Odoo != nasty || len(report.Counted) != 1 {
		t.Errorf("%v: %+v", err, report)
	}
	if len(o.compared.Last.Differences) != 3 {
		t.Error("a download changed the report")
	}
}

func TestReconciliationSaysWhyThereIsNoneAndWhatToDo(t *testing.T) {
	o := newOffice(t)
	o.compared.Next = time.Now().Add(time.Hour)
	o.shows("/reconciliation", "None was made yet", "The next is due", "plantmesh odoo reconcile")
	o.compared.Problem = "no route to Odoo"
	o.shows("/reconciliation", "The last attempt came to nothing", "no route to Odoo")
	if answer := o.get("/reconciliation.json"); answer.Code != http.StatusNotFound {
		t.Errorf("download of nothing: %d", answer.Code)
	}
	o.compared.Last = &reconcile.Report{End: time.Now(), Agree: true, Compared: []reconcile.Compared{{Kind: reconcile.KindStock, Records: 9}}}
	o.shows("/reconciliation", "The mesh and Odoo agree")
	o.compared.Last.Agree, o.compared.Last.Incomplete = false, []string{"plant-a/production begins at 17"}
	o.shows("/reconciliation", "Stock, orders and transfers are not compared", "plant-a/production begins at 17")
	o.sources.Comparisons = nil
	o.shows("/reconciliation", "No comparison is scheduled", "schedule: \"0 5 * * *\"")
}

func TestReconciliationSaysHowManyDifferencesTheReportLeavesOut(t *testing.T) {
	o := newOffice(t)
	o.compared.Last = differing()
	o.compared.Last.Compared[0].Differences = 2500
	o.shows("/reconciliation", "3 of 2,502 differences, of which the report names the first 3.")
}
