package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

func newPeers() *cobra.Command {
	var c connection
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Show the other sites of the mesh: who is alive, how it is connected, and what lags",
		Long: `Show the other sites of the mesh, as gossip and this node's links tell.

STATE is alive, suspect (it does not answer, and has some seconds left to), dead, or left (it was stopped in order).
CONNECTED says how: a link, the site through which gossip goes, or no. CLOCK is the site's clock minus this node's; ! marks
one beyond limits.clock_skew. LAG counts events: what this node has yet to get of the site's streams, and the site of this node's.`,
		Example: "  plantmesh peers --config hq/plantmesh.yaml\n  plantmesh peers --json | jq '.members[] | select(.state != \"MEMBER_STATE_ALIVE\")'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.dial(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			status, err := client.Admin().GetStatus(cmd.Context(), &adminv1.GetStatusRequest{})
			if err != nil {
				return plantmesh.FromStatus(err)
			}
			if asJSON {
				return writeMessage(cmd.OutOrStdout(), &adminv1.GetStatusResponse{
					Node: status.GetNode(), Links: status.GetLinks(), Members: status.GetMembers(), Replicas: status.GetReplicas(), Followers: status.GetFollowers(),
					ClockSkews: status.GetClockSkews(), Refusals: status.GetRefusals(),
				})
			}
			return printPeers(cmd.OutOrStdout(), status, time.Now())
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write it as JSON: the parts of AdminService.GetStatus that are about other sites")
	return cmd
}

// printPeers writes a row for each other site, and for each address that leads to none yet.
func printPeers(w io.Writer, s *adminv1.GetStatusResponse, now time.Time) error {
	t := newTable(w, "PEERS OF "+strings.ToUpper(s.GetNode().GetSite()), "SITE", "REGION", "VERSION", "STATE", "SINCE", "CONNECTED", "ROUND TRIP", "CLOCK", "LAG IN", "LAG OUT", "WHY")
	members := map[string]bool{}
	for _, m := range s.GetMembers() {
		members[m.GetSite()] = true
		in, why := lagIn(s, m.GetSite())
		out, whyOut := lagOut(s, m.GetSite())
		trip, clock := "", ""
		if m.GetRoundTrip() != nil {
			trip, clock = short(m.GetRoundTrip().AsDuration()), clockOff(m.GetClockOffset(), m.GetClockSkewed())
		}
		t.row(m.GetSite(), m.GetRegion(), m.GetVersion(), enumName(m.GetState(), "MEMBER_STATE_"), ago(m.GetSince(), now), connected(m), trip, clock, in, out,
			cmp.Or(m.GetReason(), why, whyOut, linkReason(s, m.GetSite()), refusal(s, m.GetSite())))
	}
	for _, l := range s.GetLinks() {
		if !members[l.GetSite()] {
			t.row(cmp.Or(l.GetSite(), l.GetAddress()), "", l.GetVersion(), "unknown", ago(l.GetSince(), now), "no", "", "", "", "", l.GetReason())
		}
	}
	if t.empty {
		fmt.Fprintf(w, "%s knows no other site: name one under peers, or have another site name this one\n", s.GetNode().GetSite())
	}
	return t.flush()
}

// connected says how a site is reached.
func connected(m *adminv1.Member) string {
	switch {
	case m.GetVia() == "":
		return "no"
	case m.GetHops() <= 1:
		return "link"
	case m.GetHops() == 2:
		return "via " + m.GetVia()
	}
	return fmt.Sprintf("via %s, %d links", m.GetVia(), m.GetHops())
}

// clockOff writes a clock's offset, marked if it is too much.
func clockOff(offset *durationpb.Duration, skewed bool) string {
	if skewed {
		return short(offset.AsDuration()) + " !"
	}
	return short(offset.AsDuration())
}

// lagIn sums up what is yet to come of a site's own streams, and the worst reason.
func lagIn(s *adminv1.GetStatusResponse, site string) (lag, why string) {
	var events uint64
	found := false
	for _, r := range s.GetReplicas() {
		if !strings.HasPrefix(r.GetStream(), site+"/") {
			continue
		}
		found = true
		events += r.GetLagEvents()
		if why == "" && r.GetReason() != "" {
			why = r.GetStream() + ": " + r.GetReason()
		}
	}
	if !found {
		return "", ""
	}
	return fmt.Sprint(events), why
}

// lagOut sums up what a site has yet to get from this node.
func lagOut(s *adminv1.GetStatusResponse, site string) (lag, why string) {
	var events uint64
	found := false
	for _, f := range s.GetFollowers() {
		if f.GetSite() != site {
			continue
		}
		found = true
		events += f.GetLagEvents()
		if why == "" && !f.GetConnected() && f.GetReason() != "" {
			why = f.GetStream() + " there: " + f.GetReason()
		}
	}
	if !found {
		return "", ""
	}
	return fmt.Sprint(events), why
}

// refusal is what this node refused a site the last time, since it started.
func refusal(s *adminv1.GetStatusResponse, site string) string {
	for _, r := range s.GetRefusals() {
		if r.GetPeer() == site {
			return "refused here: " + r.GetDetail()
		}
	}
	return ""
}

// linkReason says why this node has no link of its own with a site, if it keeps one.
func linkReason(s *adminv1.GetStatusResponse, site string) string {
	i := slices.IndexFunc(s.GetLinks(), func(l *adminv1.Link) bool { return l.GetSite() == site && l.GetReason() != "" })
	up := slices.ContainsFunc(s.GetLinks(), func(l *adminv1.Link) bool {
		return l.GetSite() == site && l.GetState() == adminv1.LinkState_LINK_STATE_CONNECTED
	})
	if i < 0 || up {
		return ""
	}
	return s.GetLinks()[i].GetReason()
}
