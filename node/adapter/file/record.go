package file

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// record is one row of a table, or what should have been one.
type record struct {
	line   int      // of its first line, counted from 1
	lines  int      // physical lines it takes
	text   string   // as it stands in the file, without its line end
	fields []string // nil if fault is set
	fault  string   // why it is no row
	end    int64    // offset in the file right behind it
	closed bool     // its last line has a line end
}

// recordReader splits a file into records (RFC 4180). Quoted fields may hold line ends. A record that makes no sense, or is longer
// than maxRecordBytes, costs its first line only: reading goes on with the next.
type recordReader struct {
	in        *bufio.Reader
	delimiter rune
	offset    int64 // of what is read next from in, less what is in ahead
	line      int   // lines handed out
	ahead     []rawLine
}

// rawLine is one physical line. text lacks the line end, size counts it.
type rawLine struct {
	text   string
	size   int64
	closed bool
	long   bool // longer than maxRecordBytes: text is its beginning
}

// newRecordReader reads from r, whose first byte is at offset, behind that many lines.
func newRecordReader(r io.Reader, delimiter rune, offset int64, line int) *recordReader {
	return &recordReader{in: bufio.NewReaderSize(r, 64<<10), delimiter: delimiter, offset: offset, line: line}
}

// next returns the next record that is not an empty line; io.EOF at the end.
func (r *recordReader) next() (record, error) {
	for {
		first, err := r.take(0)
		if err != nil {
			return record{}, err
		}
		if first.text == "" && !first.long {
			r.drop(1)
			continue
		}
		return r.record(first)
	}
}

// record makes the record that begins with a line.
func (r *recordReader) record(first rawLine) (record, error) {
	out := record{line: r.line + 1, lines: 1, text: first.text, closed: first.closed}
	switch {
	case first.long:
		out.fault = fmt.Sprintf("the line is longer than %d bytes", maxRecordBytes)
	case !strings.Contains(first.text, `"`):
		out.fields = strings.Split(first.text, string(r.delimiter))
	default:
		if err := r.quoted(&out); err != nil {
			return record{}, err
		}
	}
	if out.fault == "" && !utf8.ValidString(out.text) {
		out.fields, out.fault = nil, "the line is not UTF-8: save the file as UTF-8"
	}
	r.drop(out.lines)
	out.end = r.offset
	return out, nil
}

// quoted parses a record with quotes, taking more lines while a quote is open.
func (r *recordReader) quoted(out *record) error {
	text, lines, closed := out.text, 1, out.closed
	for strings.Count(text, `"`)%2 == 1 {
		more, err := r.take(lines)
		if errors.Is(err, io.EOF) || err == nil && (more.long || len(text)+len(more.text) > maxRecordBytes) {
			out.fault = "a quote is opened and not closed"
			return nil
		}
		if err != nil {
			return err
		}
		text, lines, closed = text+"\n"+more.text, lines+1, more.closed
	}
	in := csv.NewReader(strings.NewReader(text))
	in.Comma, in.FieldsPerRecord = r.delimiter, -1
	fields, err := in.Read()
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		out.fault = parse.Err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	out.text, out.lines, out.closed, out.fields = text, lines, closed, fields
	return nil
}

// take looks at the n-th line ahead.
func (r *recordReader) take(n int) (rawLine, error) {
	for len(r.ahead) <= n {
		line, err := r.readLine()
		if err != nil {
			return rawLine{}, err
		}
		r.ahead = append(r.ahead, line)
	}
	return r.ahead[n], nil
}

// drop hands out lines that were looked at.
func (r *recordReader) drop(n int) {
	for _, line := range r.ahead[:n] {
		r.offset += line.size
		r.line++
	}
	r.ahead = append(r.ahead[:0], r.ahead[n:]...)
}

// readLine reads one physical line, keeping no more than maxRecordBytes of it.
func (r *recordReader) readLine() (rawLine, error) {
	var kept []byte
	var out rawLine
	for {
		part, err := r.in.ReadSlice('\n')
		out.size += int64(len(part))
		if room := maxRecordBytes - len(kept); len(part) > room {
			out.long = true
			part = part[:room]
		}
		kept = append(kept, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || out.size == 0) {
			return rawLine{}, err
		}
		out.closed = err == nil
		out.text = string(bytes.TrimSuffix(bytes.TrimSuffix(kept, []byte("\n")), []byte("\r")))
		return out, nil
	}
}
