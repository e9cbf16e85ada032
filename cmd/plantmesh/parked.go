package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

func newParked() *cobra.Command {
	group := &cobra.Command{
		Use:   "parked",
		Short: "List, show, retry and discard what a consumer set aside",
		Long: `List, show, retry and discard what a consumer of this node set aside because it could not be applied. An event that is parked holds back
the later events of its subject in its stream. The consumer is the Odoo applier, odoo, if no other is named.`,
	}
	group.AddCommand(newListParked(), newShowParked(), newRetryParked(), newDiscardParked())
	return group
}

// parkedCommand adds what the verbs have in common: do gets a client, and its errors are explained.
func parkedCommand(cmd *cobra.Command, do func(client *plantmesh.Client, consumer string, asJSON bool, args []string) error) *cobra.Command {
	var c connection
	var consumer string
	var asJSON bool
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := c.dial(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		if err := do(client, consumer, asJSON, args); err != nil {
			return c.explain(err)
		}
		return nil
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&consumer, "consumer", "odoo", "name of the consumer")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the answer as JSON")
	return cmd
}

func newListParked() *cobra.Command {
	var discarded bool
	cmd := &cobra.Command{Use: "list", Short: "List parked subjects, oldest first, at most 1000", Args: cobra.NoArgs}
	cmd.Flags().BoolVar(&discarded, "discarded", false, "list what was discarded, too: by whom, when and why")
	return parkedCommand(cmd, func(client *plantmesh.Client, consumer string, asJSON bool, _ []string) error {
		list, err := client.Admin().ListParked(cmd.Context(), &adminv1.ListParkedRequest{Consumer: consumer, Discarded: discarded})
		if err != nil {
			return err
		}
		if asJSON {
			return writeMessage(cmd.OutOrStdout(), list)
		}
		if list.GetTotalParked() == 0 {
			fmt.Fprintln(cmd.OutOrStdout(), "nothing is parked")
		}
		t := newTable(cmd.OutOrStdout(), fmt.Sprintf("PARKED (%d)", list.GetTotalParked()), "STREAM", "SUBJECT", "OFFSET", "EVENTS", "ATTEMPTS", "REASON")
		for _, p := range list.GetParked() {
			t.row(p.GetStream(), p.GetSubject(), p.GetOffset(), p.GetEvents(), p.GetAttempts(), p.GetReason())
		}
		if err := t.flush(); err != nil {
			return err
		}
		t = newTable(cmd.OutOrStdout(), fmt.Sprintf("DISCARDED (%d)", list.GetTotalDiscarded()), "STREAM", "SUBJECT", "OFFSET", "TIME", "BY", "REASON")
		for _, d := range list.GetDiscarded() {
			t.row(d.GetStream(), d.GetSubject(), d.GetOffset(), d.GetDiscardTime().AsTime().Format(time.RFC3339), d.GetDiscardedBy(), d.GetReason())
		}
		return t.flush()
	})
}

func newShowParked() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show STREAM SUBJECT", Short: "Show a parked subject with the event that holds it up, as JSON",
		Example: "  plantmesh parked show plant-a/production order/WO-1001", Args: cobra.ExactArgs(2),
	}
	return parkedCommand(cmd, func(client *plantmesh.Client, consumer string, _ bool, args []string) error {
		answer, err := client.Admin().GetParked(cmd.Context(), &adminv1.GetParkedRequest{Consumer: consumer, Stream: args[0], Subject: args[1]})
		if err != nil {
			return err
		}
		return writeMessage(cmd.OutOrStdout(), answer)
	})
}

func newRetryParked() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "retry STREAM SUBJECT | --all", Short: "Have a parked subject tried again at once, or all of them",
		Example: "  plantmesh parked retry plant-a/production order/WO-1001\n  plantmesh parked retry --all",
		Args: func(cmd *cobra.Command, args []string) error {
			if all {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.ExactArgs(2)(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "everything that is parked")
	return parkedCommand(cmd, func(client *plantmesh.Client, consumer string, asJSON bool, args []string) error {
		req := &adminv1.RetryParkedRequest{Consumer: consumer}
		if !all {
			req.Stream, req.Subject = args[0], args[1]
		}
		answer, err := client.Admin().RetryParked(cmd.Context(), req)
		if err != nil {
			return err
		}
		if asJSON {
			return writeMessage(cmd.OutOrStdout(), answer)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%d subjects are tried now: see `plantmesh parked list`\n", answer.GetSubjects())
		return nil
	})
}

func newDiscardParked() *cobra.Command {
	var reason string
	var offset uint64
	cmd := &cobra.Command{
		Use: "discard STREAM SUBJECT --offset N --reason TEXT", Short: "Give up the event that holds a subject up, for a reason that is kept",
		Long: `Give up the event that holds a subject up. The events behind it follow at once, in order. The event stays in the log; who discarded
it, when and why is kept, and shown by parked list --discarded.`,
		Example: `  plantmesh parked discard plant-a/production order/WO-1001 --offset 17 --reason "booked by hand, ticket 4711"`,
		Args:    cobra.ExactArgs(2),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" || offset == 0 {
				return &usageError{err: fmt.Errorf("--offset and --reason are required: the offset as `plantmesh parked list` shows it"), help: cmd.CommandPath()}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is kept")
	cmd.Flags().Uint64Var(&offset, "offset", 0, "offset of the event, so that none is discarded but the one that was looked at")
	return parkedCommand(cmd, func(client *plantmesh.Client, consumer string, asJSON bool, args []string) error {
		answer, err := client.Admin().DiscardParked(cmd.Context(), &adminv1.DiscardParkedRequest{
			Consumer: consumer, Stream: args[0], Subject: args[1], Offset: offset, Reason: reason,
		})
		if err != nil {
			return err
		}
		if asJSON {
			return writeMessage(cmd.OutOrStdout(), answer)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "discarded %s@%d\n", args[0], offset)
		return nil
	})
}
