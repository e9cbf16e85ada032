package plantmesh

import (
	"encoding/binary"
	"fmt"
)

// Cursor is a place in a stream, right behind a delivered event. Keep it with what the event led to, in one transaction
// where there is one, and go on from it with [From]. It is good at any site that holds the stream, for as long as the
// stream's incarnation, and only for the Go client: what is in it may change.
type Cursor []byte

// cursorVersion is the first byte. What follows: length and name of the stream, incarnation, offset, all as varints, and
// the cursor of the frame before, as the node gave it.
const cursorVersion = 0x81

// place is what a cursor says.
type place struct {
	stream      StreamName
	incarnation Incarnation // 0: none known yet
	offset      Offset      // of the last event delivered
	frame       []byte      // the node's cursor behind the last frame that was delivered whole; empty before the first
}

func (p place) cursor() Cursor {
	b := make([]byte, 0, 1+len(p.stream)+3*binary.MaxVarintLen64+len(p.frame))
	b = append(b, cursorVersion)
	b = binary.AppendUvarint(b, uint64(len(p.stream)))
	b = append(b, p.stream...)
	b = binary.AppendUvarint(b, uint64(p.incarnation))
	b = binary.AppendUvarint(b, uint64(p.offset))
	return append(b, p.frame...)
}

// placeOf reads a cursor of a stream. The error is an ErrInvalidCursor.
func placeOf(stream StreamName, c Cursor) (place, error) {
	wrong := func(why string) (place, error) {
		return place{}, fmt.Errorf("%s: %w: %s: pass one as a Delivery of this stream had it", stream, ErrInvalidCursor, why)
	}
	if len(c) == 0 || c[0] != cursorVersion {
		return wrong("it is not one of this client")
	}
	b := []byte(c[1:])
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return wrong("it is damaged")
	}
	p := place{stream: StreamName(b[n : n+int(length)])}
	if p.stream != stream {
		return wrong(fmt.Sprintf("it is of stream %q", string(p.stream)))
	}
	b = b[n+int(length):]
	incarnation, n := binary.Uvarint(b)
	if n <= 0 {
		return wrong("it is damaged")
	}
	b = b[n:]
	offset, n := binary.Uvarint(b)
	if n <= 0 {
		return wrong("it is damaged")
	}
	p.incarnation, p.offset, p.frame = Incarnation(incarnation), Offset(offset), b[n:]
	return p, nil
}
