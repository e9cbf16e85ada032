package plantmesh

import (
	"context"
	"fmt"
	"unicode/utf8"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Limits of one publish request; see the protocol.
const (
	maxRequestBytes  = 4 << 20
	maxRequestEvents = 1000
)

// publishing is a request of either kind.
type publishing interface {
	proto.Message
	GetEvents() []*eventv1.Event
}

// checkRequest finds what would not get as far as the node, or not back with its reason. It returns the request's size.
func checkRequest(r publishing) (size int, err error) {
	events := r.GetEvents()
	if len(events) == 0 {
		return 0, fmt.Errorf("%w: it holds no event", ErrInvalidRequest)
	}
	for i, e := range events {
		if e == nil {
			return 0, fmt.Errorf("%w: events[%d] is nil", ErrInvalidRequest, i)
		}
		if err := checkText(e); err != nil {
			return 0, fmt.Errorf("events[%d]: %w", i, err)
		}
	}
	if size = proto.Size(r); size > maxRequestBytes || len(events) > maxRequestEvents {
		return size, fmt.Errorf("%w: %d events, %d bytes; the limits are %d and %d: split it",
			ErrBatchTooLarge, len(events), size, maxRequestEvents, maxRequestBytes)
	}
	return size, nil
}

// checkText finds text that is not UTF-8, which protobuf cannot carry.
func checkText(e *eventv1.Event) error {
	for _, field := range [...]struct{ name, text string }{
		{"id", e.GetId()}, {"source", e.GetSource()}, {"type", e.GetType()}, {"subject", e.GetSubject()},
		{"datacontenttype", e.GetDatacontenttype()}, {"dataschema", e.GetDataschema()},
		{"traceparent", e.GetTraceparent()}, {"tracestate", e.GetTracestate()},
	} {
		if !utf8.ValidString(field.text) {
			return invalid(e, field.name, "utf8", field.text, "is not UTF-8")
		}
	}
	for name, value := range e.GetAttributes() {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return invalid(e, "attributes", "utf8", name+"="+value, "is not UTF-8")
		}
	}
	return nil
}

// traced writes the trace context of ctx into copies of the events that carry none; without one it returns events. The
// call that carries them is of many traces and so of none.
func traced(ctx context.Context, events []*eventv1.Event) []*eventv1.Event {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	parent := carrier.Get("traceparent")
	if parent == "" {
		return events
	}
	list := make([]*eventv1.Event, len(events))
	for i, e := range events {
		if e.GetTraceparent() == "" {
			e = withTrace(e, parent, carrier.Get("tracestate"))
		}
		list[i] = e
	}
	return list
}

// withTrace is a copy of an event, its data shared.
func withTrace(e *eventv1.Event, parent, state string) *eventv1.Event {
	return &eventv1.Event{
		Id: e.GetId(), Source: e.GetSource(), Type: e.GetType(), Subject: e.GetSubject(), Time: e.GetTime(),
		Datacontenttype: e.GetDatacontenttype(), Dataschema: e.GetDataschema(), Attributes: e.GetAttributes(),
		Traceparent: parent, Tracestate: state, Data: e.GetData(),
	}
}
