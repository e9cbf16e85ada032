package capture

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// change is a thing that is not as it was told last.
type change struct {
	thing
	before *state // nil: it was never told
	last   proto.Message
	kind   plantmesh.EventType
}

// tell records events of things that changed, with the note that they were told, in one write.
func (p *pass) tell(ctx context.Context, things []thing) error {
	changes, err := p.changed(things)
	if err != nil || len(changes) == 0 {
		return err
	}
	applied, err := p.appliedByMesh(ctx, changes)
	if err != nil {
		return err
	}
	var w storage.Write
	for _, c := range changes {
		next := state{Records: c.records, Type: c.kind.Name, Payload: marshal(c.payload), Target: c.target}
		if c.before != nil {
			next.Journal, next.Told = c.before.Journal, c.before.Told
		}
		echo := false
		if row, ok := applied[c.kind.SubjectOf(c.payload)]; ok && row.id > next.Journal {
			if echo, err = p.isEcho(c, row, applied[recordOf(c)], next.Journal); err != nil {
				return err
			}
			next.Journal = row.id
		}
		ended := ends(c.payload)
		next.Ended = ended
		var told []*eventv1.Event
		if c.last != nil && !c.before.Ended && p.identity(c.last) != p.identity(c.payload) {
			if told, err = p.ending(told, c.thing, &next, c.last); err != nil {
				return err
			}
		}
		if c.last != nil && !c.before.Ended && !ended && c.before.Target != c.target { // another plant's now
			moved, err := p.ending(nil, c.thing, &next, c.last)
			if err != nil {
				return err
			}
			for _, e := range moved {
				w.Entries = append(w.Entries, storage.Entry{Stream: p.stream(e, c.before.Target), Event: e})
			}
		}
		if !echo && !(ended && c.before == nil) { // that something is no more is no news of what nobody was told of
			event, err := p.event(c.thing, &next, c.payload)
			if errors.Is(err, plantmesh.ErrInvalidEvent) {
				p.leaveOut(c.thing, err.Error())
				continue
			}
			if err != nil {
				return err
			}
			told = append(told, event)
		}
		for _, e := range told {
			w.Entries = append(w.Entries, storage.Entry{Stream: p.stream(e, c.target), Event: e})
		}
		w.Cursors = append(w.Cursors, cursor(p.prefix("told", p.kind.name)+c.key, next))
	}
	return p.record(ctx, w)
}

