package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/adapter"
	"github.com/plantmesh/plantmesh/storage"
)

// chunk is a run of rows that is recorded in one write.
type chunk struct {
	counts  Counts
	entries []storage.Entry
	rows    []record // of the entries, one each
	rejects []reject
	end     int64
	line    int
	bytes   int
	eof     bool
}

func (c *chunk) reject(r record, err *adapter.RowError) {
	c.counts.Rejected++
	c.rejects = append(c.rejects, reject{RowError: err, text: r.text})
}

// readChunk reads rows until a chunk is full or the file ends.
func (a *Adapter) readChunk(in *recordReader, p *progress) (*chunk, error) {
	c := &chunk{end: p.Offset, line: p.Line}
	for len(c.entries) < chunkRows && c.counts.Read < 4*chunkRows && c.bytes < chunkBytes {
		r, err := in.next()
		if errors.Is(err, io.EOF) {
			c.eof, c.end, c.line = true, in.offset, in.line
			return c, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p.Name, err)
		}
		c.end, c.line = r.end, in.line
		c.bytes += len(r.text)
		c.counts.Read++
		a.take(c, p.Columns, r)
	}
	return c, nil
}

// take maps one row.
func (a *Adapter) take(c *chunk, columns []string, r record) {
	if r.fault != "" {
		c.reject(r, &adapter.RowError{Line: r.line, Reason: r.fault})
		return
	}
	if len(r.fields) != len(columns) {
		c.reject(r, &adapter.RowError{Line: r.line, Reason: fmt.Sprintf("the row has %d columns, the table has %d", len(r.fields), len(columns))})
		return
	}
	values := make(map[string]string, len(columns))
	for i, name := range columns {
		values[name] = r.fields[i]
	}
	event, kind, err := a.mapping.Event(adapter.Row{Line: r.line, Values: values})
	var bad *adapter.RowError
	switch {
	case errors.Is(err, adapter.ErrSkipped):
		c.counts.Skipped++
	case errors.As(err, &bad):
		c.reject(r, bad)
	case err != nil:
		c.reject(r, &adapter.RowError{Line: r.line, Reason: err.Error()})
	default:
		c.entries = append(c.entries, storage.Entry{Stream: plantmesh.StreamOf(a.site, kind.Domain), Event: event})
		c.rows = append(c.rows, r)
	}
}

// commit records a chunk, with the progress behind it. A row that the log refuses becomes a reject.
func (a *Adapter) commit(ctx context.Context, p *progress, c *chunk) error {
	for {
		next, total, err := a.advance(ctx, p, c)
		if err != nil {
			return err
		}
		_, err = a.log.Append(ctx, storage.Write{Entries: c.entries, Cursors: []storage.Cursor{next.cursor(a.config), total.cursor(a.config)}})
		var conflict *plantmesh.ConflictError
		if errors.As(err, &conflict) && conflict.Index < len(c.entries) {
			i := conflict.Index
			c.reject(c.rows[i], &adapter.RowError{Line: c.rows[i].line, Field: "id", Reason: conflict.Error()})
			c.entries, c.rows = slices.Delete(c.entries, i, i+1), slices.Delete(c.rows, i, i+1)
			continue
		}
		if err != nil {
			return fmt.Errorf("record rows of %s: %w", p.Name, err)
		}
		a.mu.Lock()
		*p, a.total = next, total
		a.mu.Unlock()
		return nil
	}
}

// advance is the progress behind a chunk, for its file and in total. Its rejects are on disk when it returns.
func (a *Adapter) advance(ctx context.Context, p *progress, c *chunk) (progress, totals, error) {
	counts := c.counts
	duplicates, err := a.duplicates(c.entries)
	if err != nil {
		return progress{}, totals{}, err
	}
	counts.Duplicates, counts.Recorded = duplicates, uint64(len(c.entries))-duplicates
	if len(c.rejects) > 0 && p.Rejects == "" {
		if err := a.nameRejects(ctx, p); err != nil {
			return progress{}, totals{}, err
		}
	}
	next, total := *p, a.total
	next.Offset, next.Line = c.end, c.line
	next.Counts.add(counts)
	total.Counts.add(counts)
	if len(c.rejects) == 0 {
		return next, total, nil
	}
	slices.SortStableFunc(c.rejects, func(x, y reject) int { return x.Line - y.Line })
	if next.Problem == "" {
		next.Problem = c.rejects[0].Error()
	}
	next.RejectBytes, err = writeRejects(filepath.Join(a.config.Dir, next.Rejects), p.RejectBytes, c.rejects)
	return next, total, err
}

// nameRejects settles the name of a file's reject file, durably: after a crash it is found again and not made twice.
func (a *Adapter) nameRejects(ctx context.Context, p *progress) error {
	name, err := rejectName(a.config.Dir, p.Name)
	if err != nil {
		return fmt.Errorf("reject file of %s: %w", p.Name, err)
	}
	named := *p
	named.Rejects = name
	return a.save(ctx, p, named)
}

// duplicates counts the events that are recorded already, or stand earlier in the chunk. It asks before the write, so that the
// count is committed with the events; who else publishes the same ids at the same moment can make it differ by those.
func (a *Adapter) duplicates(entries []storage.Entry) (uint64, error) {
	type key struct {
		stream     plantmesh.StreamName
		source, id string
	}
	seen := make(map[key]bool, len(entries))
	var n uint64
	for _, e := range entries {
		k := key{e.Stream, e.Event.GetSource(), e.Event.GetId()}
		_, err := a.log.Lookup(k.stream, k.source, k.id)
		switch {
		case err == nil || seen[k]:
			n++
		case !errors.Is(err, plantmesh.ErrEventNotFound) && !errors.Is(err, plantmesh.ErrUnknownStream):
			return 0, err
		}
		seen[k] = true
	}
	return n, nil
}
