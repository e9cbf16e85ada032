package plantmesh

import "strings"

// quickPatterns are functions for the patterns that every event meets.
var quickPatterns = map[string]func(string) bool{
	`^[^\x00-\x1f\x7f]*$`:                                    noControl,
	`^(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?$`:                  plainDecimal,
	`^[A-Z0-9]{2,3}$`:                                        unitCode,
	`^([0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})?$`: traceParent,
	`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`:    dottedName,
}

func noControl(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func plainDecimal(s string) bool {
	whole, fraction, point := strings.Cut(s, ".")
	return len(whole) >= 1 && len(whole) <= 18 && digits(whole) && (whole[0] != '0' || len(whole) == 1) &&
		(!point || len(fraction) >= 1 && len(fraction) <= 9 && digits(fraction))
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func unitCode(s string) bool {
	for i := range len(s) {
		if (s[i] < 'A' || s[i] > 'Z') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return len(s) == 2 || len(s) == 3
}

func traceParent(s string) bool {
	if s == "" {
		return true
	}
	if len(s) != 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return false
	}
	for i := range len(s) {
		hex := s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
		if dash := i == 2 || i == 35 || i == 52; !hex && !dash {
			return false
		}
	}
	return true
}

func dottedName(s string) bool {
	begin := true
	for i := range len(s) {
		letter := s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z' || s[i] == '_'
		switch {
		case letter, !begin && s[i] >= '0' && s[i] <= '9':
			begin = false
		case s[i] == '.' && !begin:
			begin = true
		default:
			return false
		}
	}
	return !begin
}

// plainPath tells whether a text is certainly a URI reference: `//`, `/` or nothing, and then segments of letters, digits and a few marks.
func plainPath(s string) bool {
	rest := strings.TrimPrefix(s, "//")
	for i := range len(rest) {
		c := rest[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' && c != '/' {
			return false
		}
	}
	return rest != ""
}
