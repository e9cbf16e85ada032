package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// writeJSON writes one value, indented.
func writeJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// protoJSON is how messages are written for machines: names as in the .proto files, nothing left out.
var protoJSON = protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}

// writeMessage writes a message as one JSON object.
func writeMessage(w io.Writer, m proto.Message) error {
	text, err := protoJSON.Marshal(m)
	if err != nil {
		return err
	}
	var plain json.RawMessage = text // protojson's own spacing varies on purpose
	return writeJSON(w, plain)
}

// writeLine writes one value as one line of JSON.
func writeLine(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// lockedWriter lets several goroutines write whole messages.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// table writes aligned columns under a title; nothing if it has no rows.
type table struct {
	w       *tabwriter.Writer
	title   string
	columns []any
	empty   bool
}

func newTable(w io.Writer, title string, columns ...any) *table {
	return &table{w: tabwriter.NewWriter(w, 2, 0, 2, ' ', 0), title: title, columns: columns, empty: true}
}

func (t *table) row(cells ...any) {
	if t.empty {
		t.empty = false
		fmt.Fprintln(t.w, t.title)
		t.row(t.columns...)
	}
	for _, cell := range cells {
		fmt.Fprintf(t.w, "  %v\t", cell)
	}
	fmt.Fprintln(t.w)
}

func (t *table) flush() error {
	if !t.empty {
		fmt.Fprintln(t.w)
	}
	return t.w.Flush()
}

// short writes a duration for people.
func short(d time.Duration) string {
	switch {
	case d >= time.Minute || d <= -time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second || d <= -time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond || d <= -time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// size writes bytes for people.
func size(bytes uint64) string {
	const unit = 1024
	switch {
	case bytes >= unit*unit*unit:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/unit/unit/unit)
	case bytes >= unit*unit:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/unit/unit)
	case bytes >= unit:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/unit)
	}
	return fmt.Sprintf("%d B", bytes)
}

// writeMessageLine writes a message as one line of JSON.
func writeMessageLine(w io.Writer, m proto.Message) error {
	text, err := protoJSON.Marshal(m)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(json.RawMessage(text))
}
