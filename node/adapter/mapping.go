package adapter

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// MappingConfig is a mapping as its file says it.
type MappingConfig struct {
	// TimeZone is the IANA name of the zone that local times are in, such as Europe/Berlin.
	TimeZone string `yaml:"time_zone"`
	// Delimiter separates the columns; a comma if empty.
	Delimiter string `yaml:"delimiter,omitempty"`
	// Columns names the columns of a file that has no header line. Empty: the first line does.
	Columns []string `yaml:"columns,omitempty"`
	// Source is the source of every event, text.
	Source Expression `yaml:"source"`
	// Vars are names for expressions, usable in those below them.
	Vars []Var `yaml:"vars,omitempty"`
	// Skip is true for rows that are nobody's event.
	Skip Expression `yaml:"skip,omitempty"`
	// Site is the name of the site whose event the row is, text. Empty: every row is this site's.
	Site Expression `yaml:"site,omitempty"`
	// Events are tried in order: the first whose When is true makes the event.
	Events []Rule `yaml:"events"`

	path string // for errors
}

// Var is a name for an expression.
type Var struct {
	Name  string     `yaml:"name"`
	Value Expression `yaml:"value"`
}

// Rule makes one type of event.
type Rule struct {
	When    Expression `yaml:"when,omitempty"`    // true or false; empty: true
	Type    string     `yaml:"type"`              // full name of the event type
	ID      Expression `yaml:"id"`                // text
	Time    Expression `yaml:"time"`              // timestamp
	Subject Expression `yaml:"subject,omitempty"` // text; empty: by the catalog's rule
	Fields  Fields     `yaml:"fields"`            // of the payload
}

// Expression is the text of a CEL expression, with its place in the file.
type Expression struct {
	Text         string
	Line, Column int
}

// UnmarshalYAML takes any scalar.
func (e *Expression) UnmarshalYAML(node ast.Node) error {
	text, err := scalar(node)
	if err != nil {
		return err
	}
	position := node.GetToken().Position
	*e = Expression{Text: text, Line: position.Line, Column: position.Column}
	return nil
}

// MarshalYAML writes the text.
func (e Expression) MarshalYAML() (any, error) { return e.Text, nil }

// Fields are the fields of a message, in the order of the file.
type Fields []Field

// Field is one field: an expression, or the fields of a nested message.
type Field struct {
	Name   string
	Value  Expression // its place is that of the name where Nested is used
	When   Expression // of a nested message: leave it out unless true; empty: true
	Nested Fields
}

// UnmarshalYAML reads a section of expressions and sections.
func (f *Fields) UnmarshalYAML(node ast.Node) error {
	section, ok := node.(*ast.MappingNode)
	if !ok {
		return &yaml.SyntaxError{Message: "fields must be a section of `name: expression`", Token: node.GetToken()}
	}
	for _, entry := range section.Values {
		name, position := entry.Key.GetToken().Value, entry.Key.GetToken().Position
		field := Field{Name: name, Value: Expression{Line: position.Line, Column: position.Column}}
		if nested, ok := entry.Value.(*ast.MappingNode); ok {
			if err := field.nested(nested); err != nil {
				return err
			}
		} else if err := field.Value.UnmarshalYAML(entry.Value); err != nil {
			return err
		}
		if slices.ContainsFunc(*f, func(other Field) bool { return other.Name == name }) {
			return &yaml.SyntaxError{Message: fmt.Sprintf("field %q stands twice", name), Token: entry.Key.GetToken()}
		}
		*f = append(*f, field)
	}
	return nil
}

// keyWhen is the one key of a nested section that is not a field.
const keyWhen = "when"

func (f *Field) nested(node *ast.MappingNode) error {
	rest := *node
	rest.Values = nil
	for _, entry := range node.Values {
		if entry.Key.GetToken().Value != keyWhen {
			rest.Values = append(rest.Values, entry)
		} else if err := f.When.UnmarshalYAML(entry.Value); err != nil {
			return err
		}
	}
	f.Nested = Fields{}
	return f.Nested.UnmarshalYAML(&rest)
}

func scalar(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return strings.TrimSpace(n.Value), nil
	case *ast.LiteralNode:
		return strings.TrimSpace(n.Value.Value), nil
	case ast.ScalarNode:
		return n.GetToken().Value, nil
	}
	return "", &yaml.SyntaxError{Message: "an expression is wanted here; quote it if it begins with { or [", Token: node.GetToken()}
}

// LoadMapping reads a mapping file. Its errors name file, line and column. It is not compiled yet: see [Compile].
func LoadMapping(path string) (MappingConfig, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return MappingConfig{}, fmt.Errorf("mapping: %w", err)
	}
	return ParseMapping(path, text)
}

// ParseMapping reads a mapping; path is for its errors.
func ParseMapping(path string, text []byte) (MappingConfig, error) {
	c := MappingConfig{path: path}
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&c)
	var at yaml.Error
	switch {
	case err == nil:
		return c, nil
	case errors.As(err, &at) && at.GetToken() != nil && at.GetToken().Position != nil:
		p := at.GetToken().Position
		return c, fmt.Errorf("mapping %s:%d:%d: %s", path, p.Line, p.Column, message(at))
	default:
		return c, fmt.Errorf("mapping %s: %w", path, err)
	}
}

func message(err yaml.Error) string {
	var unknown *yaml.UnknownFieldError
	var wrongType *yaml.TypeError
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("unknown key %q: correct its spelling, or remove it", err.GetToken().Value)
	case errors.As(err, &wrongType):
		return fmt.Sprintf("%q is not of the kind that is wanted here", err.GetToken().Value)
	}
	return err.GetMessage()
}
