package adapter

import (
	"errors"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// ErrSkipped is returned for a row that is nobody's event, or another site's.
var ErrSkipped = errors.New("not an event of this site")

// Event makes the event of a row, valid by the schema, and says which type it is of.
//
// Errors: ErrSkipped; *RowError.
func (m *Mapping) Event(row Row) (*eventv1.Event, plantmesh.EventType, error) {
	a := m.activate(row)
	if m.skip != nil {
		skip, err := m.skip.run("skip", a)
		if err != nil {
			return nil, plantmesh.EventType{}, err
		}
		if skip == types.True {
			return nil, plantmesh.EventType{}, ErrSkipped
		}
	}
	site, err := m.ownerOf(a)
	if err != nil {
		return nil, plantmesh.EventType{}, err
	}
	if site != m.site {
		return nil, plantmesh.EventType{}, ErrSkipped
	}
	for i := range m.rules {
		matches, err := m.rules[i].matches(a)
		if err != nil {
			return nil, plantmesh.EventType{}, err
		}
		if matches {
			e, err := m.event(&m.rules[i], a)
			return e, m.rules[i].kind, err
		}
	}
	return nil, plantmesh.EventType{}, &RowError{Line: row.Line, Field: "events", Reason: "no rule's `when` fits this row"}
}

// Site is the site whose event the row is; this one if the mapping does not say. Errors: *RowError.
func (m *Mapping) Site(row Row) (plantmesh.SiteID, error) { return m.ownerOf(m.activate(row)) }

func (m *Mapping) ownerOf(a *activation) (plantmesh.SiteID, error) {
	if m.siteOf == nil {
		return m.site, nil
	}
	text, err := text(m.siteOf, "site", a)
	if err != nil {
		return "", err
	}
	site, err := plantmesh.ParseSiteID(text)
	if err != nil {
		return "", &RowError{Line: a.line, Field: "site", Reason: err.Error()}
	}
	return site, nil
}

func (r *rule) matches(a *activation) (bool, error) {
	if r.when == nil {
		return true, nil
	}
	value, err := r.when.run("when", a)
	return value == types.True, err
}

func (m *Mapping) event(r *rule, a *activation) (*eventv1.Event, error) {
	e := &eventv1.Event{Type: r.kind.Name}
	var err error
	if e.Source, err = text(m.source, "source", a); err != nil {
		return nil, err
	}
	if e.Id, err = text(r.id, "id", a); err != nil {
		return nil, err
	}
	if r.subject != nil {
		if e.Subject, err = text(r.subject, "subject", a); err != nil {
			return nil, err
		}
	}
	at, err := r.time.run("time", a)
	if err != nil {
		return nil, err
	}
	stamp, ok := at.(types.Timestamp)
	if !ok {
		return nil, wrongType(a, "time", at)
	}
	e.Time = timestamppb.New(stamp.Time)
	payload := r.kind.New()
	if err := fill(payload.ProtoReflect(), r.fields, a); err != nil {
		return nil, err
	}
	if e.Data, err = (proto.MarshalOptions{Deterministic: true}).Marshal(payload); err != nil {
		return nil, &RowError{Line: a.line, Reason: err.Error()}
	}
	if _, err := plantmesh.ValidateEvent(e); err != nil {
		return nil, rowError(a.line, err)
	}
	return e, nil
}

// rowError says a violation of the schema as one of the row.
func rowError(line int, err error) *RowError {
	var invalid *plantmesh.InvalidEventError
	if !errors.As(err, &invalid) {
		return &RowError{Line: line, Reason: err.Error()}
	}
	var reasons, fields []string
	for _, v := range invalid.Violations {
		v.Field = strings.TrimPrefix(strings.TrimPrefix(v.Field, "data"), ".") // empty for a rule of the payload as a whole
		if v.Field == "" {
			reasons = append(reasons, v.Text)
		} else {
			reasons = append(reasons, v.String())
		}
		fields = append(fields, v.Field)
	}
	return &RowError{Line: line, Field: fields[0], Reason: strings.Join(reasons, "; ")}
}

func text(p *program, field string, a *activation) (string, error) {
	value, err := p.run(field, a)
	if err != nil {
		return "", err
	}
	s, ok := value.(types.String)
	if !ok {
		return "", wrongType(a, field, value)
	}
	return string(s), nil
}

func wrongType(a *activation, field string, value ref.Val) error {
	return &RowError{Line: a.line, Field: field, Reason: "yields " + value.Type().TypeName() + ", which does not fit"}
}
