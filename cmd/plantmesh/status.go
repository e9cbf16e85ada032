package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

func newStatus() *cobra.Command {
	var c connection
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show a node's streams, links, lag, adapters and what is parked",
		Example: "  plantmesh status --config hq/plantmesh.yaml\n  plantmesh status --json | jq .replicas",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.dial(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			status, err := client.Admin().GetStatus(cmd.Context(), &adminv1.GetStatusRequest{})
			if err != nil {
				return c.explain(err)
			}
			if asJSON {
				return writeMessage(cmd.OutOrStdout(), status)
			}
			return printStatus(cmd.OutOrStdout(), status, time.Now())
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write it as JSON, as AdminService.GetStatus answers")
	return cmd
}

// printStatus writes what an operator wants to see at a glance: tables without rows are left out.
func printStatus(w io.Writer, s *adminv1.GetStatusResponse, now time.Time) error {
	n := s.GetNode()
	fmt.Fprintf(w, "%s of mesh %s, region %s, version %s, up %s, %s resident\n", n.GetSite(), n.GetMesh(), n.GetRegion(), n.GetVersion(),
		short(now.Sub(n.GetStartTime().AsTime())), size(n.GetResidentBytes()))
	if l := n.GetPublishLatency(); l.GetCount() > 0 {
		fmt.Fprintf(w, "durable publish: %d times, p50 %s, p99 %s, max %s\n", l.GetCount(), short(l.GetP50().AsDuration()), short(l.GetP99().AsDuration()), short(l.GetMax().AsDuration()))
	}
	fmt.Fprintln(w)
	for _, part := range []func(io.Writer, *adminv1.GetStatusResponse, time.Time) error{printExceptions, printStreams, printLinks, printReplicas, printFollowers, printRefusals, printAdapters, printConfirmations, printOdoo} {
		if err := part(w, s, now); err != nil {
			return err
		}
	}
	return nil
}

func printExceptions(w io.Writer, s *adminv1.GetStatusResponse, now time.Time) error {
	t := newTable(w, "TO BE LOOKED AT", "SINCE", "KIND", "ABOUT", "WHAT", "WHAT TO DO")
	for _, e := range s.GetExceptions() {
		t.row(ago(e.GetRaiseTime(), now), e.GetKind(), e.GetAbout(), e.GetSummary(), e.GetAction())
	}
	return t.flush()
}

// printConfirmations writes what the ERP has not told, or refused, of the site's own events.
func printConfirmations(w io.Writer, s *adminv1.GetStatusResponse, now time.Time) error {
	c := s.GetConfirmations()
	if c == nil {
		return nil
	}
	fmt.Fprintf(w, "CONFIRMATIONS\n  %d events wait for the ERP's word, %d of them for too long, and %d are rejected", c.GetWaiting(), c.GetOverdue(), c.GetRejected())
	if c.GetOldestTime() != nil {
		fmt.Fprintf(w, "; the oldest was recorded %s", ago(c.GetOldestTime(), now))
	}
	if c.GetGivenUp() > 0 {
		fmt.Fprintf(w, "; %d are not waited for any more, since there were too many", c.GetGivenUp())
	}
	fmt.Fprint(w, "\n\n")
	return nil
}

// printRefusals writes whom this node refused what: the other side of a replica that stalls there.
func printRefusals(w io.Writer, s *adminv1.GetStatusResponse, now time.Time) error {
	t := newTable(w, "REFUSED HERE", "WHO", "WHAT", "STREAM", "TIMES", "LAST", "REASON")
	for _, r := range s.GetRefusals() {
		t.row(r.GetPeer(), r.GetAction(), r.GetStream(), r.GetCount(), ago(r.GetLastTime(), now), r.GetDetail())
	}
	return t.flush()
}

func printStreams(w io.Writer, s *adminv1.GetStatusResponse, now time.Time) error {
	t := newTable(w, "STREAMS", "STREAM", "CLASS", "EARLIEST", "HEAD", "LAST EVENT", "STORED", "", "RETENTION HELD BACK BY")
	for _, stream := range s.GetStreams() {
		kind := "origin"
		if stream.GetReplica() {
			kind = "replica"
		}
		t.row(stream.GetStream(), enumName(stream.GetClass(), "CLASS_"), stream.GetEarliestOffset(), stream.GetHeadOffset(), ago(stream.GetHeadTime(), now), size(stream.GetStoredBytes()), kind, stream.GetRetentionHold())
	}
	return t.flush()
}

func printLinks(w io.Writer, s *adminv1.GetStatusResponse, now time.Time) error {
	t := newTable(w, "LINKS", "PEER", "SITE", "KIND", "STATE", "SINCE", "ROUND TRIP", "CLOCK", "REASON")
	skewed := map[string]bool{}
	for _, m := range s.GetMembers() {
		skewed[m.GetSite()] = m.GetClockSkewed()
	}
	for _, l := range s.GetLinks() {
		trip, clock := "", ""
		if l.GetRoundTrip() != nil {
			trip, clock = short(l.GetRoundTrip().AsDuration()), clockOff(l.GetClockOffset(), skewed[l.GetSite()])
		}
		t.row(l.GetAddress(), l.GetSite(), enumName(l.GetKind(), "LINK_KIND_"), enumName(l.GetState(), "LINK_STATE_"), ago(l.GetSince(), now), trip, clock, l.GetReason())
	}
	return t.flush()
}

func printReplicas(w io.Writer, s *adminv1.GetStatusResponse, _ time.Time) error {
	t := newTable(w, "REPLICAS HERE", "STREAM", "STATE", "OFFSET", "BEHIND", "", "FROM", "REASON")
	for _, r := range s.GetReplicas() {
		lag := ""
		if r.GetLagTime().AsDuration() > 0 {
			lag = short(r.GetLagTime().AsDuration())
		}
		t.row(r.GetStream(), enumName(r.GetState(), "REPLICA_STATE_"), r.GetOffset(), r.GetLagEvents(), lag, r.GetLink(), r.GetReason())
	}
	return t.flush()
}

func printFollowers(w io.Writer, s *adminv1.GetStatusResponse, now time.Time) error {
	t := newTable(w, "REPLICAS ELSEWHERE", "SITE", "STREAM", "CONNECTED", "DURABLE THERE", "BEHIND", "REPORTED", "REASON")
	for _, f := range s.GetFollowers() {
		t.row(f.GetSite(), f.GetStream(), yesNo(f.GetConnected()), f.GetDurableOffset(), f.GetLagEvents(), ago(f.GetLastReportTime(), now), f.GetReason())
	}
	return t.flush()
}

// filesShown is how many of an adapter's files the table lists; --json has more.
const filesShown = 5

func printAdapters(w io.Writer, s *adminv1.GetStatusResponse, _ time.Time) error {
	t := newTable(w, "ADAPTERS", "ADAPTER", "FILE", "READ", "RECORDED", "DUPLICATES", "REJECTED", "SKIPPED", "PROBLEM")
	row := func(name, file string, c *adminv1.ImportCounts, problem string) {
		t.row(name, file, c.GetRead(), c.GetRecorded(), c.GetDuplicates(), c.GetRejected(), c.GetSkipped(), problem)
	}
	for _, a := range s.GetAdapters() {
		row(a.GetName(), "(all)", a.GetTotal(), a.GetProblem())
		for _, f := range a.GetFiles()[:min(len(a.GetFiles()), filesShown)] {
			row("", f.GetName(), f.GetCounts(), f.GetProblem())
		}
	}
	return t.flush()
}

func printOdoo(w io.Writer, s *adminv1.GetStatusResponse, now time.Time) error {
	o := s.GetOdoo()
	if o == nil {
		return nil
	}
	fmt.Fprintf(w, "ODOO\n  %s, database %s, version %s\n", o.GetUrl(), o.GetDatabase(), o.GetServerVersion())
	if o.GetProblem() != "" {
		fmt.Fprintf(w, "  problem: %s\n", o.GetProblem())
	}
	c := o.GetCounts()
	fmt.Fprintf(w, "  %d applied (%d found there already), %d without effect there, %d parked, %d retries\n", c.GetApplied(), c.GetDuplicates(), c.GetIgnored(), c.GetParked(), c.GetRetries())
	if l := o.GetEndToEndLatency(); l.GetCount() > 0 {
		fmt.Fprintf(w, "  from the plant's disk to Odoo: p50 %s, p99 %s\n", short(l.GetP50().AsDuration()), short(l.GetP99().AsDuration()))
	}
	fmt.Fprintln(w)
	t := newTable(w, "APPLIED IN ODOO", "STREAM", "UP TO", "BEHIND", "COLLECTED UNTIL")
	for _, p := range o.GetPositions() {
		until := ""
		if p.GetOpeningTime() != nil {
			until = fmt.Sprintf("%s, %d wait", p.GetOpeningTime().AsTime().Format(time.RFC3339), p.GetWaitingEvents())
		}
		t.row(p.GetStream(), p.GetOffset(), p.GetLagEvents(), until)
	}
	if err := t.flush(); err != nil {
		return err
	}
	t = newTable(w, "PARKED", "STREAM", "SUBJECT", "EVENT", "HELD BACK", "SINCE", "RETRY IN", "REASON")
	for _, p := range o.GetParked() {
		t.row(p.GetStream(), p.GetSubject(), fmt.Sprintf("%s@%d %s", shortType(p.GetEventType()), p.GetOffset(), p.GetEventId()), p.GetEvents(),
			ago(p.GetSince(), now), short(max(0, p.GetRetryTime().AsTime().Sub(now))), p.GetReason())
	}
	return t.flush()
}

func ago(t *timestamppb.Timestamp, now time.Time) string {
	if t == nil || t.AsTime().Unix() <= 0 {
		return "never"
	}
	return short(now.Sub(t.AsTime())) + " ago"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
