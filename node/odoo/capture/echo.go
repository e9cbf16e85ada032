package capture

import (
	"context"
	"fmt"
	"slices"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// journalRow is what the mesh's journal in Odoo has of an event that was applied.
type journalRow struct {
	id     int64
	event  string // source and id
	kind   string // type
	stream plantmesh.StreamName
	offset plantmesh.Offset
}

// appliedByMesh finds the last event that the mesh applied to each subject: of the type that tells of it, or, where its other events change
// what is told, of any. Of things that share a subject it finds the last about each record, too.
func (p *pass) appliedByMesh(ctx context.Context, changes []change) (map[string]journalRow, error) {
	has, err := p.columns(ctx, odoo.ModelApplied)
	if err != nil || has == nil {
		return nil, err
	}
	var subjects, types []string
	for _, c := range changes {
		subjects = append(subjects, c.kind.SubjectOf(c.payload))
		if !slices.Contains(types, c.kind.Name) {
			types = append(types, c.kind.Name)
		}
	}
	last := map[string]journalRow{}
	domain := []any{[]any{"x_subject", "in", subjects}}
	if !p.kind.worked {
		domain = append(domain, []any{"x_type", "in", types})
	}
	err = p.pages(ctx, odoo.ModelApplied, domain,
		[]string{"x_event", "x_type", "x_subject", "x_stream", "x_offset", "x_record"}, func(rows []row) error {
			for _, r := range rows {
				var offset plantmesh.Offset
				if _, err := fmt.Sscan(r.text("x_offset"), &offset); err != nil {
					return fmt.Errorf("offset %q of the journal's row %d: %w", r.text("x_offset"), r.id(), err)
				}
				one := journalRow{
					id: r.id(), event: r.text("x_event"), kind: r.text("x_type"), stream: plantmesh.StreamName(r.text("x_stream")), offset: offset,
				}
				last[r.text("x_subject")] = one
				if p.kind.within != "" {
					last[fmt.Sprint(whole(r["x_record"]))] = one
				}
			}
			return nil
		})
	return last, err
}

// isEcho tells whether a thing is as an event of the mesh made it: the event's content decides. What the event left open may be as Odoo
// sets it, if the mesh wrote last and nobody was told anything else before.
//
// Of an order, reports and completions of the plant change the quantity or the parts. What the mesh wrote last, after such an event, is theirs.
//
// Of things that share a subject, own is the last event about this one, if it is newer than seen: what they share may be as another made it.
func (p *pass) isEcho(c change, r, own journalRow, seen int64) (bool, error) {
	if r.kind != c.kind.Name {
		return c.byMesh, nil
	}
	made, err := p.appliedPayload(r)
	if err != nil || made == nil {
		return false, err
	}
	if p.kind.within != "" && own.id != r.id {
		of := made
		if made = c.last; own.id > seen {
			if made, err = p.appliedPayload(own); err != nil {
				return false, err
			}
		}
		if made == nil {
			return false, nil
		}
		made = proto.Clone(made)
		if f := c.payload.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(p.kind.whole)); of.ProtoReflect().Has(f) {
			made.ProtoReflect().Set(f, of.ProtoReflect().Get(f))
		}
	}
	var before protoreflect.Message
	if c.last != nil && c.before.Type == c.kind.Name {
		before = c.last.ProtoReflect()
	}
	return p.agree(made.ProtoReflect(), c.payload.ProtoReflect(), before, c.byMesh), nil
}

// recordOf names the record of a thing among what appliedByMesh finds.
func recordOf(c change) string { return fmt.Sprint(c.records[0]) }

// appliedPayload is what an event said that the mesh applied; nil if it is not held any more.
func (p *pass) appliedPayload(r journalRow) (proto.Message, error) {
	recorded, err := p.log.Get(r.stream, r.offset)
	if err != nil {
		return nil, p.log.Err() // trimmed, or of another incarnation: nothing to compare with, so the thing is told
	}
	event := recorded.GetEvent()
	if odoo.EventKey(event.GetSource(), event.GetId()) != r.event || event.GetType() != r.kind {
		return nil, nil
	}
	return plantmesh.Payload(event)
}

// agree tells whether has is what made says, and, where that says nothing, what was before; where nothing was before, anything if open.
func (p *pass) agree(made, has, before protoreflect.Message, open bool) bool {
	fields := has.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case slices.Contains(p.kind.unheld, string(f.Name())):
		case made.Has(f):
			if !has.Has(f) || !p.same(f, made.Get(f), has.Get(f), open) {
				return false
			}
		case !has.Has(f):
		case before != nil:
			if !before.Has(f) || !before.Get(f).Equal(has.Get(f)) {
				return false
			}
		case !open:
			return false
		}
	}
	return true
}

func (p *pass) same(f protoreflect.FieldDescriptor, made, has protoreflect.Value, open bool) bool {
	if f.IsList() {
		a, b := elements(f, made.List()), elements(f, has.List())
		return slices.EqualFunc(a, b, func(x, y protoreflect.Value) bool { return p.sameOne(f, x, y, open) })
	}
	return p.sameOne(f, made, has, open)
}

func (p *pass) sameOne(f protoreflect.FieldDescriptor, made, has protoreflect.Value, open bool) bool {
	if f.Message() == nil {
		switch f.Name() {
		case "unit", "reference_unit":
			return p.config.SameUnit(made.String(), has.String())
		case "factor", "efficiency_percent":
			return sameNumber(made.String(), has.String())
		}
		return made.Equal(has)
	}
	switch a := made.Message().Interface().(type) {
	case *manufacturingv1.Quantity:
		b, _ := has.Message().Interface().(*manufacturingv1.Quantity)
		return sameNumber(a.GetValue(), b.GetValue()) && p.config.SameUnit(a.GetUnit(), b.GetUnit())
	case *manufacturingv1.Money:
		b, _ := has.Message().Interface().(*manufacturingv1.Money)
		return sameNumber(a.GetAmount(), b.GetAmount()) && a.GetCurrency() == b.GetCurrency()
	case *manufacturingv1.Component, *manufacturingv1.Operation, *manufacturingv1.PurchaseOrderLine, *manufacturingv1.DemandLine:
		return p.agree(made.Message(), has.Message(), nil, open)
	}
	return proto.Equal(made.Message().Interface(), has.Message().Interface())
}

// elements of a list: lines in the order of their ids, everything else as it is.
func elements(f protoreflect.FieldDescriptor, list protoreflect.List) []protoreflect.Value {
	var all []protoreflect.Value
	for i := range list.Len() {
		all = append(all, list.Get(i))
	}
	if f.Message() == nil {
		return all
	}
	if id := f.Message().Fields().ByName("line_id"); id != nil {
		slices.SortStableFunc(all, func(a, b protoreflect.Value) int {
			x, y := a.Message().Get(id).String(), b.Message().Get(id).String()
			if x < y {
				return -1
			}
			if x > y {
				return 1
			}
			return 0
		})
	}
	return all
}

func sameNumber(a, b string) bool {
	x, _, errX := apd.NewFromString(a)
	y, _, errY := apd.NewFromString(b)
	return errX == nil && errY == nil && x.Cmp(y) == 0
}
