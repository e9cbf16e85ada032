package node_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
	"github.com/plantmesh/plantmesh/node/telemetry"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// withOdoo runs an Odoo in this process and has a site face it.
func withOdoo(t testing.TB, cfg config.Config) config.Config {
	server := httptest.NewServer(sandbox.New("prod", "secret"))
	t.Cleanup(server.Close)
	facing := odoo.Default()
	facing.URL, facing.Database, facing.APIKey, facing.CreateMissing = server.URL, "prod", "secret", odoo.CreateAll()
	cfg.Odoo = &facing
	return cfg
}

// twoSites is a plant and an hq that faces an Odoo and replicates the plant.
func twoSites(t testing.TB, edit func(*config.Config), opts ...node.Option) (plant, hq *running) {
	c := newCluster(t)
	plantConfig, hqConfig := c.config("plant-a"), withOdoo(t, c.config("hq"))
	edit(&plantConfig)
	edit(&hqConfig)
	plant = c.start(plantConfig, opts...)
	hqConfig.Peers, hqConfig.Subscriptions = []string{plant.address}, []config.Subscription{{From: "*", Streams: []string{"*"}}}
	return plant, c.start(hqConfig, opts...)
}

func released(t testing.TB, id string) *eventv1.Event {
	e, err := plantmesh.NewEvent("//plant-a/mes", id, time.Now(), &manufacturingv1.ProductionOrderReleased{
		OrderId: "WO-" + id, ItemId: "valve", Quantity: &manufacturingv1.Quantity{Value: "12", Unit: "C62"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestOneTraceLeadsFromPublishAcrossSitesToOdoo(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	processor := sdktrace.NewSimpleSpanProcessor(exporter)
	plant, _ := twoSites(t, func(*config.Config) {}, node.WithSpanProcessor(processor))
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(processor))
	conn := plant.dial(plant.cluster.client("mes"), grpc.WithStatsHandler(otelgrpc.NewClientHandler(
		otelgrpc.WithTracerProvider(provider), otelgrpc.WithPropagators(propagation.TraceContext{}))))

	ctx, root := provider.Tracer("test").Start(t.Context(), "machine")
	if _, err := eventv1.NewEventServiceClient(conn).Publish(ctx, &eventv1.PublishRequest{Events: []*eventv1.Event{released(t, "1")}}); err != nil {
		t.Fatal(err)
	}
	root.End()

	want := []string{"machine", "plantmesh.event.v1.EventService/Publish", "append", "replicate", "apply"}
	find := func(name, site string) tracetest.SpanStub {
		for _, s := range exporter.GetSpans() {
			instance, _ := s.Resource.Set().Value("service.instance.id")
			if s.Name == name && (site == "" || instance.AsString() == site) {
				return s
			}
		}
		return tracetest.SpanStub{}
	}
	until(t, "the event is applied", func() bool { return find("apply", "hq").SpanContext.IsValid() })
	for _, name := range want {
		if s := find(name, ""); s.SpanContext.TraceID() != root.SpanContext().TraceID() {
			t.Errorf("span %s is in trace %s, not %s", name, s.SpanContext.TraceID(), root.SpanContext().TraceID())
		}
	}
	recorded := find("append", "plant-a")
	for _, child := range []tracetest.SpanStub{find("replicate", "hq"), find("apply", "hq")} {
		if child.Parent.SpanID() != recorded.SpanContext.SpanID() {
			t.Errorf("%q is not a child of the append", child.Name)
		}
	}
}

func TestEventTracedByItsProducerStaysInThatTrace(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	plant, _ := twoSites(t, func(*config.Config) {}, node.WithSpanProcessor(sdktrace.NewSimpleSpanProcessor(exporter)))
	const id = "0af7651916cd43dd8448eb211c80319c"
	traced, plain := released(t, "1"), released(t, "2")
	traced.Traceparent = "00-" + id + "-b7ad6b7169203331-01"
	if _, err := plant.events().Publish(t.Context(), &eventv1.PublishRequest{Events: []*eventv1.Event{traced, plain}}); err != nil {
		t.Fatal(err)
	}
	applied := func() (ids []string) {
		for _, s := range exporter.GetSpans() {
			if s.Name == "apply" {
				ids = append(ids, s.SpanContext.TraceID().String())
			}
		}
		return ids
	}
	until(t, "both are applied", func() bool { return len(applied()) == 2 })
	if ids := applied(); !slices.Contains(ids, id) || ids[0] == ids[1] {
		t.Errorf("applied in traces %v", ids)
	}
	stored, err := plant.events().GetEvent(t.Context(), &eventv1.GetEventRequest{Stream: "plant-a/production", Event: &eventv1.GetEventRequest_Offset{Offset: 1}})
	if err != nil || stored.GetEvent().GetEvent().GetTraceparent() != traced.GetTraceparent() {
		t.Errorf("stored %v, %v", stored, err)
	}
}

func TestWithoutTelemetryNothingIsAddedToEvents(t *testing.T) {
	c := newCluster(t)
	plant := c.start(c.config("plant-a"))
	if _, err := plant.events().Publish(t.Context(), &eventv1.PublishRequest{Events: []*eventv1.Event{released(t, "1")}}); err != nil {
		t.Fatal(err)
	}
	events, _ := collect(t, plant.events(), &eventv1.SubscribeRequest{Stream: "plant-a/production", UntilHead: true})
	if got := events[0].GetEvent().GetTraceparent(); got != "" {
		t.Errorf("traceparent %q", got)
	}
}

// A real Jaeger shows one trace with the spans of both sites: JAEGER_OTLP is its OTLP gRPC endpoint, JAEGER_QUERY its API,
// such as http://127.0.0.1:4317 and http://127.0.0.1:16686.
func TestJaegerShowsOneTraceAcrossSites(t *testing.T) {
	otlp, query := os.Getenv("JAEGER_OTLP"), os.Getenv("JAEGER_QUERY")
	if otlp == "" || query == "" {
		t.Skip("JAEGER_OTLP and JAEGER_QUERY are not set: no Jaeger to ask")
	}
	plant, _ := twoSites(t, func(cfg *config.Config) { cfg.Telemetry = &config.Telemetry{OTLPEndpoint: otlp, SampleRatio: 1} })
	id := trace.TraceID{}
	for i, b := range fmt.Appendf(nil, "%016d", time.Now().UnixNano()) {
		id[i%16] ^= b
	}
	e := released(t, id.String())
	e.Traceparent = "00-" + id.String() + "-b7ad6b7169203331-01"
	if _, err := plant.events().Publish(t.Context(), &eventv1.PublishRequest{Events: []*eventv1.Event{e}}); err != nil {
		t.Fatal(err)
	}
	until(t, "Jaeger shows append, replicate and apply", func() bool {
		got, err := jaegerSpans(t.Context(), query, id)
		return err == nil && slices.Contains(got, "plant-a append") && slices.Contains(got, "hq replicate") && slices.Contains(got, "hq apply")
	})
}

// jaegerSpans asks Jaeger for the spans of a trace, as "instance operation".
func jaegerSpans(ctx context.Context, query string, id trace.TraceID) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, query+"/api/traces/"+id.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var answer struct {
		Data []struct {
			Spans []struct {
				OperationName string
				ProcessID     string
			}
			Processes map[string]struct {
				ServiceName string
				Tags        []struct {
					Key   string
					Value any
				}
			}
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	var spans []string
	for _, found := range answer.Data {
		for _, s := range found.Spans {
			p := found.Processes[s.ProcessID]
			if p.ServiceName != telemetry.ServiceName {
				continue
			}
			for _, tag := range p.Tags {
				if tag.Key == "service.instance.id" {
					spans = append(spans, fmt.Sprint(tag.Value, " ", s.OperationName))
				}
			}
		}
	}
	return spans, nil
}
