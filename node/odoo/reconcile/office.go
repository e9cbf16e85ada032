package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo/totals"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// postings compares those of this month and the one before with the books.
func (c *comparison) postings(ctx context.Context, h *history) error {
	behind := map[string][]entry{} // the last of each posting
	for _, e := range h.entries {
		if p, ok := e.payload.(*manufacturingv1.PostingPrepared); ok {
			id := p.GetPostingId()
			behind[id] = append(behind[id], e)
			behind[id] = behind[id][max(len(behind[id])-maxEvents, 0):]
		}
	}
	now := time.Now().UTC()
	var found []Difference
	seen := map[string]bool{} // with a date in the other month, one is found in both
	records := 0
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for _, month := range []time.Time{first.AddDate(0, -1, 0), first} {
		report, err := totals.Month(ctx, c.Config, month.Format("2006-01"), h.financial(), c.Odoo)
		if err != nil {
			return err
		}
		records += report.Postings
		for _, f := range report.Findings {
			if seen[f.Posting] {
				continue
			}
			seen[f.Posting] = true
			for _, part := range f.Parts {
				d := Difference{
					Kind: KindPosting, Site: f.Site, Subject: "posting " + f.Posting, Field: part.Field, Mesh: part.Events, Odoo: part.Books,
					Events: named(behind[f.Posting]), Cause: f.Cause,
				}
				if part.Books == totals.NotThere {
					d.Cause = missing(behind[f.Posting])
				}
				found = append(found, d)
			}
		}
	}
	c.compared(KindPosting, records, found)
	return nil
}

// missing is why the books do not have a posting whose event is done with.
func missing(behind []entry) string {
	if slices.ContainsFunc(behind, func(e entry) bool { return e.discarded }) {
		return "its event was discarded, so Odoo never got it"
	}
	return "somebody deleted it in the books, or took away what names it (Mesh: posting)"
}

// financial are the events that the totals of a month are made of.
func (h *history) financial() func(yield func(*eventv1.RecordedEvent, error) bool) {
	return func(yield func(*eventv1.RecordedEvent, error) bool) {
		for _, e := range h.entries {
			if e.recorded != nil && !yield(e.recorded, nil) {
				return
			}
		}
	}
}
