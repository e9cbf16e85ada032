package api

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/plantmesh/plantmesh"
)

const stream plantmesh.StreamName = "plant-a/production"

func TestCursorReadsBackWhatItSays(t *testing.T) {
	for _, c := range []cursor{{incarnation: 1}, {incarnation: 1 << 63, offset: 1<<64 - 1}, {incarnation: 42, offset: 7}} {
		got, err := decodeCursor(stream, c.encode(stream))
		if err != nil || got != c {
			t.Errorf("%+v reads back as %+v, %v", c, got, err)
		}
	}
}

// Clients keep cursors across upgrades: the encoding of a version does not change.
func TestCursorEncodingIsPinned(t *testing.T) {
	const want = "0150e243d29e4e9e06000000000000002a0000000000000007cf89762d"
	got := hex.EncodeToString(cursor{incarnation: 42, offset: 7}.encode(stream))
	if got != want {
		t.Errorf("encoding is %s", got)
	}
}

func TestCursorIsRefusedWhenDamagedOrOfAnotherStream(t *testing.T) {
	good := cursor{incarnation: 42, offset: 7}.encode(stream)
	for i := range good {
		bad := append([]byte{}, good...)
		bad[i] ^= 1
		if _, err := decodeCursor(stream, bad); !errors.Is(err, plantmesh.ErrInvalidCursor) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	if _, err := decodeCursor("plant-b/production", good); !errors.Is(err, plantmesh.ErrInvalidCursor) {
		t.Errorf("other stream: %v", err)
	}
}

func FuzzDecodeCursor(f *testing.F) {
	f.Add(cursor{incarnation: 42, offset: 7}.encode(stream))
	f.Add([]byte{cursorVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCursor(stream, b)
		if err != nil {
			if !errors.Is(err, plantmesh.ErrInvalidCursor) {
				t.Error(err)
			}
			return
		}
		if again := c.encode(stream); string(again) != string(b) {
			t.Errorf("%x reads as %+v, which is %x", b, c, again)
		}
	})
}
