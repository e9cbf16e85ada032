package node

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/api"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/consumers"
	"github.com/plantmesh/plantmesh/node/exceptions"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/capture"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
	"github.com/plantmesh/plantmesh/node/retention"
	"github.com/plantmesh/plantmesh/node/telemetry"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// odooOwner owns the consumer's part of the derived database.
const odooOwner = "odoo"

// maxParkedShown bounds the parked subjects in a status.
const maxParkedShown = 200

// erp applies every stream that the site holds in Odoo, but for those that say what became of it. A nil erp is a site that faces none.
type erp struct {
	applier  *odoo.Applier
	client   *odoo.Client         // of capture and comparison; nil: there is neither
	compare  *reconcile.Scheduled // nil: not scheduled
	capture  *capture.Capture     // nil: not configured
	consumer *consumer.Consumer
}

func newERP(cfg config.Config, disk *stores, tracing *telemetry.Tracing, latency *telemetry.Latency, about *watch, logger *slog.Logger) (*erp, error) {
	if cfg.Odoo == nil {
		return nil, nil
	}
	applier, err := odoo.New(*cfg.Odoo, logger)
	if err != nil {
		return nil, err
	}
	outcomes := odoo.NewOutcomes(applier, plantmesh.SiteID(cfg.Site), disk.log)
	settings := consumer.Config{
		Name: odooOwner, Discarding: outcomes.Discarded, Match: func(s plantmesh.StreamName) bool { return s.Domain() != odoo.OutcomeDomain }, Tracing: tracing, Jumped: func(j consumer.Jump) { about.consumerJumped(odooOwner, j) },
		Concurrency: cfg.Odoo.Concurrency * cfg.Odoo.Batch, // the applier joins what waits at the same time into one call
	}
	if settings.Bulk = applier.Bulk(); settings.Bulk > 0 {
		settings.Collected = applier.Collected
	}
	c, err := consumer.New(settings, disk.log, disk.state.Owner(odooOwner), outcomes, logger)
	if err != nil {
		return nil, err
	}
	e := &erp{applier: applier, consumer: c}
	if cfg.Odoo.Capture == nil && cfg.Odoo.Reconcile.Schedule == "" {
		return e, nil
	}
	if e.client, err = odoo.NewCaptureClient(*cfg.Odoo); err != nil {
		return nil, err
	}
	if e.compare, err = newReconciler(cfg, disk, c, e.client, about.metrics.Differences, logger); err != nil || cfg.Odoo.Capture == nil {
		return e, err
	}
	e.capture, err = capture.New(*cfg.Odoo, plantmesh.SiteID(cfg.Site), e.client, &publisher{Log: disk.log, tracing: tracing, latency: latency}, logger)
	return e, err
}

func (e *erp) components() []component {
	if e == nil {
		return nil
	}
	parts := []component{{"odoo", func(ctx context.Context) error {
		defer e.applier.Close()
		var preparing sync.WaitGroup
		preparing.Go(func() { _ = e.applier.Prepare(ctx) }) // its status says how that went; the first event tries again
		defer preparing.Wait()
		return e.consumer.Run(ctx)
	}}}
	if e.capture != nil {
		parts = append(parts, component{"capture", e.closing(e.capture.Run)})
	}
	if e.compare != nil {
		parts = append(parts, component{"reconcile", e.closing(e.compare.Run)})
	}
	return parts
}

// closing closes the client's idle connections at the end.
func (e *erp) closing(run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		defer e.client.Close()
		return run(ctx)
	}
}

// compared is the last comparison with Odoo.
func (e *erp) compared() (reconcile.Report, bool) {
	if e == nil || e.compare == nil {
		return reconcile.Report{}, false
	}
	return e.compare.Last()
}

// blocked are the kinds of records that capture cannot read now.
func (e *erp) blocked() []exceptions.BlockedCapture {
	if e == nil || e.capture == nil {
		return nil
	}
	var all []exceptions.BlockedCapture
	for _, k := range e.capture.Status().Kinds {
		if k.Problem != "" || !k.Polled.IsZero() || k.Absent {
			all = append(all, exceptions.BlockedCapture{Kind: k.Name, Problem: k.Problem})
		}
	}
	return all
}

// captureProblem joins what keeps capture from reading.
func (e *erp) captureProblem() string {
	problem := ""
	for _, k := range e.blocked() {
		problem = joinProblems(problem, k.Problem)
	}
	return problem
}

// readers are the consumers of the log, for retention.
func (e *erp) readers() []retention.Reader {
	if e == nil {
		return nil
	}
	var all []retention.Reader
	for _, p := range e.consumer.Status().Positions {
		all = append(all, retention.Reader{Name: "consumer " + odooOwner, Stream: p.Stream, Incarnation: p.KeptIncarnation, Offset: p.Kept})
	}
	return all
}

func (e *erp) fill(s *adminv1.GetStatusResponse) {
	if e == nil {
		return
	}
	a, c := e.applier.Status(), e.consumer.Status()
	s.Odoo = &adminv1.OdooApplier{
		Url: a.URL, Database: a.Database, ServerVersion: a.ServerVersion, Problem: joinProblems(joinProblems(a.Problem, c.Problem), e.captureProblem()),
		Counts: &adminv1.ApplyCounts{
			Applied: c.Counts.Applied, Duplicates: c.Counts.Duplicates, Ignored: c.Counts.Ignored, Parked: c.Counts.Parked, Retries: c.Counts.Retries,
			Discarded: c.Counts.Discarded,
		},
		EndToEndLatency: api.LatencyMessage(c.Latency),
	}
	s.Odoo.Positions = consumers.Positions(c)
	for _, p := range c.Parked[:min(len(c.Parked), maxParkedShown)] {
		s.Odoo.Parked = append(s.Odoo.Parked, &adminv1.ParkedSubject{
			Stream: string(p.Stream), Subject: p.Subject, Offset: uint64(p.Offset), EventId: p.EventID, EventType: p.EventType, Reason: p.Reason,
			Events: p.Events, Since: timestamppb.New(p.Since), Attempts: uint32(p.Attempts), RetryTime: timestamppb.New(p.RetryTime),
		})
	}
}

// joinProblems names each problem once.
func joinProblems(a, b string) string {
	switch {
	case a == "" || strings.Contains(b, a):
		return b
	case b == "" || strings.Contains(a, b):
		return a
	}
	return a + "; " + b
}
