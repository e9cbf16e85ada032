package adapter

import (
	"fmt"
	"strings"
)

// decimal writes a number exactly as the protocol wants it: no sign, no thousands, no leading zeros. The separator is a
// point, or what the plant writes instead of one.
func decimal(text, separator string) (string, error) {
	original := text
	text = strings.TrimSpace(text)
	whole, fraction, _ := strings.Cut(text, separator)
	if whole == "" && fraction == "" || !digits(whole) || !digits(fraction) {
		return "", fmt.Errorf("%q is not a number such as 12%s5", original, separator)
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
		return whole, nil
	}
	return whole + "." + fraction, nil
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
