package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

func newConsumers() *cobra.Command {
	group := &cobra.Command{
		Use:   "consumers",
		Short: "List and delete the durable consumers of a node",
		Long: `List and delete the durable consumers of a node: the Odoo applier, odoo, and those that clients made, named client/consumer. A consumer
that nobody has open holds back the retention of what it reads, until it is deleted.`,
	}
	group.AddCommand(newListConsumers(), newDeleteConsumer())
	return group
}

func newListConsumers() *cobra.Command {
	var c connection
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List consumers: who has them open, how far behind they are, what is parked", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.dial(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			list, err := client.Admin().ListConsumers(cmd.Context(), &adminv1.ListConsumersRequest{})
			if err != nil {
				return c.explain(err)
			}
			if asJSON {
				return writeMessage(cmd.OutOrStdout(), list)
			}
			if len(list.GetConsumers()) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "no consumers: clients make them with Consume")
			}
			t := newTable(cmd.OutOrStdout(), fmt.Sprintf("CONSUMERS (%d)", len(list.GetConsumers())), "CONSUMER", "STREAMS", "OPEN", "BEHIND", "DONE", "PARKED", "PROBLEM")
			for _, one := range list.GetConsumers() {
				t.row(one.GetName(), readsOf(one), openness(one), behind(one), one.GetCounts().GetApplied(), one.GetParkedSubjects(), one.GetProblem())
			}
			return t.flush()
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write it as JSON, with positions and counts")
	return cmd
}

func readsOf(c *adminv1.Consumer) string {
	if c.GetSettings() == nil {
		return "*/*"
	}
	return strings.Join(c.GetSettings().GetStreams(), " ")
}

// openness says who reads, or since when nobody does.
func openness(c *adminv1.Consumer) string {
	switch {
	case c.GetSettings() == nil:
		return "by the node"
	case len(c.GetCalls()) > 0:
		inFlight := uint32(0)
		for _, call := range c.GetCalls() {
			inFlight += call.GetInFlight()
		}
		return fmt.Sprintf("%d calls, %d in flight", len(c.GetCalls()), inFlight)
	case c.GetLastCallTime() != nil:
		return "not since " + c.GetLastCallTime().AsTime().Format(time.RFC3339)
	}
	return "not since the node started"
}

// behind is how many events are not dealt with, in all streams.
func behind(c *adminv1.Consumer) uint64 {
	var lag uint64
	for _, p := range c.GetPositions() {
		lag += p.GetLagEvents()
	}
	return lag
}

func newDeleteConsumer() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use: "delete CONSUMER", Short: "Delete a consumer that a client made, with its positions and what it has parked",
		Long: `Delete a consumer that a client made, with its positions and what it has parked. The events stay in the log. Programs that have it
open are told; one that opens the name again begins anew.`,
		Example: "  plantmesh consumers delete mes/orders",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.dial(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			if _, err := client.Admin().DeleteConsumer(cmd.Context(), &adminv1.DeleteConsumerRequest{Consumer: args[0]}); err != nil {
				return c.explain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "deleted %s\n", args[0])
			return nil
		},
	}
	c.flags(cmd)
	return cmd
}
