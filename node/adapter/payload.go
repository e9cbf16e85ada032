package adapter

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// setter puts one field into a message.
type setter struct {
	path  string // for errors
	field protoreflect.FieldDescriptor
	value *program // of a field that is no nested message
	enum  map[string]protoreflect.EnumNumber

	when   *program // of a nested message; nil: always
	nested []setter
}

const timestampName = "google.protobuf.Timestamp"

// setters compiles the fields of a message.
func (c *compiler) setters(prefix string, message protoreflect.MessageDescriptor, fields Fields) []setter {
	var all []setter
	for _, f := range fields {
		path := prefix + f.Name
		field := message.Fields().ByName(protoreflect.Name(f.Name))
		if field == nil {
			c.fault(f.Value, "%s has no field %q; it has %s", message.FullName(), f.Name, fieldNames(message))
			continue
		}
		s := setter{path: path, field: field}
		nested := field.Message() != nil && field.Message().FullName() != timestampName
		switch {
		case nested && f.Nested == nil:
			c.fault(f.Value, "%s is a %s: give a section with its fields, %s", path, field.Message().Name(), fieldNames(field.Message()))
		case nested:
			s.when = c.optional(path+".when", f.When, cel.BoolType)
			s.nested = c.setters(path+".", field.Message(), f.Nested)
		case f.Nested != nil:
			c.fault(f.Value, "%s is no section: give an expression", path)
		default:
			s.value, s.enum = c.compile(path, f.Value, kinds(field)...), enumNames(field)
		}
		all = append(all, s)
	}
	return all
}

func fieldNames(message protoreflect.MessageDescriptor) string {
	var names []string
	for i := range message.Fields().Len() {
		names = append(names, string(message.Fields().Get(i).Name()))
	}
	return strings.Join(names, ", ")
}

// kinds are the CEL types that a field can be set from.
func kinds(field protoreflect.FieldDescriptor) []*cel.Type {
	if field.IsList() {
		return []*cel.Type{cel.ListType(cel.StringType)} // the schema has no other lists
	}
	switch field.Kind() {
	case protoreflect.BoolKind:
		return []*cel.Type{cel.BoolType}
	case protoreflect.MessageKind:
		return []*cel.Type{cel.TimestampType}
	default:
		return []*cel.Type{cel.StringType}
	}
}

// enumNames are the values of an enum by name, with and without the prefix that the schema's style gives them.
func enumNames(field protoreflect.FieldDescriptor) map[string]protoreflect.EnumNumber {
	if field.Enum() == nil {
		return nil
	}
	names := map[string]protoreflect.EnumNumber{}
	values := field.Enum().Values()
	prefix := strings.TrimSuffix(string(values.Get(0).Name()), "UNSPECIFIED")
	for i := range values.Len() {
		name := string(values.Get(i).Name())
		names[name], names[strings.TrimPrefix(name, prefix)] = values.Get(i).Number(), values.Get(i).Number()
	}
	return names
}

// fill sets the fields of a message from a row. Its errors are *RowError.
func fill(message protoreflect.Message, setters []setter, row *activation) error {
	for _, s := range setters {
		if s.value == nil {
			if err := s.fillNested(message, row); err != nil {
				return err
			}
			continue
		}
		value, err := s.value.run(s.path, row)
		if err != nil {
			return err
		}
		if err := s.set(message, value); err != nil {
			return &RowError{Line: row.line, Field: s.path, Reason: err.Error()}
		}
	}
	return nil
}

func (s setter) fillNested(message protoreflect.Message, row *activation) error {
	if s.when != nil {
		wanted, err := s.when.run(s.path+".when", row)
		if err != nil || wanted != types.True {
			return err
		}
	}
	return fill(message.Mutable(s.field).Message(), s.nested, row)
}

// set puts an expression's value into the field.
func (s setter) set(message protoreflect.Message, value ref.Val) error {
	switch v := value.(type) {
	case types.String:
		return s.setText(message, string(v))
	case types.Bool:
		if s.field.Kind() == protoreflect.BoolKind {
			message.Set(s.field, protoreflect.ValueOfBool(bool(v)))
			return nil
		}
	case types.Timestamp:
		if s.field.Kind() == protoreflect.MessageKind {
			message.Set(s.field, protoreflect.ValueOfMessage(timestamppb.New(v.Time).ProtoReflect()))
			return nil
		}
	case traits.Lister:
		if s.field.IsList() {
			return s.setList(message, v)
		}
	}
	return fmt.Errorf("%v does not fit the field", value.Type())
}

func (s setter) setText(message protoreflect.Message, text string) error {
	switch {
	case s.enum != nil:
		number, ok := s.enum[text]
		if !ok {
			return fmt.Errorf("%q is not one of its values", text)
		}
		message.Set(s.field, protoreflect.ValueOfEnum(number))
	case s.field.Kind() == protoreflect.StringKind && !s.field.IsList():
		message.Set(s.field, protoreflect.ValueOfString(text))
	default:
		return fmt.Errorf("text %q does not fit the field", text)
	}
	return nil
}

func (s setter) setList(message protoreflect.Message, list traits.Lister) error {
	out := message.Mutable(s.field).List()
	for it := list.Iterator(); it.HasNext() == types.True; {
		text, ok := it.Next().(types.String)
		if !ok {
			return fmt.Errorf("its elements must be texts")
		}
		out.Append(protoreflect.ValueOfString(string(text)))
	}
	return nil
}
