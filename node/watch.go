package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/audit"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/confirmations"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/exceptions"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
	"github.com/plantmesh/plantmesh/node/scrub"
	"github.com/plantmesh/plantmesh/node/telemetry"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

const (
	// exceptionsOwner owns the keeper's part of the derived database.
	exceptionsOwner = "exceptions"
	// maxRefusalsShown bounds the refusals in a status.
	maxRefusalsShown = 200
)

// watch is what a node says about itself: who was refused what, and what somebody has to look at.
type watch struct {
	site    plantmesh.SiteID
	metrics *telemetry.Metrics
	audit   *audit.Recorder
	jumps   *exceptions.Jumps
	keeper  *exceptions.Keeper // set by look, as what follows
	told    *confirmations.Follower
}

func newWatch(cfg config.Config, disk *stores, metrics *telemetry.Metrics, logger *slog.Logger) *watch {
	site := plantmesh.SiteID(cfg.Site)
	return &watch{
		site: site, metrics: metrics, audit: audit.New(site, disk.log, metrics.Refused, logger),
		jumps: exceptions.NewJumps(site, disk.log, metrics.Jump),
	}
}

// look says where conditions are looked for.
func (w *watch) look(disk *stores, m *mesh.Mesh, s *scrub.Scrubber, parked func() []exceptions.ParkedSubject, blocked func() []exceptions.BlockedCapture, told *confirmations.Follower, compared func() (reconcile.Report, bool), logger *slog.Logger) (err error) {
	w.told = told
	w.keeper, err = exceptions.New(w.site, disk.log, disk.state.Owner(exceptionsOwner), w.metrics, logger,
		w.jumps,
		exceptions.Streams(func() []mesh.Replica { return m.Status().Replicas }),
		exceptions.Members(func() []mesh.Member { return m.Status().Members }),
		exceptions.Lost(disk.log, s.Passes),
		exceptions.Parked(parked),
		exceptions.Blocked(blocked),
		exceptions.Unconfirmed(told),
		exceptions.Refused(told),
		exceptions.Gaps(compared),
	)
	if err == nil {
		w.jumps.Wake(w.keeper.Look)
	}
	return err
}

// confirmationsOwner owns the follower's part of the derived database.
const confirmationsOwner = "confirmations"

// newFollower follows the outcomes of the site's events, where they reach it or should: it faces the ERP, holds a stream of outcomes, or
// subscribes to one.
func newFollower(cfg config.Config, disk *stores, metrics *telemetry.Metrics, logger *slog.Logger) (*confirmations.Follower, error) {
	site := plantmesh.SiteID(cfg.Site)
	return confirmations.New(confirmations.Config{
		Site: site, Outcomes: odoo.OutcomeDomain, Captured: odoo.CaptureSource(site), Parks: cfg.Odoo != nil,
		Active: func() bool {
			return cfg.Odoo != nil ||
				slices.ContainsFunc(cfg.Subscriptions, func(s config.Subscription) bool { return slices.Contains(s.Streams, odoo.OutcomeDomain) }) ||
				slices.ContainsFunc(disk.log.AllHeads(), func(h plantmesh.Head) bool { return h.Stream.Domain() == odoo.OutcomeDomain })
		},
		Changed: func(t confirmations.Totals) { metrics.Confirmations(t.Waiting, t.Overdue, t.Rejected) },
	}, disk.log, disk.state.Owner(confirmationsOwner), logger)
}

func (w *watch) components() []component {
	return []component{{"audit", w.audit.Run}, {"exceptions", w.keeper.Run}, {"confirmations", w.told.Run}}
}

// refusedPeer notes what the mesh did not let a site have.
func (w *watch) refusedPeer(r mesh.Refusal) {
	one := audit.Refusal{Peer: string(r.Peer.Site), Region: r.Peer.Region, Action: r.Action, Reason: reasonOf(r.Err), Detail: r.Err.Error()}
	if r.Known {
		one.Stream = r.Stream
	}
	w.audit.Refused(one)
}

// refusedCall notes a call that the door did not let in.
func (w *watch) refusedCall(caller plantmesh.Identity, method string, err error) {
	peer := string(caller.Site)
	if !caller.IsSite() {
		peer = "client/" + caller.Client
	}
	w.audit.Refused(audit.Refusal{Peer: peer, Region: caller.Region, Action: method, Reason: reasonOf(err), Detail: err.Error()})
}

// reasonOf is what an error is called on the wire.
func reasonOf(err error) string {
	for _, detail := range plantmesh.Status(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return plantmesh.Status(err).Code().String()
}

// consumerJumped is told of the jumps of durable consumers.
func (w *watch) consumerJumped(name string, j consumer.Jump) {
	w.jumps.Jumped(exceptions.ReaderConsumer, name, j.Stream, j.Jump)
}

// subscriptionJumped is told of the gaps and resets that subscriptions are answered with.
func (w *watch) subscriptionJumped(s plantmesh.StreamName, j storage.Jump) {
	w.jumps.Jumped(exceptions.ReaderSubscription, "", s, j)
}

func (w *watch) fill(s *adminv1.GetStatusResponse) {
	for i, e := range w.audit.Entries() {
		if i == maxRefusalsShown {
			break
		}
		s.Refusals = append(s.Refusals, &adminv1.Refusal{
			Peer: e.Peer, Action: e.Action, Stream: string(e.Stream), Reason: e.Reason, Detail: e.Detail, Count: e.Count,
			FirstTime: timestamppb.New(e.First), LastTime: timestamppb.New(e.Last),
		})
	}
	if t, ok := w.told.Totals(); ok {
		s.Confirmations = &adminv1.Confirmations{Waiting: uint64(t.Waiting), Overdue: uint64(t.Overdue), Rejected: uint64(t.Rejected), GivenUp: uint64(t.GivenUp)}
		if !t.Oldest.IsZero() {
			s.Confirmations.OldestTime = timestamppb.New(t.Oldest)
		}
	}
	for _, o := range w.keeper.Open() {
		s.Exceptions = append(s.Exceptions, &adminv1.OpenException{
			ExceptionId: o.ID, Kind: o.Kind, About: o.About, Summary: o.Summary, Action: o.Action, RaiseTime: timestamppb.New(o.Raised),
		})
	}
}

// telemetryOf starts tracing and metrics. end hands over what waits, for as long as flushTimeout allows.
func telemetryOf(ctx context.Context, cfg config.Config, o options, logger *slog.Logger) (tracing *telemetry.Tracing, metrics *telemetry.Metrics, end func(), err error) {
	t := telemetry.Config{
		Mesh: cfg.Mesh, Site: cfg.Site, Version: Version, Processors: o.processors, Readers: o.readers, SampleRatio: config.DefaultSampleRatio,
	}
	if cfg.Telemetry != nil {
		t.Endpoint, t.SampleRatio = cfg.Telemetry.OTLPEndpoint, cfg.Telemetry.SampleRatio
	}
	if tracing, err = telemetry.New(ctx, t, logger); err != nil {
		return nil, nil, nil, err
	}
	if metrics, err = telemetry.NewMetrics(ctx, t, logger); err != nil {
		return nil, nil, nil, errors.Join(err, tracing.Shutdown(ctx))
	}
	return tracing, metrics, func() {
		flush, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		_ = tracing.Shutdown(flush) // what is lost was said to be lost already
		_ = metrics.Shutdown(flush)
	}, nil
}
