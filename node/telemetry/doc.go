// Package telemetry measures and traces what a node does.
//
// A trace crosses processes inside the event: when a publish is traced, the context of the span that appends it is kept as
// the event's traceparent, and whoever replicates or applies the event makes its span a child of that one.
package telemetry
