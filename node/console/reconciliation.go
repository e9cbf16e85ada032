package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
)

// filter is which differences somebody wants to see; empty values want all.
type filter struct{ Kind, Site string }

func filterOf(r *http.Request) filter {
	return filter{Kind: r.URL.Query().Get("kind"), Site: r.URL.Query().Get("site")}
}

// Query is the filter as a link takes it.
func (f filter) Query() string {
	q := url.Values{}
	for name, value := range map[string]string{"kind": f.Kind, "site": f.Site} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// of are the differences of a report that it wants.
func (f filter) of(all []reconcile.Difference) []reconcile.Difference {
	kept := []reconcile.Difference{}
	for _, d := range all {
		if (f.Kind == "" || d.Kind == f.Kind) && (f.Site == "" || slices.Contains(sitesOf(d), f.Site)) {
			kept = append(kept, d)
		}
	}
	return kept
}

// sitesOf are the sites that a difference is of: stock names all that share a warehouse, and that.
func sitesOf(d reconcile.Difference) []string {
	names, _, _ := strings.Cut(d.Site, " (")
	return strings.Split(names, ", ")
}

// reconciliationBody is the last comparison with Odoo.
type reconciliationBody struct {
	compared
	Filter filter
	Kinds  []string // that there are differences of
	Sites  []string
	Rows   []difference
	Named  int // differences that the report names; Differences counts all
}

// difference is one with what somebody can do about it.
type difference struct {
	reconcile.Difference
	Change  string // what the proposal does, for people
	Approve string // the command that has it done
}

func rowOf(d reconcile.Difference) difference {
	row := difference{Difference: d}
	if p := d.Proposal; p != nil {
		way := "less"
		if p.Increase {
			way = "more"
		}
		row.Change = fmt.Sprintf("%s %s %s in Odoo", p.Quantity, p.Unit, way)
		row.Approve = command("plantmesh", "odoo", "approve", p.ID, "--by", "YOUR NAME", "--reason", "THE REASON")
	}
	return row
}

// reconciliation is the page of the last comparison with Odoo.
func (c *Console) reconciliation(w http.ResponseWriter, r *http.Request) {
	body := reconciliationBody{compared: c.compared(), Filter: filterOf(r)}
	if body.Last != nil {
		for _, d := range body.Last.Differences {
			body.Kinds = append(body.Kinds, d.Kind)
			if d.Site != "" {
				body.Sites = append(body.Sites, sitesOf(d)...)
			}
		}
		for _, list := range []*[]string{&body.Kinds, &body.Sites} {
			slices.Sort(*list)
			*list = slices.Compact(*list)
		}
		body.Named = len(body.Last.Differences)
		for _, d := range body.Filter.of(body.Last.Differences) {
			body.Rows = append(body.Rows, rowOf(d))
		}
	}
	c.show(w, http.StatusOK, "reconciliation", c.sources.Status(), page{Title: "Reconciliation", Path: "/reconciliation", Now: time.Now(), Body: body})
}

// reconciliationCSV is what the page shows, for a spreadsheet.
func (c *Console) reconciliationCSV(w http.ResponseWriter, r *http.Request) {
	if report, ok := c.download(w, r, "csv", "text/csv; charset=utf-8"); ok {
		_ = report.WriteCSV(w) // whoever went away does not want it
	}
}

// reconciliationJSON is the report with the differences that the page shows.
func (c *Console) reconciliationJSON(w http.ResponseWriter, r *http.Request) {
	if report, ok := c.download(w, r, "json", "application/json"); ok {
		_ = report.WriteJSON(w)
	}
}

// download begins an answer with a file, and hands over what it is to hold.
func (c *Console) download(w http.ResponseWriter, r *http.Request, kind, content string) (reconcile.Report, bool) {
	last := c.compared().Last
	if last == nil {
		c.missing(w, "There is no comparison with Odoo to download yet.")
		return reconcile.Report{}, false
	}
	report := *last
	report.Differences = filterOf(r).of(report.Differences)
	w.Header().Set("Content-Type", content)
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="reconciliation-%s.%s"`, report.End.UTC().Format("20060102T150405Z"), kind))
	return report, true
}
