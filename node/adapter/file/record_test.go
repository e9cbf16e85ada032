package file

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// However a file looks, every line of it is accounted for once, in order, and reading can go on from behind any record.
func FuzzRecords(f *testing.F) {
	f.Add("a,b\n1,2\n", ',')
	f.Add("a;\"b\nc\";d\r\n\r\n\"open\n1\n2", ';')
	f.Add("\"a\"b,c\n,,\n\xff\n", ',')
	f.Fuzz(func(t *testing.T, text string, delimiter rune) {
		if delimiter == '"' || delimiter == '\n' || delimiter == '\r' || delimiter == 0xFFFD || delimiter <= 0 || delimiter > 0x10FFFF {
			return
		}
		var all []record
		in := newRecordReader(strings.NewReader(text), delimiter, 0, 0)
		line, end := 0, int64(0)
		for {
			r, err := in.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.line <= line || r.end <= end || (r.fields == nil) == (r.fault == "") {
				t.Fatalf("after line %d, offset %d: %+v", line, end, r)
			}
			line, end = r.line+r.lines-1, r.end
			all = append(all, r)
		}
		if in.offset != int64(len(text)) {
			t.Fatalf("ends at %d of %d", in.offset, len(text))
		}
		if len(all) < 2 {
			return
		}
		first := all[0]
		rest := newRecordReader(strings.NewReader(text[first.end:]), delimiter, first.end, first.line+first.lines-1)
		second, err := rest.next()
		if err != nil || second.line != all[1].line || second.end != all[1].end || second.text != all[1].text {
			t.Fatalf("going on behind %+v gives %+v, %v; not %+v", first, second, err, all[1])
		}
	})
}
