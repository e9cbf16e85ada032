package main

import (
	"fmt"
	"strings"
)

// className writes an enum value without the prefix that the schema's style gives it: CLASS_URGENT is urgent.
func className(class fmt.Stringer) string { return enumName(class, "CLASS_") }

func enumName(value fmt.Stringer, prefix string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(value.String(), prefix)), "_", " ")
}
