package plantmesh

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

func TestCursorsEncodingIsKept(t *testing.T) {
	got := hex.EncodeToString(place{stream: "plant-a/production", incarnation: 7, offset: 300, frame: []byte{1, 2}}.cursor())
	const want = "8112706c616e742d612f70726f64756374696f6e07ac020102"
	if got != want {
		t.Errorf("got %s: cursors that programs keep would no longer be read", got)
	}
}

func FuzzCursor(f *testing.F) {
	const stream = StreamName("plant-a/production")
	f.Add([]byte(place{stream: stream, incarnation: 7, offset: 300, frame: []byte{1, 2}}.cursor()))
	f.Add([]byte{})
	f.Add([]byte("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := placeOf(stream, b)
		if err != nil {
			if !errors.Is(err, ErrInvalidCursor) {
				t.Errorf("%x: %v", b, err)
			}
			return
		}
		again, err := placeOf(stream, p.cursor())
		if err != nil || again.incarnation != p.incarnation || again.offset != p.offset || !bytes.Equal(again.frame, p.frame) {
			t.Errorf("%x: %+v came back as %+v, %v", b, p, again, err)
		}
	})
}
