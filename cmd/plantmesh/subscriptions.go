package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

func newSubscriptions() *cobra.Command {
	group := &cobra.Command{
		Use:   "subscriptions",
		Short: "List, add and remove what a node replicates from other sites",
	}
	group.AddCommand(newListSubscriptions(), newAddSubscription(), newRemoveSubscription())
	return group
}

func newListSubscriptions() *cobra.Command {
	var c connection
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the subscriptions of the configuration and those added since", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.dial(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			list, err := client.Admin().ListSubscriptions(cmd.Context(), &adminv1.ListSubscriptionsRequest{})
			if err != nil {
				return c.explain(err)
			}
			if asJSON {
				return writeMessage(cmd.OutOrStdout(), list)
			}
			t := newTable(cmd.OutOrStdout(), "SUBSCRIPTIONS", "FROM", "STREAMS", "WHEN", "")
			for _, s := range list.GetConfigured() {
				t.row(s.GetFrom(), strings.Join(s.GetStreams(), " "), opening(s), "configured")
			}
			for _, s := range list.GetAdded() {
				t.row(s.GetFrom(), strings.Join(s.GetStreams(), " "), opening(s), "added")
			}
			return t.flush()
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write it as JSON")
	return cmd
}

// opening says when a subscription lets streams come.
func opening(s *adminv1.Subscription) string {
	if s.GetSchedule() == "" {
		return "always"
	}
	text := fmt.Sprintf("%s for %s, %s", s.GetSchedule(), s.GetWindow().AsDuration(), cmp.Or(s.GetTimezone(), "UTC"))
	if s.GetAtStart() {
		text += ", and at the start"
	}
	return text
}

func newAddSubscription() *cobra.Command {
	var c connection
	s := &adminv1.Subscription{}
	var window time.Duration
	cmd := &cobra.Command{
		Use: "add SITES STREAM…", Short: "Subscribe to streams of other sites, at once and for good",
		Long: `Subscribe to streams of other sites, at once and for good. Sites and streams may be patterns, in which * stands for any characters; sites
that are not known yet count, too.

With --schedule the streams come in windows, and what the catalog marks as an exception at once.`,
		Example: "  plantmesh subscriptions add 'plant-*' production quality\n  plantmesh subscriptions add '*' finance --schedule '0 2 * * *' --window 2h --timezone Europe/Berlin",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.dial(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			s.From, s.Streams = args[0], args[1:]
			if window != 0 {
				s.Window = durationpb.New(window)
			}
			answer, err := client.Admin().AddSubscription(cmd.Context(), &adminv1.AddSubscriptionRequest{Subscription: s})
			if err != nil {
				return c.explain(err)
			}
			text := "subscribed"
			if !answer.GetAdded() {
				text = "was subscribed already"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s to %s of %s\n", text, strings.Join(args[1:], ", "), args[0])
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVar(&s.Schedule, "schedule", "", "when they come: minute, hour, day of month, month and day of week, as cron has them; without it at all times")
	cmd.Flags().DurationVar(&window, "window", 0, "how long it is open then, such as 2h or 90m")
	cmd.Flags().StringVar(&s.Timezone, "timezone", "", "of the schedule, such as Europe/Berlin; without it UTC")
	cmd.Flags().BoolVar(&s.AtStart, "at-start", false, "open for one window when the node starts, too, so that none is missed")
	return cmd
}

func newRemoveSubscription() *cobra.Command {
	var c connection
	var replicas bool
	cmd := &cobra.Command{
		Use: "remove SITES STREAM…", Short: "Take back a subscription that was added, whatever its schedule",
		Example: "  plantmesh subscriptions remove 'plant-*' production quality --remove-replicas",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.dial(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			answer, err := client.Admin().RemoveSubscription(cmd.Context(), &adminv1.RemoveSubscriptionRequest{
				Subscription: &adminv1.Subscription{From: args[0], Streams: args[1:]}, RemoveReplicas: replicas,
			})
			if err != nil {
				return c.explain(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "not subscribed any more to %s of %s\n", strings.Join(args[1:], ", "), args[0])
			for _, s := range answer.GetRemovedStreams() {
				fmt.Fprintf(cmd.OutOrStdout(), "removed the replica of %s\n", s)
			}
			return nil
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&replicas, "remove-replicas", false, "remove the copies held here, too, that nothing wants any more")
	return cmd
}
