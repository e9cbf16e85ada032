package console

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// formats are what the templates write values with.
var formats = template.FuncMap{
	"when": when, "ago": ago, "enum": enum, "count": count, "number": number, "pageOf": pageOf, "short": shortType, "size": size, "lag": lag, "capital": capital, "words": words,
}

// moment is a time for people and for machines.
type moment struct{ Machine, People string }

// when writes a time: of Go or of a message; the zero value is never.
func when(t any) moment {
	var at time.Time
	switch t := t.(type) {
	case time.Time:
		at = t
	case *timestamppb.Timestamp:
		if t != nil {
			at = t.AsTime()
		}
	}
	if at.IsZero() || at.Unix() <= 0 {
		return moment{People: "never"}
	}
	return moment{at.UTC().Format(time.RFC3339), at.UTC().Format("2006-01-02 15:04:05 UTC")}
}

// ago writes how far a time is from now, either way; empty for never.
func ago(t any, now time.Time) string {
	at, err := time.Parse(time.RFC3339, when(t).Machine)
	if err != nil {
		return ""
	}
	d := now.Sub(at)
	if d < -time.Second {
		return "in " + lag(-d)
	}
	return lag(max(d, 0)) + " ago"
}

// lag writes a duration in its largest unit.
func lag(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// enum writes a value of a message's enumeration without its prefix.
func enum(value fmt.Stringer, prefix string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(value.String(), prefix)), "_", " ")
}

// count writes a whole number with its thousands apart.
func count(n any) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// number writes a count with the word for what is counted.
func number(n any, one, many string) string {
	if text := count(n); text == "1" {
		return text + " " + one
	}
	return count(n) + " " + many
}

// size writes bytes.
func size(bytes uint64) string {
	const unit = 1024
	for _, u := range []struct {
		of   uint64
		name string
	}{{unit * unit * unit, "GiB"}, {unit * unit, "MiB"}, {unit, "KiB"}} {
		if bytes >= u.of {
			return fmt.Sprintf("%.1f %s", float64(bytes)/float64(u.of), u.name)
		}
	}
	return fmt.Sprintf("%d B", bytes)
}

// shortType is a type without its package.
func shortType(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// words is a name for people, such as `work center` for `work_center`.
func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

// capital begins a text with a capital letter.
func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// maxRows bounds the rows of a table of the overview.
const maxRows = 200

// first cuts a list for a table.
func first[T any](list []T) []T { return list[:min(len(list), maxRows)] }

// quoted writes an argument so that a shell takes it as it is.
func quoted(argument string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@+,"
	if argument != "" && strings.Trim(argument, plain) == "" {
		return argument
	}
	return "'" + strings.ReplaceAll(argument, "'", `'\''`) + "'"
}

// command joins a command line.
func command(words ...string) string {
	for i, word := range words {
		words[i] = quoted(word)
	}
	return strings.Join(words, " ")
}
