package main

import (
	"fmt"

	"github.com/spf13/cobra"

	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

func newReplicas() *cobra.Command {
	group := &cobra.Command{Use: "replicas", Short: "Remove copies of other sites' streams, and forget sites that held copies of this one's"}
	group.AddCommand(newRemoveReplica(), newForgetSite())
	return group
}

func newRemoveReplica() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use: "remove STREAM", Short: "Remove this node's copy of another site's stream",
		Long: `Remove this node's copy of another site's stream. While it is still subscribed to, it is fetched anew, from the earliest event
that somebody retains.`,
		Example: "  plantmesh replicas remove plant-a/production",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.dial(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			if _, err := client.Admin().RemoveReplica(cmd.Context(), &adminv1.RemoveReplicaRequest{Stream: args[0]}); err != nil {
				return c.explain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "removed the replica of %s\n", args[0])
			return nil
		},
	}
	c.flags(cmd)
	return cmd
}

func newForgetSite() *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use: "forget SITE", Short: "Forget a site that followed streams of this node and will not come back, so that retention does not wait for it",
		Example: "  plantmesh replicas forget plant-c",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.dial(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			answer, err := client.Admin().ForgetSite(cmd.Context(), &adminv1.ForgetSiteRequest{Site: args[0]})
			if err != nil {
				return c.explain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "forgot %s, which followed %d streams\n", args[0], answer.GetStreams())
			return nil
		},
	}
	c.flags(cmd)
	return cmd
}
