package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
)

// approving is what the flags of odoo approve say.
type approving struct {
	connection
	by, reason string
}

func newOdooApprove() *cobra.Command {
	var f approving
	cmd := &cobra.Command{
		Use: "approve PROPOSAL…", Short: "Have stock in Odoo corrected to what the events say", Args: cobra.MinimumNArgs(1),
		Long: `Approve corrections that odoo reconcile proposes, by their ids. The mesh is compared with Odoo again first: a proposal whose difference is not there
any more is refused. Each approval is an event, CorrectionApproved, which the node applies in Odoo once, as an inventory adjustment of the main stock. It says
nothing of what the plant has.`,
		Example: "  plantmesh odoo approve correction-6f1f0a93c2d4e5b7 --by 'J. Doe' --reason 'booked twice by hand'",
		RunE: func(cmd *cobra.Command, ids []string) error {
			return compare(cmd, &f.connection, func(r reconcile.Report, to facing) error {
				return f.approve(cmd.Context(), cmd.OutOrStdout(), ids, r, to.client, to.site)
			})
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&f.by, "by", "", "who approves it")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why")
	_ = cmd.MarkFlagRequired("by")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

// approve approves all of the proposals, or none if one of them is not open.
func (f *approving) approve(ctx context.Context, w io.Writer, ids []string, r reconcile.Report, client *plantmesh.Client, site plantmesh.SiteID) error {
	open := map[string]reconcile.Difference{}
	for _, d := range r.Differences {
		if d.Proposal != nil {
			open[d.Proposal.ID] = d
		}
	}
	for _, id := range ids {
		if _, ok := open[id]; !ok {
			return fmt.Errorf("proposal %s is not open: its difference is gone or another one now, or a correction is under way; nothing is approved. plantmesh odoo reconcile lists what is open", id)
		}
	}
	for _, id := range ids {
		d := open[id]
		event, err := plantmesh.NewEvent(reconcile.CorrectionsSource(site), d.Proposal.ApprovalID(), time.Now(), d.Proposal.Approved(f.by, f.reason))
		if err != nil {
			return err
		}
		if _, err := client.Publish(ctx, event); err != nil {
			return f.explain(err)
		}
		way := "less"
		if d.Proposal.Increase {
			way = "more"
		}
		fmt.Fprintf(w, "approved: %s %s %s of %s at %s in Odoo\n", d.Proposal.Quantity, d.Proposal.Unit, way, d.Subject, d.Site)
	}
	return nil
}
