package reconcile

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// WriteJSON writes the whole report as one JSON object.
func (r Report) WriteJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(r)
}

// WriteCSV writes the differences as a table with a header, for a spreadsheet.
func (r Report) WriteCSV(w io.Writer) error {
	rows := [][]string{{"kind", "site", "subject", "field", "mesh", "odoo", "gap", "unit", "cause", "events", "proposal"}}
	for _, d := range r.Differences {
		row := []string{d.Kind, d.Site, d.Subject, d.Field, d.Mesh, d.Odoo, d.Gap, d.Unit, d.Cause, strings.Join(d.Events, "; "), d.ProposalID()}
		for i, text := range row {
			row[i] = plainCell(text)
		}
		rows = append(rows, row)
	}
	return csv.NewWriter(w).WriteAll(rows)
}

// plainCell puts an apostrophe before what a spreadsheet would take for a formula: names are whatever people in Odoo and the plants made them.
func plainCell(text string) string {
	if text == "" || !strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return text
	}
	if _, _, err := apd.NewFromString(text); err == nil {
		return text
	}
	return "'" + text
}

// ProposalID is the id of a difference's proposal; empty if there is none.
func (d Difference) ProposalID() string {
	if d.Proposal == nil {
		return ""
	}
	return d.Proposal.ID
}
