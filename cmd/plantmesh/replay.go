package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/replay"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
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
	cfg, err := loadConfig(f.config)
	if err != nil {
		return err
	}
	if cfg.Odoo == nil {
		return &usageError{err: errors.New("the configuration has no section odoo: run this with that of the node that faces Odoo"), help: cmd.CommandPath()}
	}
	erp, err := odoo.NewCaptureClient(*cfg.Odoo)
	if err != nil {
		return err
	}
	defer erp.Close()
	client, err := f.dial(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	v.Node, v.Journal = &odooNode{client: client, site: plantmesh.SiteID(cfg.Site)}, odoo.NewReader(erp)
	v.HasEffect = func(stream plantmesh.StreamName, i replay.Item) bool {
		return cfg.Odoo.HasEffect(plantmesh.SiteID(cfg.Site), stream, i.Incarnation, i.Event)
	}
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

// odooNode asks the node that faces Odoo.
type odooNode struct {
	client *plantmesh.Client
	site   plantmesh.SiteID
	parked map[parkedSubject]plantmesh.Offset // as they were when the positions were; nil: there are too many, each is asked for
}

type parkedSubject struct {
	stream  plantmesh.StreamName
	subject string
}

func (n *odooNode) Positions(ctx context.Context) (map[plantmesh.StreamName]plantmesh.Offset, error) {
	status, err := n.client.Admin().GetStatus(ctx, &adminv1.GetStatusRequest{})
	if err != nil {
		return nil, err
	}
	if status.GetOdoo() == nil {
		return nil, errors.New("the node faces no Odoo: restart it with the section odoo of its configuration")
	}
	positions := map[plantmesh.StreamName]plantmesh.Offset{}
	for _, p := range status.GetOdoo().GetPositions() {
		positions[plantmesh.StreamName(p.GetStream())] = plantmesh.Offset(p.GetOffset())
	}
	list, err := n.client.Admin().ListParked(ctx, &adminv1.ListParkedRequest{Consumer: "odoo"})
	if err != nil {
		return nil, err
	}
	n.parked = nil
	if list.GetTotalParked() == uint64(len(list.GetParked())) {
		n.parked = map[parkedSubject]plantmesh.Offset{}
		for _, p := range list.GetParked() {
			n.parked[parkedSubject{plantmesh.StreamName(p.GetStream()), p.GetSubject()}] = plantmesh.Offset(p.GetOffset())
		}
	}
	return positions, nil
}

// Parked answers from the list that was read behind the positions, and asks for one subject alone only where that list is not the whole.
func (n *odooNode) Parked(ctx context.Context, stream plantmesh.StreamName, subject string) (plantmesh.Offset, error) {
	if n.parked != nil {
		return n.parked[parkedSubject{stream, subject}], nil
	}
	answer, err := n.client.Admin().GetParked(ctx, &adminv1.GetParkedRequest{Consumer: "odoo", Stream: string(stream), Subject: subject})
	if errors.Is(plantmesh.FromStatus(err), plantmesh.ErrInvalidRequest) { // it is not
		return 0, nil
	}
	return plantmesh.Offset(answer.GetParked().GetOffset()), err
}

// Discarded reads the site's own stream of outcomes.
func (n *odooNode) Discarded(ctx context.Context) (map[string]bool, error) {
	from := plantmesh.From{
		Stream: plantmesh.StreamOf(n.site, odoo.OutcomeDomain), UntilHead: true, OnJump: func(plantmesh.Jump) error { return nil },
		Types: []string{string((&manufacturingv1.ErpRejected{}).ProtoReflect().Descriptor().FullName())},
	}
	gone := map[string]bool{}
	for d, err := range n.client.Subscribe(ctx, from) {
		if errors.Is(err, plantmesh.ErrUnknownStream) {
			return gone, nil // nothing came of any event yet
		}
		if err != nil {
			return nil, err
		}
		payload, err := plantmesh.Payload(d.Event.GetEvent())
		if err != nil {
			return nil, err
		}
		if rejected, ok := payload.(*manufacturingv1.ErpRejected); ok && rejected.GetDiscarded() {
			gone[odoo.EventKey(rejected.GetEventSource(), rejected.GetEventId())] = true
		}
	}
	return gone, nil
}

func (n *odooNode) Events(ctx context.Context, stream plantmesh.StreamName, since time.Time) iter.Seq2[replay.Item, error] {
	return func(yield func(replay.Item, error) bool) {
		var jumped []replay.Item
		from := plantmesh.From{Stream: stream, Time: since, UntilHead: true, OnJump: func(j plantmesh.Jump) error {
			if j.Incarnation == j.To && j.ToAfter > j.After {
				jumped = append(jumped, replay.Item{Incarnation: j.To, First: j.After + 1, Last: j.ToAfter})
			}
			return nil
		}}
		for d, err := range n.client.Subscribe(ctx, from) {
			for _, item := range jumped {
				if !yield(item, nil) {
					return
				}
			}
			jumped = nil
			if err != nil {
				yield(replay.Item{}, err)
				return
			}
			if !yield(replay.Item{Incarnation: d.Incarnation, Event: d.Event}, nil) {
				return
			}
		}
		for _, item := range jumped {
			if !yield(item, nil) {
				return
			}
		}
	}
}
