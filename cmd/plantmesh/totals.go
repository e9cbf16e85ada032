package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/totals"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

func newOdooTotals() *cobra.Command {
	var c connection
	var month string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "totals", Short: "Compare a month's postings with Odoo's books, per site, account and dimension", Args: cobra.NoArgs,
		Long: `Add up the postings of a month, per site, account, currency and value of each financial dimension, as their events say and as Odoo's books have
them. Postings behind a difference are named. Run it with the configuration of the node that faces Odoo; the node has to run.

Exit status 1 if the two do not agree.`,
		Example: "  plantmesh odoo totals --month 2026-11",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := time.Parse("2006-01", month); err != nil {
				return &usageError{err: fmt.Errorf("--month %q: give a month such as 2026-11", month), help: cmd.CommandPath()}
			}
			return c.facing(cmd, func(to facing) error {
				positions, err := to.node.Positions(cmd.Context())
				if err != nil {
					return c.explain(err)
				}
				events := eventsOf(cmd.Context(), to.client, slices.Sorted(maps.Keys(positions)), totals.Types())
				report, err := totals.Month(cmd.Context(), to.config, month, events, odoo.NewReader(to.erp))
				if err != nil {
					return c.explain(err)
				}
				if err := printTotals(cmd.OutOrStdout(), report, asJSON); err != nil {
					return err
				}
				if !report.Agree {
					return errors.New("the books and the events of this month do not agree")
				}
				return nil
			})
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&month, "month", "", "the month, such as 2026-11, by the accounting date of the postings")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the report as JSON")
	_ = cmd.MarkFlagRequired("month")
	return cmd
}

// eventsOf are the events of some types in streams, one stream after the other.
func eventsOf(ctx context.Context, client *plantmesh.Client, streams []plantmesh.StreamName, types []string) iter.Seq2[*eventv1.RecordedEvent, error] {
	return func(yield func(*eventv1.RecordedEvent, error) bool) {
		for _, s := range streams {
			from := plantmesh.From{Stream: s, Types: types, UntilHead: true, OnJump: func(plantmesh.Jump) error { return nil }}
			for d, err := range client.Subscribe(ctx, from) {
				if err != nil {
					yield(nil, err)
					return
				}
				if !yield(d.Event, nil) {
					return
				}
			}
		}
	}
}

// maxPostings is how many postings the table names; all are counted, and JSON has them all.
const maxPostings = 200

func printTotals(w io.Writer, r totals.Report, asJSON bool) error {
	if asJSON {
		return writeJSON(w, r)
	}
	t := newTable(w, fmt.Sprintf("%s: %d POSTINGS OF EVENTS, %d IN THE BOOKS", r.Month, r.Postings, r.Booked),
		"SITE", "ACCOUNT", "CURRENCY", "DIMENSION", "VALUE", "EVENTS DEBIT", "CREDIT", "BOOKS DEBIT", "CREDIT", "")
	for _, row := range r.Rows {
		mark := ""
		if !row.Agree {
			mark = "DIFFERS"
		}
		t.row(row.Site, row.Account, row.Currency, row.Dimension, row.Value, row.Events.Debit.Text('f'), row.Events.Credit.Text('f'),
			row.Books.Debit.Text('f'), row.Books.Credit.Text('f'), mark)
	}
	if err := t.flush(); err != nil {
		return err
	}
	t = newTable(w, fmt.Sprintf("DIFFERENT POSTINGS (%d)", len(r.Findings)), "POSTING", "SITE", "FIELD", "EVENTS", "BOOKS", "LIKELY CAUSE")
	for _, f := range r.Findings[:min(len(r.Findings), maxPostings)] {
		for _, p := range f.Parts {
			t.row(f.Posting, f.Site, p.Field, p.Events, p.Books, f.Cause)
		}
	}
	return t.flush()
}
