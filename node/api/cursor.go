package api

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/plantmesh/plantmesh"
)

// A cursor, big-endian: version (1), digest of the stream's name (8), incarnation (8), offset (8), CRC-32C of all that (4).
const (
	cursorVersion = 1
	cursorBytes   = 29
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// cursor is a place in a stream: right behind offset.
type cursor struct {
	incarnation plantmesh.Incarnation
	offset      plantmesh.Offset
}

func (c cursor) encode(s plantmesh.StreamName) []byte {
	b := make([]byte, 0, cursorBytes)
	b = append(b, cursorVersion)
	b = append(b, streamDigest(s)...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.incarnation))
	b = binary.BigEndian.AppendUint64(b, uint64(c.offset))
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decodeCursor reads a cursor of a stream. The error is an ErrInvalidCursor.
func decodeCursor(s plantmesh.StreamName, b []byte) (cursor, error) {
	wrong := func(why string) (cursor, error) {
		return cursor{}, fmt.Errorf("%s: %w: %s: pass one as it came in a frame of this stream", s, plantmesh.ErrInvalidCursor, why)
	}
	switch {
	case len(b) == 0 || b[0] != cursorVersion:
		return wrong("it is of an unknown version")
	case len(b) != cursorBytes || binary.BigEndian.Uint32(b[cursorBytes-4:]) != crc32.Checksum(b[:cursorBytes-4], castagnoli):
		return wrong("it is damaged")
	case string(b[1:9]) != string(streamDigest(s)):
		return wrong("it is of another stream")
	}
	return cursor{incarnation: plantmesh.Incarnation(binary.BigEndian.Uint64(b[9:])), offset: plantmesh.Offset(binary.BigEndian.Uint64(b[17:]))}, nil
}

func streamDigest(s plantmesh.StreamName) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:8]
}
