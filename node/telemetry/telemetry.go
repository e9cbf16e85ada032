package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// ServiceName is the service that every node's spans belong to; the site is its instance.
const ServiceName = "plantmesh"

// scope names the instrumentation.
const scope = "github.com/plantmesh/plantmesh"

// Config says whose spans and metrics they are and where they go.
type Config struct {
	Mesh, Site, Version string

	Endpoint    string                   // URL of an OTLP gRPC collector; empty: none
	SampleRatio float64                  // share of untraced calls that begin a trace
	Processors  []sdktrace.SpanProcessor // further takers of spans; the tracing owns them
	Readers     []sdkmetric.Reader       // further takers of metrics; the metrics own them
}

func (c Config) resource() *resource.Resource {
	return resource.NewSchemaless(
		attribute.String("service.name", ServiceName), attribute.String("service.namespace", c.Mesh),
		attribute.String("service.instance.id", c.Site), attribute.String("service.version", c.Version),
	)
}

// Tracing makes spans. One without an endpoint and processors makes none, at no cost.
type Tracing struct {
	provider   trace.TracerProvider
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	on         bool
	shutdown   func(context.Context) error
}

// Off makes no spans.
func Off() *Tracing {
	p := noop.NewTracerProvider()
	return &Tracing{provider: p, tracer: p.Tracer(scope), propagator: propagation.TraceContext{}, shutdown: func(context.Context) error { return nil }}
}

// New starts tracing. The collector need not be there: spans that it does not take in time are dropped.
func New(ctx context.Context, cfg Config, logger *slog.Logger) (*Tracing, error) {
	if cfg.Endpoint == "" && len(cfg.Processors) == 0 {
		return Off(), nil
	}
	options := []sdktrace.TracerProviderOption{
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.SampleRatio))),
		sdktrace.WithResource(cfg.resource()),
	}
	for _, p := range cfg.Processors {
		options = append(options, sdktrace.WithSpanProcessor(p))
	}
	if cfg.Endpoint != "" {
		exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(cfg.Endpoint))
		if err != nil {
			return nil, fmt.Errorf("telemetry.otlp_endpoint %q: %w", cfg.Endpoint, err)
		}
		options = append(options, sdktrace.WithBatcher(&loggedExporter{SpanExporter: exporter, logger: logger, endpoint: cfg.Endpoint}))
	}
	p := sdktrace.NewTracerProvider(options...)
	return &Tracing{provider: p, tracer: p.Tracer(scope), propagator: propagation.TraceContext{}, on: true, shutdown: p.Shutdown}, nil
}

// Provider is for instrumentation libraries.
func (t *Tracing) Provider() trace.TracerProvider { return t.provider }

// Propagator is W3C trace context.
func (t *Tracing) Propagator() propagation.TextMapPropagator { return t.propagator }

// On tells whether spans are made at all.
func (t *Tracing) On() bool { return t.on }

// Shutdown hands over the spans that wait, for as long as ctx allows.
func (t *Tracing) Shutdown(ctx context.Context) error { return t.shutdown(ctx) }

// loggedExporter says once that a collector does not take spans, and once that it does again.
type loggedExporter struct {
	sdktrace.SpanExporter
	logger   *slog.Logger
	endpoint string
	failing  atomic.Bool
}

func (e *loggedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if failing := err != nil; e.failing.Swap(failing) != failing {
		if failing {
			e.logger.Warn("traces are lost: the collector does not take them", "endpoint", e.endpoint, "error", err)
		} else {
			e.logger.Info("the collector takes traces again", "endpoint", e.endpoint)
		}
	}
	return nil
}
