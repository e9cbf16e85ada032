package plantmesh

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// NewEvent wraps a canonical payload in its envelope. source is a URI reference of the producer, id is unique within it
// and derived from the fact (see eventv1.Event), at is when it happened. Type and subject follow from the payload.
//
// Errors: ErrUnknownEventType; *InvalidEventError as from [ValidateEvent].
func NewEvent(source, id string, at time.Time, payload proto.Message) (*eventv1.Event, error) {
	t, err := LookupEventType(string(payload.ProtoReflect().Descriptor().FullName()))
	if err != nil {
		return nil, err
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(payload)
	if err != nil {
		return nil, fmt.Errorf("event %q: payload: %w", id, err)
	}
	e := &eventv1.Event{Id: id, Source: source, Type: t.Name, Subject: t.SubjectOf(payload), Time: timestamppb.New(at), Data: data}
	if _, err := ValidateEvent(e); err != nil {
		return nil, err
	}
	return e, nil
}

// Payload decodes an event's data into the message that its type names.
//
// Errors: ErrUnknownEventType; ErrInvalidEvent if data is not such a message.
func Payload(e *eventv1.Event) (proto.Message, error) {
	t, err := LookupEventType(e.GetType())
	if err != nil {
		return nil, err
	}
	payload := t.New()
	if err := proto.Unmarshal(e.GetData(), payload); err != nil {
		return nil, invalid(e, "data", "decode", fmt.Sprintf("%d bytes", len(e.GetData())), "is not a serialized "+e.GetType())
	}
	return payload, nil
}

// ValidateEvent checks the envelope and its payload against the schema, and the subject against the catalog; an empty
// subject is filled in. It returns the event's type, which says where it belongs.
//
// Errors: ErrUnknownEventType; *InvalidEventError with every violation found.
func ValidateEvent(e *eventv1.Event) (EventType, error) {
	if err := validate(e, e, ""); err != nil {
		return EventType{}, err
	}
	t, err := LookupEventType(e.GetType())
	if err != nil {
		return EventType{}, err
	}
	payload, err := Payload(e)
	if err != nil {
		return EventType{}, err
	}
	if err := validate(e, payload, "data."); err != nil {
		return EventType{}, err
	}
	if err := validateBalance(e, payload); err != nil {
		return EventType{}, err
	}
	switch subject := t.SubjectOf(payload); {
	case e.GetSubject() == "":
		e.Subject = subject
	case e.GetSubject() != subject:
		return EventType{}, invalid(e, "subject", "catalog.subject", e.GetSubject(), fmt.Sprintf("must be %q, or empty to have it derived", subject))
	}
	return t, nil
}

// ContentHash identifies what an event says: all of it but its trace context, which a retry may change. Two events with
// one source and id must have one content hash.
func ContentHash(e *eventv1.Event) [sha256.Size]byte {
	content := &eventv1.Event{
		Id: e.GetId(), Source: e.GetSource(), Type: e.GetType(), Subject: e.GetSubject(), Time: e.GetTime(),
		Datacontenttype: e.GetDatacontenttype(), Dataschema: e.GetDataschema(), Attributes: e.GetAttributes(), Data: e.GetData(),
	}
	bytes, err := proto.MarshalOptions{Deterministic: true}.Marshal(content)
	if err != nil {
		panic("marshal an event that was validated: " + err.Error()) // only invalid UTF-8 fails, and decoding refuses that
	}
	return sha256.Sum256(bytes)
}

var validator = sync.OnceValue(func() protovalidate.Validator {
	v, err := protovalidate.New()
	if err != nil {
		panic("compile the schema's rules: " + err.Error()) // compiled in, and a test walks it
	}
	return v
})

// ValidateMessage checks a message of the protocol against the rules in its schema. The error is an ErrInvalidRequest.
func ValidateMessage(m proto.Message) error {
	if err := validator().Validate(m); err != nil {
		return fmt.Errorf("%w: %s", ErrInvalidRequest, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	return nil
}

// validate checks one message of an event; prefix leads to it from the envelope.
func validate(e *eventv1.Event, m proto.Message, prefix string) error {
	if quicklySound(m.ProtoReflect()) {
		return nil
	}
	err := validator().Validate(m)
	if err == nil {
		return nil
	}
	var failed *protovalidate.ValidationError
	if !errors.As(err, &failed) {
		return fmt.Errorf("validate event %q: %w", e.GetId(), err)
	}
	out := &InvalidEventError{ID: e.GetId()}
	for _, v := range failed.Violations {
		value := ""
		if v.FieldValue.IsValid() {
			value = shorten(fmt.Sprint(v.FieldValue.Interface()))
		}
		field := prefix + protovalidate.FieldPathString(v.Proto.GetField())
		text := v.Proto.GetMessage()
		if text == "" {
			text = "breaks the rule"
		}
		out.Violations = append(out.Violations, Violation{Field: strings.TrimSuffix(field, "."), Rule: v.Proto.GetRuleId(), Value: value, Text: text})
	}
	return out
}

func invalid(e *eventv1.Event, field, rule, value, text string) error {
	return &InvalidEventError{ID: e.GetId(), Violations: []Violation{{Field: field, Rule: rule, Value: shorten(value), Text: text}}}
}

// shorten keeps error texts readable.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
