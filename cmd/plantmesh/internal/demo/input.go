package demo

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/adapter"
)

// row is one row of the input, as it stands there.
type row struct {
	line int    // in the input, counted from 1
	text []byte // with its line end
	site plantmesh.SiteID
}

// input is a table whose rows belong to the plants.
type input struct {
	header  []byte // with its line end; empty if the mapping names the columns
	rows    []row
	mapping string // its file
	events  map[eventKey]expected
}

// eventKey is an event's idempotency key.
type eventKey struct{ source, id string }

// expected is what the demo itself makes of the input: what must be found at the end.
type expected struct {
	stream  plantmesh.StreamName
	subject string
	line    int // of its first row
}

// readInput splits a table by the mapping's site. Rows whose site cannot be told go to the first plant, which rejects them.
func readInput(path, mappingPath string) (*input, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	config, err := adapter.LoadMapping(mappingPath)
	if err != nil {
		return nil, err
	}
	return splitInput(text, mappingPath, config)
}

func splitInput(text []byte, mappingPath string, config adapter.MappingConfig) (*input, error) {
	mappings := map[plantmesh.SiteID]*adapter.Mapping{}
	for _, plant := range plants {
		m, err := adapter.Compile(config, plant)
		if err != nil {
			return nil, err
		}
		mappings[plant] = m
	}
	first := mappings[plants[0]]
	in := &input{mapping: mappingPath, events: map[eventKey]expected{}}
	reader := csv.NewReader(bytes.NewReader(text))
	reader.Comma, reader.FieldsPerRecord, reader.LazyQuotes = first.Delimiter(), -1, true
	columns := first.Columns()
	for {
		begin := reader.InputOffset()
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("input: %w", err)
		}
		raw := bytes.TrimLeft(text[begin:reader.InputOffset()], "\r\n") // empty lines before it
		if columns == nil {
			columns, in.header = fields, raw
			continue
		}
		line, _ := reader.FieldPos(0)
		in.add(row{line: line, text: raw}, columns, fields, mappings)
	}
	if len(in.rows) == 0 {
		return nil, errors.New("input: it has no rows")
	}
	return in, nil
}

// add decides where a row goes, and notes the event that must come of it.
func (in *input) add(r row, columns, fields []string, mappings map[plantmesh.SiteID]*adapter.Mapping) {
	r.site = plants[0]
	defer func() { in.rows = append(in.rows, r) }()
	if !bytes.HasSuffix(r.text, []byte("\n")) {
		r.text = append(slices.Clone(r.text), '\n')
	}
	if len(fields) != len(columns) {
		return
	}
	values := make(map[string]string, len(columns))
	for i, name := range columns {
		values[name] = fields[i]
	}
	table := adapter.Row{Line: r.line, Values: values}
	site, err := mappings[plants[0]].Site(table)
	if err != nil || !slices.Contains(plants, site) {
		return
	}
	r.site = site
	event, kind, err := mappings[site].Event(table)
	if err != nil {
		return
	}
	key := eventKey{event.GetSource(), event.GetId()}
	if _, repeated := in.events[key]; !repeated {
		in.events[key] = expected{stream: plantmesh.StreamOf(site, kind.Domain), subject: event.GetSubject(), line: r.line}
	}
}
