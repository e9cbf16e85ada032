package plantmesh

import (
	"regexp"
	"slices"
	"sync"
	"unicode/utf8"

	schema "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Validating with protovalidate takes some ten microseconds an event, more than all else that publishing does with it. So the rules that
// are simple are compiled into functions, which find most messages sound. Whatever these are not certain of is left to protovalidate, which
// alone refuses, and words why. A test holds both against each other.

// quickRules are the simple rules of a message type.
type quickRules struct {
	fields   []quickField
	whole    []func(protoreflect.Message) bool // of several fields
	unsuited bool                              // it has rules that are none of these
}

// quickField is what one field must be.
type quickField struct {
	field    protoreflect.FieldDescriptor
	required bool
	sound    func(protoreflect.Value) bool // nil: anything will do
}

var quickTypes sync.Map // protoreflect.FullName -> *quickRules

// quicklySound tells whether a message certainly keeps all its rules.
func quicklySound(m protoreflect.Message) bool {
	rules := quickRulesOf(m.Descriptor())
	if rules.unsuited || len(m.GetUnknown()) > 0 {
		return false
	}
	for _, f := range rules.fields {
		if !f.field.HasPresence() && !f.field.IsList() && !f.field.IsMap() {
			if value := m.Get(f.field); f.required && value.Equal(f.field.Default()) || f.sound != nil && !f.sound(value) {
				return false
			}
			continue
		}
		switch has := m.Has(f.field); {
		case !has && f.required, has && f.sound != nil && !f.sound(m.Get(f.field)):
			return false
		}
	}
	for _, sound := range rules.whole {
		if !sound(m) {
			return false
		}
	}
	return true
}

func quickRulesOf(d protoreflect.MessageDescriptor) *quickRules {
	if known, ok := quickTypes.Load(d.FullName()); ok {
		return known.(*quickRules) //nolint:errcheck,forcetypeassert // the map holds nothing else
	}
	rules := compileQuickRules(d)
	quickTypes.Store(d.FullName(), rules)
	return rules
}

func compileQuickRules(d protoreflect.MessageDescriptor) *quickRules {
	of, _ := proto.GetExtension(d.Options(), schema.E_Message).(*schema.MessageRules)
	whole, ok := quickExpressions(d, of)
	if !ok {
		return &quickRules{unsuited: true}
	}
	rules := &quickRules{whole: whole}
	for i := range d.Oneofs().Len() {
		if o := d.Oneofs().Get(i); !o.IsSynthetic() {
			return &quickRules{unsuited: true}
		}
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		q := quickField{field: f}
		rule, _ := proto.GetExtension(f.Options(), schema.E_Field).(*schema.FieldRules)
		q.required = rule.GetRequired() || rule.GetRepeated().GetMinItems() > 0
		sound, ok := quickCheck(f, rule)
		if !ok {
			return &quickRules{unsuited: true}
		}
		if q.sound = sound; q.required || q.sound != nil {
			rules.fields = append(rules.fields, q)
		}
	}
	return rules
}

// quickCheck compiles the rules of a field; false if that cannot be done.
func quickCheck(f protoreflect.FieldDescriptor, rule *schema.FieldRules) (func(protoreflect.Value) bool, bool) {
	if rule != nil && !onlySets(rule, "required", "string", "bytes", "enum", "repeated", "map") {
		return nil, false
	}
	switch {
	case f.IsMap():
		// What is in it is left to protovalidate.
		return func(v protoreflect.Value) bool { return v.Map().Len() == 0 }, rule.GetMap().GetMinPairs() == 0
	case f.IsList():
		return quickList(f, rule.GetRepeated())
	case f.Kind() == protoreflect.MessageKind:
		return quickMessage(f)
	case f.Kind() == protoreflect.StringKind:
		return quickString(rule.GetString())
	case f.Kind() == protoreflect.BytesKind:
		return quickBytes(rule.GetBytes())
	case f.Kind() == protoreflect.EnumKind:
		return quickEnum(f, rule.GetEnum())
	}
	return nil, rule == nil || onlySets(rule, "required")
}

func quickMessage(f protoreflect.FieldDescriptor) (func(protoreflect.Value) bool, bool) {
	if f.Message().ParentFile().Package() == "google.protobuf" {
		return nil, true // these have no rules of their own
	}
	return func(v protoreflect.Value) bool { return quicklySound(v.Message()) }, true
}

func quickList(f protoreflect.FieldDescriptor, rule *schema.RepeatedRules) (func(protoreflect.Value) bool, bool) {
	if rule != nil && !onlySets(rule, "min_items", "max_items", "unique", "items") {
		return nil, false
	}
	var item func(protoreflect.Value) bool
	items, ok := rule.GetItems(), true
	switch {
	case f.Kind() == protoreflect.MessageKind && items == nil:
		item, ok = quickMessage(f)
	case f.Kind() == protoreflect.StringKind && (items == nil || onlySets(items, "string")):
		item, ok = quickString(items.GetString())
	case items != nil:
		ok = false
	}
	least, most := int(rule.GetMinItems()), len(f.FullName())<<20 // more than any message holds
	if rule.HasMaxItems() {
		most = int(rule.GetMaxItems())
	}
	return func(v protoreflect.Value) bool {
		list := v.List()
		if list.Len() < least || list.Len() > most || list.Len() > 1 && rule.GetUnique() { // whether they are unique is left to protovalidate
			return false
		}
		for i := range list.Len() {
			if item != nil && !item(list.Get(i)) {
				return false
			}
		}
		return true
	}, ok
}

func quickEnum(f protoreflect.FieldDescriptor, rule *schema.EnumRules) (func(protoreflect.Value) bool, bool) {
	if rule == nil {
		return nil, true
	}
	values := f.Enum().Values()
	return func(v protoreflect.Value) bool { return !rule.GetDefinedOnly() || values.ByNumber(v.Enum()) != nil }, onlySets(rule, "defined_only")
}

func quickBytes(rule *schema.BytesRules) (func(protoreflect.Value) bool, bool) {
	if rule == nil {
		return nil, true
	}
	most := rule.GetMaxLen()
	return func(v protoreflect.Value) bool { return uint64(len(v.Bytes())) <= most }, onlySets(rule, "max_len")
}

func quickString(rule *schema.StringRules) (func(protoreflect.Value) bool, bool) {
	if rule == nil {
		return nil, true
	}
	var checks []func(string) bool
	if rule.HasMaxLen() {
		checks = append(checks, func(s string) bool {
			return uint64(len(s)) <= rule.GetMaxLen() || uint64(utf8.RuneCountInString(s)) <= rule.GetMaxLen()
		})
	}
	if least := rule.GetMinLen(); least > 0 {
		checks = append(checks, func(s string) bool { return uint64(utf8.RuneCountInString(s)) >= least })
	}
	if rule.HasMaxBytes() {
		checks = append(checks, func(s string) bool { return uint64(len(s)) <= rule.GetMaxBytes() })
	}
	if rule.HasPattern() {
		matches, ok := quickPatterns[rule.GetPattern()]
		if !ok {
			compiled, err := regexp.Compile(rule.GetPattern())
			if err != nil {
				return nil, false
			}
			matches = compiled.MatchString
		}
		checks = append(checks, matches)
	}
	if in := rule.GetIn(); len(in) > 0 {
		checks = append(checks, func(s string) bool { return slices.Contains(in, s) })
	}
	if rule.GetUriRef() {
		checks = append(checks, plainPath)
	}
	return func(v protoreflect.Value) bool {
		s := v.String()
		for _, sound := range checks {
			if !sound(s) {
				return false
			}
		}
		return true
	}, onlySets(rule, "min_len", "max_len", "max_bytes", "pattern", "in", "uri_ref")
}

// onlySets tells whether a message of rules has no others than these.
func onlySets(rules proto.Message, names ...string) bool {
	only := true
	rules.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		only = slices.Contains(names, string(f.Name()))
		return only
	})
	return only && len(rules.ProtoReflect().GetUnknown()) == 0
}
