package telemetry

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// Names of the W3C fields.
const (
	fieldParent = "traceparent"
	fieldState  = "tracestate"
)

// Append opens the span of an append and writes its context into the events that carry none, so that what is made of them
// elsewhere joins the trace. Events that the producer traced keep their context, and get a span within their own trace.
// The function returned ends the spans.
func (t *Tracing) Append(ctx context.Context, entries []storage.Entry) (context.Context, func(error)) {
	if !t.on || len(entries) == 0 {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(ctx, "append", trace.WithAttributes(
		attribute.String("plantmesh.stream", string(entries[0].Stream)), attribute.Int("plantmesh.events", len(entries))))
	spans := []trace.Span{span}
	if span.SpanContext().IsSampled() {
		carrier := propagation.MapCarrier{}
		t.propagator.Inject(ctx, carrier)
		for _, entry := range entries {
			if entry.Event.GetTraceparent() == "" {
				entry.Event.Traceparent, entry.Event.Tracestate = carrier[fieldParent], carrier[fieldState]
			}
		}
	}
	for _, entry := range entries {
		own := contextOf(ctx, entry.Event)
		if own.IsSampled() && own.TraceID() != span.SpanContext().TraceID() {
			_, s := t.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, own), "append",
				trace.WithLinks(trace.Link{SpanContext: span.SpanContext()}), trace.WithAttributes(eventAttributes(entry.Stream, entry.Event)...))
			spans = append(spans, s)
		}
	}
	return ctx, func(err error) {
		for _, s := range spans {
			end(s, err)
		}
	}
}

// Apply opens the span of an event's effect, if the event is traced. The function returned ends it.
func (t *Tracing) Apply(ctx context.Context, s plantmesh.StreamName, r *eventv1.RecordedEvent, attempt int) (context.Context, func(error)) {
	parent := contextOf(ctx, r.GetEvent())
	if !t.on || !parent.IsSampled() {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), "apply", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(eventAttributes(s, r.GetEvent())...),
		trace.WithAttributes(attribute.Int64("plantmesh.offset", int64(r.GetOffset())), attribute.Int("plantmesh.attempt", attempt)))
	return ctx, func(err error) { end(span, err) }
}

// Replicated makes a span for every traced event in blocks that arrived from another site. It is a mesh.Observer.
func (t *Tracing) Replicated(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, received time.Time) {
	if !t.on {
		return
	}
	for _, b := range blocks {
		block, err := storage.ParseBlock(b)
		if err != nil {
			return // it was verified and stored; a span is not worth a second word
		}
		batch, err := block.Batch()
		if err != nil {
			return
		}
		for _, r := range batch.GetEvents() {
			parent := contextOf(ctx, r.GetEvent())
			if !parent.IsSampled() {
				continue
			}
			_, span := t.tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), "replicate", trace.WithTimestamp(received),
				trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(eventAttributes(s, r.GetEvent())...),
				trace.WithAttributes(attribute.Int64("plantmesh.offset", int64(r.GetOffset()))))
			span.End()
		}
	}
}

// contextOf reads an event's trace context; an invalid one if it has none.
func contextOf(ctx context.Context, e *eventv1.Event) trace.SpanContext {
	if e.GetTraceparent() == "" {
		return trace.SpanContext{}
	}
	carrier := propagation.MapCarrier{fieldParent: e.GetTraceparent(), fieldState: e.GetTracestate()}
	ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{}) // what Extract cannot read must not leave the caller's
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, carrier))
}

func eventAttributes(s plantmesh.StreamName, e *eventv1.Event) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("plantmesh.stream", string(s)), attribute.String("plantmesh.event.id", e.GetId()),
		attribute.String("plantmesh.event.type", e.GetType()), attribute.String("plantmesh.event.subject", e.GetSubject()),
	}
}

func end(s trace.Span, err error) {
	if err != nil {
		s.RecordError(err)
		s.SetStatus(codes.Error, err.Error())
	}
	s.End()
}
