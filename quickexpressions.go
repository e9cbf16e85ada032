package plantmesh

import (
	"regexp"
	"strings"

	schema "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The two expressions that most canonical types have.
var (
	// positive: a quantity, if there is one, is not zero. Its pattern has no sign.
	positive = regexp.MustCompile(`^!has\(this\.(\w+)\) \|\| this\.(\w+)\.value\.matches\('\[1-9\]'\)$`)
	// ordered: of two times, if both are there, one is not before the other.
	ordered = regexp.MustCompile(`^!has\(this\.(\w+)\) \|\| !has\(this\.(\w+)\) \|\| this\.(\w+) >= this\.(\w+)$`)
)

// quickExpressions compiles the expressions of a message; false if there is one that it does not know.
func quickExpressions(d protoreflect.MessageDescriptor, rules *schema.MessageRules) (checks []func(protoreflect.Message) bool, ok bool) {
	if rules != nil && !onlySets(rules, "cel") {
		return nil, false
	}
	for _, rule := range rules.GetCel() {
		check := quickExpression(d, rule.GetExpression())
		if check == nil {
			return nil, false
		}
		checks = append(checks, check)
	}
	return checks, true
}

func quickExpression(d protoreflect.MessageDescriptor, expression string) func(protoreflect.Message) bool {
	field := func(name string) protoreflect.FieldDescriptor { return d.Fields().ByName(protoreflect.Name(name)) }
	if names := positive.FindStringSubmatch(expression); names != nil && names[1] == names[2] {
		quantity := field(names[1])
		if quantity == nil || quantity.Message() == nil || quantity.IsList() {
			return nil
		}
		value := quantity.Message().Fields().ByName("value")
		if value == nil || value.Kind() != protoreflect.StringKind {
			return nil
		}
		return func(m protoreflect.Message) bool {
			return !m.Has(quantity) || strings.ContainsAny(m.Get(quantity).Message().Get(value).String(), "123456789")
		}
	}
	if names := ordered.FindStringSubmatch(expression); names != nil && names[1] == names[4] && names[2] == names[3] || names != nil && names[1] == names[3] && names[2] == names[4] {
		late, early := field(names[3]), field(names[4])
		for _, f := range []protoreflect.FieldDescriptor{late, early} {
			if f == nil || f.Message() == nil || f.IsList() || f.Message().FullName() != "google.protobuf.Timestamp" {
				return nil
			}
		}
		seconds, nanos := late.Message().Fields().ByName("seconds"), late.Message().Fields().ByName("nanos")
		return func(m protoreflect.Message) bool {
			if !m.Has(late) || !m.Has(early) {
				return true
			}
			l, e := m.Get(late).Message(), m.Get(early).Message()
			ls, es := l.Get(seconds).Int(), e.Get(seconds).Int()
			return (ls > es || ls == es && l.Get(nanos).Int() >= e.Get(nanos).Int()) && inRange(l.Get(nanos).Int(), ls) && inRange(e.Get(nanos).Int(), es)
		}
	}
	return nil
}

// inRange tells whether a timestamp is one: what is not is left to protovalidate.
func inRange(nanos, seconds int64) bool {
	const first, last = -62_135_596_800, 253_402_300_799 // years 1 to 9999
	return nanos >= 0 && nanos < 1e9 && seconds >= first && seconds <= last
}
