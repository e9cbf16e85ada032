package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// maxStreamLabels bounds the streams that a metric tells apart; the rest count as otherLabel.
const (
	maxStreamLabels = 1000
	otherLabel      = "(other)"
)

// Metrics counts what a node does. One without an endpoint and readers counts nothing, at no cost. Every label has a bounded
// number of values. All methods may be called by any number of goroutines.
type Metrics struct {
	ctx      context.Context //nolint:containedctx // of the node: what is counted belongs to no call
	jumps    metric.Int64Counter
	refusals metric.Int64Counter
	raised   metric.Int64Counter
	open     metric.Int64UpDownCounter
	outcomes metric.Int64Gauge

	differences metric.Int64Gauge
	streams     bounded
	shutdown    func(context.Context) error
}

// NewMetrics starts metrics. What a collector does not take is kept for the next export: counters are sums.
func NewMetrics(ctx context.Context, cfg Config, logger *slog.Logger) (*Metrics, error) {
	if cfg.Endpoint == "" && len(cfg.Readers) == 0 {
		return newMetrics(ctx, noop.NewMeterProvider().Meter(scope), func(context.Context) error { return nil })
	}
	options := []sdkmetric.Option{sdkmetric.WithResource(cfg.resource())}
	for _, r := range cfg.Readers {
		options = append(options, sdkmetric.WithReader(r))
	}
	if cfg.Endpoint != "" {
		exporter, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(cfg.Endpoint))
		if err != nil {
			return nil, fmt.Errorf("telemetry.otlp_endpoint %q: %w", cfg.Endpoint, err)
		}
		options = append(options, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(&loggedMetrics{Exporter: exporter, logger: logger, endpoint: cfg.Endpoint})))
	}
	p := sdkmetric.NewMeterProvider(options...)
	return newMetrics(ctx, p.Meter(scope), p.Shutdown)
}

func newMetrics(ctx context.Context, meter metric.Meter, shutdown func(context.Context) error) (*Metrics, error) {
	m := &Metrics{ctx: context.WithoutCancel(ctx), shutdown: shutdown}
	var faults [6]error
	m.jumps, faults[0] = meter.Int64Counter("plantmesh.stream.jumps", metric.WithUnit("{jump}"),
		metric.WithDescription("Places where a reader could not read on right behind what it had read: trimmed, lost or recreated history."))
	m.refusals, faults[1] = meter.Int64Counter("plantmesh.access.refused", metric.WithUnit("{call}"),
		metric.WithDescription("Calls of sites and clients that the export policy or a permission refused."))
	m.raised, faults[2] = meter.Int64Counter("plantmesh.exceptions.raised", metric.WithUnit("{exception}"),
		metric.WithDescription("Conditions that somebody has to look at, when they began."))
	m.open, faults[3] = meter.Int64UpDownCounter("plantmesh.exceptions.open", metric.WithUnit("{exception}"),
		metric.WithDescription("Conditions that somebody has to look at and that have not ended."))
	m.outcomes, faults[4] = meter.Int64Gauge("plantmesh.confirmations", metric.WithUnit("{event}"),
		metric.WithDescription("Events of this site that wait for the ERP's word (waiting), for longer than their type allows (overdue), or were refused (rejected)."))
	m.differences, faults[5] = meter.Int64Gauge("plantmesh.reconciliation.differences", metric.WithUnit("{value}"),
		metric.WithDescription("Values that differ between the mesh and the ERP, by the last comparison, by kind of record."))
	return m, errors.Join(faults[:]...)
}

// Jump counts a jump of a kind of reader (subscription, consumer, replica) in a stream: trimmed, recreated or lost.
func (m *Metrics) Jump(reader, kind, stream string) {
	m.jumps.Add(m.ctx, 1, metric.WithAttributes(
		attribute.String("plantmesh.reader", reader), attribute.String("plantmesh.jump", kind), attribute.String("plantmesh.stream", m.streams.value(stream))))
}

// Refused counts a refusal, by what was asked for and why it was refused.
func (m *Metrics) Refused(action, reason string) {
	m.refusals.Add(m.ctx, 1, metric.WithAttributes(attribute.String("plantmesh.action", action), attribute.String("plantmesh.reason", reason)))
}

// Raised counts a condition that began.
func (m *Metrics) Raised(kind string) {
	m.raised.Add(m.ctx, 1, metric.WithAttributes(attribute.String("plantmesh.kind", kind)))
}

// Open changes how many conditions of a kind are open.
func (m *Metrics) Open(kind string, by int) {
	m.open.Add(m.ctx, int64(by), metric.WithAttributes(attribute.String("plantmesh.kind", kind)))
}

// Confirmations tells how many events wait for the ERP's word, how many of them for too long, and how many were refused.
func (m *Metrics) Confirmations(waiting, overdue, rejected int) {
	for state, n := range map[string]int{"waiting": waiting, "overdue": overdue, "rejected": rejected} {
		m.outcomes.Record(m.ctx, int64(n), metric.WithAttributes(attribute.String("plantmesh.state", state)))
	}
}

// Differences tells how many values of a kind of record differ between the mesh and the ERP.
func (m *Metrics) Differences(kind string, n int) {
	m.differences.Record(m.ctx, int64(n), metric.WithAttributes(attribute.String("plantmesh.kind", kind)))
}

// Shutdown exports what is there, for as long as ctx allows.
func (m *Metrics) Shutdown(ctx context.Context) error { return m.shutdown(ctx) }

// bounded gives the first values their own label, and all others one together. The zero value is ready.
type bounded struct {
	mu    sync.Mutex
	known map[string]bool
}

func (b *bounded) value(v string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.known[v]:
	case len(b.known) >= maxStreamLabels:
		return otherLabel
	default:
		if b.known == nil {
			b.known = map[string]bool{}
		}
		b.known[v] = true
	}
	return v
}

// loggedMetrics says once that a collector does not take metrics, and once that it does again.
type loggedMetrics struct {
	sdkmetric.Exporter
	logger   *slog.Logger
	endpoint string
	failing  atomic.Bool
}

func (e *loggedMetrics) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	err := e.Exporter.Export(ctx, m)
	if failing := err != nil; e.failing.Swap(failing) != failing {
		if failing {
			e.logger.Warn("the collector does not take metrics: they are told when it does", "endpoint", e.endpoint, "error", err)
		} else {
			e.logger.Info("the collector takes metrics again", "endpoint", e.endpoint)
		}
	}
	return nil
}
