package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
)

// located writes an error of the decoder as `:line:column: message`, in the file's words and not in Go's.
func located(err error) error {
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position == nil {
		return fmt.Errorf(": %w", err)
	}
	p := at.GetToken().Position
	return fmt.Errorf(":%d:%d: %s", p.Line, p.Column, message(err, at))
}

func message(err error, at yaml.Error) string {
	var wrongType *yaml.TypeError
	var unknown *yaml.UnknownFieldError
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("unknown key %q: correct its spelling, or remove it", at.GetToken().Value)
	case errors.As(err, &wrongType):
		return fmt.Sprintf("%q is %s where %s is expected", at.GetToken().Value, inWords(wrongType.SrcType), inWords(wrongType.DstType))
	}
	return strings.NewReplacer("sequence", "list", "mapping", "section").Replace(at.GetMessage())
}

// inWords names what a Go type is in YAML.
func inWords(t reflect.Type) string {
	if t == nil {
		return "nothing"
	}
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	}
	return "a section"
}
