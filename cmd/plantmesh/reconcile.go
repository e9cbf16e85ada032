package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
)

// reconciling is what the flags of odoo reconcile say.
type reconciling struct {
	connection
	asJSON, asCSV bool
}

func newOdooReconcile() *cobra.Command {
	var f reconciling
	cmd := &cobra.Command{
		Use: "reconcile", Short: "Compare stock, orders, transfers, postings and master data with Odoo", Args: cobra.NoArgs,
		Long: `Work out from the events of all sites what Odoo should have — stock by warehouse, item and lot, orders, transfers under way, the postings of this
month and the one before, master data — and compare it with what Odoo has. Every difference is named with both values, the last events behind it and a
likely cause. Events that wait for Odoo, or are parked, make no difference. Counts of the plants that were not what the events say are listed, too.
Run it with the configuration of the node that faces Odoo; the node has to run, and may go on working. It changes nothing.

Exit status 1 if something differs, or if old events that are needed are not held any more.`,
		Example: "  plantmesh odoo reconcile\n  plantmesh odoo reconcile --csv >differences.csv",
		RunE:    f.run,
	}
	f.flags(cmd)
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "write the report as JSON")
	cmd.Flags().BoolVar(&f.asCSV, "csv", false, "write the differences as CSV")
	cmd.MarkFlagsMutuallyExclusive("json", "csv")
	return cmd
}

// compare compares the mesh with Odoo, and hands over the result with the two.
func compare(cmd *cobra.Command, c *connection, use func(reconcile.Report, facing) error) error {
	return c.facing(cmd, func(to facing) error {
		r := reconcile.Reconciliation{
			Site: to.site, Config: to.config, Node: to.node, Odoo: odoo.NewReader(to.erp), Caller: to.erp, Tolerance: to.config.Reconcile.Tolerances(),
		}
		report, err := r.Run(cmd.Context())
		if err != nil {
			return c.explain(err)
		}
		return use(report, to)
	})
}

func (f *reconciling) run(cmd *cobra.Command, _ []string) error {
	return compare(cmd, &f.connection, func(r reconcile.Report, _ facing) error { return f.show(cmd, r) })
}

func (f *reconciling) show(cmd *cobra.Command, report reconcile.Report) error {
	if err := f.print(cmd.OutOrStdout(), report); err != nil {
		return err
	}
	all := 0
	for _, c := range report.Compared {
		all += c.Differences
	}
	if all > len(report.Differences) {
		fmt.Fprintf(cmd.ErrOrStderr(), "only the first %d of %d differences are named\n", len(report.Differences), all)
	}
	switch {
	case len(report.Incomplete) > 0:
		return fmt.Errorf("stock, orders and transfers are not compared, since old events are not held here any more (%s): let this node retain them, remove its copies (plantmesh replicas remove STREAM), and they come again from a site that has all", strings.Join(report.Incomplete, "; "))
	case !report.Agree:
		return errors.New("the mesh and Odoo do not agree")
	}
	return nil
}

func (f *reconciling) print(w io.Writer, r reconcile.Report) error {
	switch {
	case f.asJSON:
		return r.WriteJSON(w)
	case f.asCSV:
		return r.WriteCSV(w)
	}
	t := newTable(w, fmt.Sprintf("COMPARED AT %s, %d EVENTS WAIT FOR ODOO", r.End.Format(time.RFC3339), r.Waiting), "KIND", "RECORDS", "DIFFERENCES")
	for _, c := range r.Compared {
		t.row(c.Kind, c.Records, c.Differences)
	}
	if err := t.flush(); err != nil {
		return err
	}
	t = newTable(w, "DIFFERENCES", "KIND", "SITE", "SUBJECT", "FIELD", "MESH", "ODOO", "GAP", "UNIT", "LIKELY CAUSE", "EVENTS", "PROPOSAL")
	for _, d := range r.Differences {
		t.row(d.Kind, d.Site, d.Subject, d.Field, d.Mesh, d.Odoo, d.Gap, d.Unit, d.Cause, strings.Join(d.Events, ", "), d.ProposalID())
	}
	if err := t.flush(); err != nil {
		return err
	}
	t = newTable(w, "COUNTED OTHERWISE THAN THE EVENTS SAY", "SITE", "SUBJECT", "TIME", "KNOWN", "COUNTED", "GAP", "UNIT", "EVENT")
	for _, c := range r.Counted {
		t.row(c.Site, c.Subject, c.Time.Format(time.RFC3339), c.Known, c.Counted, c.Gap, c.Unit, c.Event)
	}
	return t.flush()
}