// changed leaves out what is as it was told last, and what cannot be told.
func (p *pass) changed(things []thing) ([]change, error) {
	var changes []change
	for _, t := range things {
		if t.leftOut != "" {
			p.leaveOut(t, t.leftOut)
		}
		if t.payload == nil && !t.nameless {
			continue
		}
		var s state
		found, err := p.load(p.prefix("told", p.kind.name)+t.key, &s)
		if err != nil {
			return nil, err
		}
		if t.payload == nil { // by the name that it had, it is no more
			if !found || s.Ended {
				continue
			}
			last, err := s.message()
			if err != nil {
				return nil, err
			}
			t.payload, t.target = p.kind.end(last), s.Target
		}
		c := change{thing: t}
		if c.kind, err = plantmesh.LookupEventType(string(t.payload.ProtoReflect().Descriptor().FullName())); err != nil {
			return nil, err
		}
		if found && p.kind.since != "" {
			continue // what happened once is told once, though its item be renamed or the rest of it cancelled
		}
		if found {
			if c.last, err = s.message(); err != nil {
				return nil, err
			}
			c.before = &s
			if s.Type == c.kind.Name && s.Target == t.target && proto.Equal(c.last, t.payload) {
				continue
			}
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func (p *pass) leaveOut(t thing, why string) {
	p.leftOut++
	if p.example == "" {
		p.example = fmt.Sprintf("%s %s: %s", p.kind.model, t.key, why)
	}
}

// endAll tells of things whose records were deleted.
func (p *pass) endAll(ctx context.Context, keys []string) error {
	var w storage.Write
	for _, key := range keys {
		var s state
		if _, err := p.load(p.prefix("told", p.kind.name)+key, &s); err != nil {
			return err
		}
		last, err := s.message()
		if err != nil {
			return err
		}
		told, err := p.ending(nil, thing{key: key, changed: "deleted"}, &s, last)
		if err != nil {
			return err
		}
		for _, e := range told {
			w.Entries = append(w.Entries, storage.Entry{Stream: p.stream(e, s.Target), Event: e})
		}
		s.Ended = true
		w.Cursors = append(w.Cursors, cursor(p.prefix("told", p.kind.name)+key, s))
	}
	return p.record(ctx, w)
}

// ending adds the event that tells of a thing's end, if there is one for its kind.
func (p *pass) ending(told []*eventv1.Event, t thing, s *state, last proto.Message) ([]*eventv1.Event, error) {
	if p.kind.end == nil || ends(last) {
		return told, nil
	}
	event, err := p.event(t, s, p.kind.end(last))
	if err != nil {
		return nil, err
	}
	return append(told, event), nil
}

// event has an id that follows from what is in Odoo and how much was told: made again after a crash, it is the same event. Counting tells a
// change back to what was from that: the time of writing cannot, which is that of the transaction's start and has seconds only.
func (p *pass) event(t thing, s *state, payload proto.Message) (*eventv1.Event, error) {
	hash := sha256.New()
	s.Told++
	fmt.Fprintf(hash, "%s\x00%s\x00%s\x00%s\x00%d\x00", p.config.Database, p.kind.name, t.key, t.changed, s.Told)
	hash.Write(marshal(payload))
	at, err := time.Parse(time.DateTime, t.changed)
	if err != nil {
		at = p.now()
	}
	return plantmesh.NewEvent(odoo.CaptureSource(p.site), p.kind.name+"-"+hex.EncodeToString(hash.Sum(nil)[:16]), at, payload)
}

// stream is where an event goes: what one site alone may see has a stream of its own, whose export rule names that site.
func (p *pass) stream(e *eventv1.Event, target string) plantmesh.StreamName {
	if target != "" {
		return plantmesh.StreamOf(p.site, odoo.OrdersDomain(target))
	}
	t, err := plantmesh.LookupEventType(e.GetType())
	if err != nil {
		panic("an event that was just made has no type: " + e.GetType())
	}
	return plantmesh.StreamOf(p.site, t.Domain)
}

// identity tells things apart, also those of one subject.
func (p *pass) identity(m proto.Message) string {
	if f := m.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(p.kind.within)); f != nil {
		return p.subject(m) + "\x00" + m.ProtoReflect().Get(f).String()
	}
	return p.subject(m)
}

func (p *pass) subject(m proto.Message) string {
	t, err := plantmesh.LookupEventType(string(m.ProtoReflect().Descriptor().FullName()))
	if err != nil {
		return ""
	}
	return t.SubjectOf(m)
}

// record appends a write. An event that is recorded already, with another time or trace, was told: its id says what it tells.
func (p *pass) record(ctx context.Context, w storage.Write) error {
	for len(w.Cursors) > 0 {
		receipts, err := p.log.Append(ctx, w)
		var conflict *plantmesh.ConflictError
		if errors.As(err, &conflict) && conflict.Index < len(w.Entries) {
			w.Entries = slices.Delete(w.Entries, conflict.Index, conflict.Index+1)
			continue
		}
		for _, r := range receipts {
			if !r.Duplicate {
				p.recorded++
			}
		}
		return err
	}
	return nil
}

// ends tells whether a payload says that its thing is no more.
func ends(m proto.Message) bool {
	fields := m.ProtoReflect()
	if f := fields.Descriptor().Fields().ByName("retired"); f != nil {
		return fields.Get(f).Bool()
	}
	if f := fields.Descriptor().Fields().ByName("state"); f != nil {
		name := f.Enum().Values().ByNumber(fields.Get(f).Enum()).Name()
		return strings.HasSuffix(string(name), "_CANCELLED")
	}
	return fields.Descriptor().Name() == "ProductionOrderClosed"
}

func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic("marshal what odoo has: " + err.Error()) // text from JSON is valid UTF-8
	}
	return b
}
