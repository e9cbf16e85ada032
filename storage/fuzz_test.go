package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/plantmesh/plantmesh"
)

// FuzzBlock feeds blocks with a sound checksum, so that what is behind it is reached.
func FuzzBlock(f *testing.F) {
	for _, repeat := range []int{1, 200} {
		f.Add(sampleBlock(f, repeat).Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= headerBytes {
			binary.BigEndian.PutUint32(b[checksumAt:], checksum(b))
		}
		block, err := ParseBlock(b)
		if err != nil {
			if !errors.Is(err, plantmesh.ErrCorruptBlock) && !errors.Is(err, ErrNewerFormat) {
				t.Fatalf("parse: %v", err)
			}
			return
		}
		payload, err := block.Payload()
		if err == nil && len(payload) != int(block.rawBytes) {
			t.Fatalf("payload of %d bytes, header says %d", len(payload), block.rawBytes)
		}
		again := make([]byte, headerBytes)
		block.put(again)
		copy(again[checksumAt:], b[checksumAt:checksumAt+4])
		if !bytes.Equal(again, b[:headerBytes]) {
			t.Fatalf("header %x is written as %x", b[:headerBytes], again)
		}
		if err := block.verifyPayload("plant-a/production"); err != nil && !errors.Is(err, plantmesh.ErrCorruptBlock) {
			t.Fatalf("verify: %v", err)
		}
	})
}

func FuzzPayload(f *testing.F) {
	payload, _ := sampleBlock(f, 3).Payload()
	f.Add(payload)
	f.Fuzz(func(t *testing.T, b []byte) {
		events := 0
		err := walkPayload(b, func([]byte, plantmesh.Incarnation) error { return nil }, func(r recorded) error {
			events++
			if len(r.event) > len(r.whole) || len(r.whole) > len(b) {
				t.Fatal("an event larger than the payload")
			}
			return nil
		})
		if index, indexErr := indexPayload(b); err == nil && (indexErr != nil || len(index) != events) {
			t.Fatalf("%d events, %d in the index, %v", events, len(index), indexErr)
		}
	})
}

func FuzzKeys(f *testing.F) {
	for _, k := range [][]byte{blockKey(1, 2), timeKey(1, -2, 3), idKey(1, idHash{1}), streamKey(1), headKey(1), cursorKey("c")} {
		f.Add(k)
	}
	f.Fuzz(func(t *testing.T, k []byte) {
		var again []byte
		if n, o, err := parseBlockKey(k); err == nil {
			again = blockKey(n, o)
		} else if n, at, o, err := parseTimeKey(k); err == nil {
			again = timeKey(n, at, o)
		} else if n, h, err := parseIDKey(k); err == nil {
			again = idKey(n, h)
		} else if n, _, err := parseNumberKey(k, prefixStream, 5); err == nil {
			again = streamKey(n)
		} else {
			return
		}
		if !bytes.Equal(again, k) {
			t.Fatalf("%x is written as %x", k, again)
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add(headRecord{offset: 1}.encode())
	f.Add(streamRecord{name: "plant-a/production", incarnation: 1}.encode())
	f.Add(Position{Incarnation: 1, Offset: 2}.encode())
	f.Add(encodeOffset(3))
	f.Fuzz(func(t *testing.T, b []byte) {
		var all [][]byte
		if r, err := decodeHeadRecord(b); err == nil {
			all = append(all, r.encode())
		}
		if r, err := decodeStreamRecord(b); err == nil {
			all = append(all, r.encode())
		}
		if p, err := decodePosition(b); err == nil {
			all = append(all, p.encode())
		}
		if o, err := decodeOffset(b); err == nil {
			all = append(all, encodeOffset(o))
		}
		for _, again := range all {
			if !bytes.Equal(again, b) {
				t.Fatalf("%x is written as %x", b, again)
			}
		}
	})
}
