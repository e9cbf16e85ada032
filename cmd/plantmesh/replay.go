package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/replay"
)

func newReplay() *cobra.Command {
	group := &cobra.Command{Use: "replay", Short: "Prove what became of events in Odoo after an outage"}
	group.AddCommand(newReplayValidate())
	return group
}

// replaying is what the flags of replay validate say.
type replaying struct {
	connection
	since, until string
	asJSON       bool
}

func newReplayValidate() *cobra.Command {
	var f replaying
	cmd := &cobra.Command{
		Use:   "validate [STREAM…]",
		Short: "Prove that all events of a span of time are applied in Odoo, parked, discarded or still queued",
		Long: `Look up every event that was recorded in a span of time, at whatever site, in the journal that Odoo keeps of what was applied: each has to be
there once, in the order of its subject, or be parked, discarded by somebody, or still have its turn to come. Run it with the configuration of
the node that faces Odoo; the node has to run, and may go on working.

Exit status 1 if anything else became of an event, or if it is not held any more.`,
		Example: `  plantmesh replay validate --since 2026-05-04T06:00:00Z --until 2026-05-04T14:00:00Z
  plantmesh replay validate --since 36h plant-a/production --json`,
		RunE: f.run,
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&f.since, "since", "", "when the span begins: a time (RFC 3339), or how long ago, such as 36h")
	cmd.Flags().StringVar(&f.until, "until", "0s", "when it ends, likewise")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "write the report as JSON")
	_ = cmd.MarkFlagRequired("since")
	return cmd
}

func (f *replaying) run(cmd *cobra.Command, args []string) error {
	v := replay.Validation{}
	var err error
	if v.Since, err = spanTime("--since", f.since); err != nil {
		return err
	}
	if v.Until, err = spanTime("--until", f.until); err != nil {
		return err
	}
	if !v.Since.Before(v.Until) {
		return &usageError{err: fmt.Errorf("the span ends at %s, before it begins at %s", f.until, f.since), help: cmd.CommandPath()}
	}
	for _, name := range args {
		stream, err := plantmesh.ParseStreamName(name)
		if err != nil {
			return &usageError{err: err, help: cmd.CommandPath()}
		}
		v.Streams = append(v.Streams, stream)
	}
	return f.facing(cmd, func(to facing) error {
		v.Node, v.Journal = to.node, odoo.NewReader(to.erp)
		v.HasEffect = func(stream plantmesh.StreamName, i replay.Item) bool {
			return to.config.HasEffect(to.site, stream, i.Incarnation, i.Event)
		}
		return f.validate(cmd, v)
	})
}

// validate prints what became of the events.
func (f *replaying) validate(cmd *cobra.Command, v replay.Validation) error {
	report, err := v.Run(cmd.Context())
	if err != nil {
		return f.explain(err)
	}
	if err := printReplay(cmd.OutOrStdout(), report, f.asJSON); err != nil {
		return err
	}
	if !report.Valid {
		return errors.New("not valid: something else became of events")
	}
	return nil
}

// spanTime reads a time, or how long ago it was.
func spanTime(flag, text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, &usageError{err: fmt.Errorf("%s %q: give a time such as 2026-05-04T10:00:00Z, or how long ago, such as 36h", flag, text), help: "plantmesh replay validate"}
	}
	return time.Now().Add(-ago), nil
}

func printReplay(w io.Writer, r replay.Report, asJSON bool) error {
	if asJSON {
		return writeJSON(w, r)
	}
	t := newTable(w, fmt.Sprintf("RECORDED FROM %s TO %s", r.Since.Format(time.RFC3339), r.Until.Format(time.RFC3339)),
		"STREAM", "RECORDED", "APPLIED", "NO EFFECT", "PARKED", "DISCARDED", "QUEUED", "MISSING", "DOUBLED", "REORDERED", "NOT HELD")
	for _, s := range append(r.Streams, replay.Stream{Name: "all", Counts: r.Total}) {
		t.row(s.Name, s.Recorded, s.Applied, s.NoEffect, s.Parked, s.Discarded, s.Queued, s.Missing, s.Doubled, s.Reordered, s.NotHeld)
	}
	if err := t.flush(); err != nil {
		return err
	}
	t = newTable(w, "FOUND", "STREAM", "OFFSET", "SUBJECT", "EVENT", "WHAT")
	for _, f := range r.Findings {
		t.row(f.Stream, f.Offset, f.Subject, f.Event, f.What)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if r.Valid {
		fmt.Fprintln(w, "valid: every event is applied once and in order, parked, discarded or queued")
	}
	return nil
}
