package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh/storage"
)

// read brings a complete file in, from where it was left. It returns how long to wait before looking at it again, 0 if it is
// done.
func (a *Adapter) read(ctx context.Context, c candidate) (time.Duration, error) {
	p, err := a.progressOf(ctx, c)
	if err != nil {
		return 0, err
	}
	if !p.Done {
		left, err := a.readRows(ctx, p)
		if err != nil {
			a.mu.Lock()
			p.Problem = err.Error() // shown now; not committed
			a.mu.Unlock()
			return 0, err
		}
		if left > 0 {
			return left, nil
		}
	}
	return 0, a.putAway(p)
}

// progressOf finds how far the file has been read before, or begins anew.
func (a *Adapter) progressOf(ctx context.Context, c candidate) (*progress, error) {
	a.mu.Lock()
	p := a.files[c.name]
	a.mu.Unlock()
	if p != nil && p.File.same(c.identity) {
		return p, nil
	}
	if p != nil && !p.Done && p.File.grown(c.identity) {
		a.mu.Lock()
		p.File = c.identity
		a.mu.Unlock()
		return p, nil
	}
	return a.begin(ctx, c)
}

// begin makes the record of a new drop, and removes the records of old ones.
func (a *Adapter) begin(ctx context.Context, c candidate) (*progress, error) {
	a.mu.Lock()
	total := a.total
	total.Sequence++
	p := &progress{Name: c.name, File: c.identity, Sequence: total.Sequence, Columns: a.mapping.Columns()}
	var old []string
	done := a.finished()
	for _, q := range done[:max(0, len(done)-keptFiles)] {
		old = append(old, q.Name)
	}
	a.mu.Unlock()
	cursors := []storage.Cursor{p.cursor(a.config), total.cursor(a.config)}
	for _, name := range old {
		if name != p.Name {
			cursors = append(cursors, storage.Cursor{Name: a.config.fileCursor(name)})
		}
	}
	if _, err := a.log.Append(ctx, storage.Write{Cursors: cursors}); err != nil {
		return nil, fmt.Errorf("record the progress of %s: %w", p.Name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range old {
		delete(a.files, name)
	}
	a.files[p.Name], a.total = p, total
	return p, nil
}

// finished lists the files that are done, in the order in which they were begun. The caller holds mu.
func (a *Adapter) finished() []*progress {
	var done []*progress
	for _, p := range a.files {
		if p.Done {
			done = append(done, p)
		}
	}
	slices.SortFunc(done, func(x, y *progress) int { return cmp.Compare(x.Sequence, y.Sequence) })
	return done
}

// readRows reads chunk after chunk to the end. A last line without a line end is waited for.
func (a *Adapter) readRows(ctx context.Context, p *progress) (time.Duration, error) {
	file, err := os.Open(filepath.Join(a.config.Dir, p.Name))
	if err != nil {
		return 0, fmt.Errorf("file %s: %w; make it readable for the node: it is tried again", p.Name, err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(p.Offset, io.SeekStart); err != nil {
		return 0, fmt.Errorf("file %s: %w", p.Name, err)
	}
	in := newRecordReader(file, a.mapping.Delimiter(), p.Offset, p.Line)
	if err := a.readHeader(ctx, in, p); err != nil {
		return 0, err
	}
	if left, err := unfinished(file, p.File, a.config.Settle); left > 0 || err != nil {
		return left, err
	}
	for {
		c, err := a.readChunk(in, p)
		if err != nil {
			return 0, err
		}
		if err := a.commit(ctx, p, c); err != nil {
			return 0, err
		}
		if c.eof {
			break
		}
	}
	return 0, a.finish(ctx, file, p)
}

// finish marks a file as done, unless it has grown meanwhile.
func (a *Adapter) finish(ctx context.Context, file *os.File, p *progress) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("file %s: %w", p.Name, err)
	}
	if now := identityOf(info); !now.same(p.File) {
		return nil // the next scan goes on from here
	}
	done := *p
	done.Done, done.Finished = true, time.Now().UTC()
	if err := a.save(ctx, p, done); err != nil {
		return err
	}
	a.logger.Info("file read", "file", p.Name, "read", p.Counts.Read, "recorded", p.Counts.Recorded,
		"duplicates", p.Counts.Duplicates, "rejected", p.Counts.Rejected, "skipped", p.Counts.Skipped)
	return nil
}

// unfinished says how long to wait for the end of a last line that has none.
func unfinished(file *os.File, id identity, settle time.Duration) (time.Duration, error) {
	if id.Size == 0 {
		return 0, nil
	}
	var last [1]byte
	if _, err := file.ReadAt(last[:], id.Size-1); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("file %s: %w", filepath.Base(file.Name()), err)
	}
	if last[0] == '\n' {
		return 0, nil
	}
	return max(0, max(settle, unfinishedSettle)-time.Since(id.ModTime)), nil
}

// readHeader reads the column names, if the mapping does not give them, and checks that the mapping's are there.
func (a *Adapter) readHeader(ctx context.Context, in *recordReader, p *progress) error {
	if p.Columns != nil {
		return nil
	}
	header, err := in.next()
	if errors.Is(err, io.EOF) {
		header = record{fields: []string{}}
	} else if err != nil {
		return fmt.Errorf("file %s: %w", p.Name, err)
	}
	if header.fault != "" {
		return fmt.Errorf("file %s: header line %d: %s; correct it: the file is tried again", p.Name, header.line, header.fault)
	}
	columns := slices.Clone(header.fields)
	for i, name := range columns {
		columns[i] = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
	}
	if missing := a.mapping.Missing(columns); err == nil && len(missing) > 0 {
		return fmt.Errorf("file %s: header line %d has no column %q, which the mapping needs; correct the file or the mapping: it is tried again",
			p.Name, header.line, missing)
	}
	named := *p
	named.Columns, named.Offset, named.Line = columns, in.offset, in.line
	return a.save(ctx, p, named)
}

// putAway moves a file that is done out of the way.
func (a *Adapter) putAway(p *progress) error {
	if !p.Done {
		return nil
	}
	dir := filepath.Join(a.config.Dir, doneDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("folder %s: %w; the files that were read stay where they are", dir, err)
	}
	ext := filepath.Ext(p.Name)
	name, err := freeName(dir, strings.TrimSuffix(p.Name, ext), ext)
	if err == nil {
		err = os.Rename(filepath.Join(a.config.Dir, p.Name), filepath.Join(dir, name))
	}
	if err != nil {
		return fmt.Errorf("move %s to %s: %w; it was read and is not read again", p.Name, dir, err)
	}
	return nil
}
