package console

import (
	"context"
	"time"

	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

const (
	// lookupTimeout is how long a page waits for Odoo to find records.
	lookupTimeout = 3 * time.Second
	// maxLookups is how many pages ask Odoo at once: its workers are for its users.
	maxLookups = 2
)

// lookUp finds the records in Odoo that parked events are about, and returns why it could not; the page then names model and key only. An Odoo that
// does not work anyway is not asked: wrong keys that are tried again and again lock others out.
func (c *Console) lookUp(ctx context.Context, status *adminv1.GetStatusResponse, events []parkedEvent) string {
	var subjects []string
	for _, e := range events {
		if e.Record != nil {
			subjects = append(subjects, e.GetSubject())
		}
	}
	if len(subjects) == 0 || c.sources.Records == nil {
		return ""
	}
	erp := status.GetOdoo()
	if erp.GetProblem() != "" {
		return erp.GetProblem()
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	select {
	case c.lookups <- struct{}{}:
		defer func() { <-c.lookups }()
	case <-ctx.Done():
		return "Others are asking Odoo at the moment: load the page again."
	}
	found, err := c.sources.Records.Records(ctx, subjects)
	for i := range events {
		e := &events[i]
		if record, ok := found[e.GetSubject()]; ok && e.Record != nil {
			e.Record, e.RecordPage = &record, record.Page(erp.GetUrl(), erp.GetServerVersion())
		}
		e.LookedUp = err == nil
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
