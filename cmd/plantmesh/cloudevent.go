package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// cloudEvent is an event in the structured JSON mode of CloudEvents 1.0. The payload stands in data as the JSON form of its
// protobuf message.
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject,omitempty"`
	Time        *time.Time      `json:"time,omitempty"`
	ContentType string          `json:"datacontenttype,omitempty"`
	Schema      string          `json:"dataschema,omitempty"`
	TraceParent string          `json:"traceparent,omitempty"`
	TraceState  string          `json:"tracestate,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	DataBase64  string          `json:"data_base64,omitempty"`

	attributes map[string]string // extension attributes
}

// known are the attributes that have a field.
var known = []string{"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "traceparent", "tracestate", "data", "data_base64"}

// decodeCloudEvent reads one event. Numbers and booleans in extension attributes are taken as their text.
func decodeCloudEvent(text []byte) (*eventv1.Event, error) {
	var c cloudEvent
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("not a CloudEvent in JSON: %w", err)
	}
	if err := c.extensions(text); err != nil {
		return nil, err
	}
	if c.SpecVersion != "" && c.SpecVersion != "1.0" {
		return nil, fmt.Errorf("specversion %q: 1.0 is understood", c.SpecVersion)
	}
	e := &eventv1.Event{
		Id: c.ID, Source: c.Source, Type: c.Type, Subject: c.Subject, Dataschema: c.Schema, Attributes: c.attributes,
		Traceparent: c.TraceParent, Tracestate: c.TraceState,
	}
	if c.Time != nil {
		e.Time = timestamppb.New(*c.Time)
	}
	if c.DataBase64 != "" {
		data, err := base64.StdEncoding.DecodeString(c.DataBase64)
		if err != nil {
			return nil, fmt.Errorf("data_base64: %w", err)
		}
		e.Data = data
		return e, nil
	}
	data, err := encodePayload(c.Type, c.Data)
	e.Data = data
	return e, err
}

// encodePayload turns the JSON form of a payload into its wire form.
func encodePayload(name string, text []byte) ([]byte, error) {
	kind, err := plantmesh.LookupEventType(name)
	if err != nil {
		return nil, err
	}
	payload := kind.New()
	if len(bytes.TrimSpace(text)) > 0 {
		if err := protojson.Unmarshal(text, payload); err != nil {
			return nil, fmt.Errorf("data is not a %s: %w", name, err)
		}
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(payload)
}

func (c *cloudEvent) extensions(text []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	for _, name := range known {
		delete(all, name)
	}
	for name, raw := range all {
		var value string
		if err := json.Unmarshal(raw, &value); err != nil {
			value = string(raw)
		}
		if c.attributes == nil {
			c.attributes = map[string]string{}
		}
		c.attributes[name] = value
	}
	return nil
}

// encodeCloudEvent writes a recorded event, with what its origin added as extension attributes.
func encodeCloudEvent(stream plantmesh.StreamName, r *eventv1.RecordedEvent) (map[string]any, error) {
	e := r.GetEvent()
	out := map[string]any{
		"specversion": "1.0", "id": e.GetId(), "source": e.GetSource(), "type": e.GetType(), "subject": e.GetSubject(),
		"time": e.GetTime().AsTime().Format(time.RFC3339Nano), "stream": string(stream), "site": r.GetSite(), "offset": r.GetOffset(),
		"recordedtime": r.GetRecordedTime().AsTime().Format(time.RFC3339Nano),
	}
	for name, value := range map[string]string{"dataschema": e.GetDataschema(), "traceparent": e.GetTraceparent(), "tracestate": e.GetTracestate()} {
		if value != "" {
			out[name] = value
		}
	}
	for name, value := range e.GetAttributes() {
		out[name] = value
	}
	payload, unknown := plantmesh.Payload(e)
	if unknown != nil { // a type that this version does not know yet
		out["data_base64"] = base64.StdEncoding.EncodeToString(e.GetData())
		return out, nil //nolint:nilerr // shown as it is
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(payload)
	if err != nil {
		return nil, err
	}
	out["datacontenttype"] = "application/json"
	out["data"] = json.RawMessage(text)
	return out, nil
}
