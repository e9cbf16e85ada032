package reconcile

import (
	"context"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo/totals"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// postings compares those of this month and the one before with the books.
func (c *comparison) postings(ctx context.Context, h *history) error {
	now := time.Now().UTC()
	var found []Difference
	records := 0
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for _, month := range []time.Time{first.AddDate(0, -1, 0), first} {
		report, err := totals.Month(ctx, c.Config, month.Format("2006-01"), func(yield func(*eventv1.RecordedEvent, error) bool) {
			for _, e := range h.entries {
				if e.recorded != nil && !e.discarded && !yield(e.recorded, nil) {
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
