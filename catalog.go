package plantmesh

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
	_ "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1" // registers the canonical types
)

// EventType is an entry of the catalog: what the schema's options say of a canonical payload.
type EventType struct {
	Name            string                   // full name of the payload message
	Domain          string                   // which stream of a site: `site/domain`
	Class           catalogv1.Class          // what overtakes what
	Subject         []*catalogv1.SubjectRule // the first with a non-empty field makes the subject
	Owners          []catalogv1.Owner        // who may publish it
	ConfirmWithin   time.Duration            // how soon the ERP confirms it; 0: not at all
	ManualProcedure string                   // what a person does when it does not
	Exception       bool                     // it passes outside of batch windows

	message protoreflect.MessageType
}

// LookupEventType finds a type by its full name. The error is an ErrUnknownEventType.
func LookupEventType(name string) (EventType, error) {
	t, ok := catalog().byName[name]
	if !ok {
		return EventType{}, fmt.Errorf("%w %q: `plantmesh publish --list-types` names the catalog's", ErrUnknownEventType, name)
	}
	return t, nil
}

// EventTypes lists the catalog, ordered by name.
func EventTypes() []EventType { return slices.Clone(catalog().ordered) }

// DomainClass is the class of a domain's streams: that of the most urgent of its types, for a stream has one order. A domain
// that the catalog does not know is standard.
func DomainClass(domain string) catalogv1.Class {
	class := catalogv1.Class_CLASS_UNSPECIFIED
	for _, t := range catalog().ordered {
		if t.Domain == domain && (class == catalogv1.Class_CLASS_UNSPECIFIED || t.Class < class) {
			class = t.Class
		}
	}
	if class == catalogv1.Class_CLASS_UNSPECIFIED {
		return catalogv1.Class_CLASS_STANDARD
	}
	return class
}

// New returns an empty payload.
func (t EventType) New() proto.Message { return t.message.New().Interface() }

// Descriptor describes the payload's fields.
func (t EventType) Descriptor() protoreflect.MessageDescriptor { return t.message.Descriptor() }

// SubjectOf is the business key of a payload of this type, such as `order/WO-1001`; empty if no rule's field is set.
func (t EventType) SubjectOf(payload proto.Message) string {
	m := payload.ProtoReflect()
	for _, rule := range t.Subject {
		field := m.Descriptor().Fields().ByName(protoreflect.Name(rule.GetField()))
		if value := m.Get(field).String(); value != "" {
			return rule.GetKind() + "/" + value
		}
	}
	return ""
}

type catalogIndex struct {
	byName  map[string]EventType
	ordered []EventType
}

// catalog reads the options of every registered message once. A schema at fault panics: it is compiled in, and a test
// walks it.
var catalog = sync.OnceValue(func() *catalogIndex {
	index := &catalogIndex{byName: map[string]EventType{}}
	protoregistry.GlobalTypes.RangeMessages(func(m protoreflect.MessageType) bool {
		options := m.Descriptor().Options()
		if !proto.HasExtension(options, catalogv1.E_EventType) {
			return true
		}
		o, _ := proto.GetExtension(options, catalogv1.E_EventType).(*catalogv1.EventType)
		for _, rule := range o.GetSubject() {
			field := m.Descriptor().Fields().ByName(protoreflect.Name(rule.GetField()))
			if field == nil || field.Kind() != protoreflect.StringKind || field.IsList() {
				panic(fmt.Sprintf("schema of %s: subject field %q is not a string field", m.Descriptor().FullName(), rule.GetField()))
			}
		}
		t := EventType{
			Name: string(m.Descriptor().FullName()), Domain: o.GetDomain(), Class: o.GetClass(), Subject: o.GetSubject(), Owners: o.GetOwners(),
			ConfirmWithin: o.GetConfirmWithin().AsDuration(), ManualProcedure: o.GetManualProcedure(), Exception: o.GetException(), message: m,
		}
		index.byName[t.Name] = t
		index.ordered = append(index.ordered, t)
		return true
	})
	slices.SortFunc(index.ordered, func(a, b EventType) int { return cmp.Compare(a.Name, b.Name) })
	return index
})
