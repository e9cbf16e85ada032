package api

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/filter"
)

// Fields of eventv1.EventBatch, RecordedEvent and Event that a filter looks at.
const (
	batchEvents    = 3
	recordedOffset = 1
	recordedEvent  = 4
	eventType      = 3
	eventSubject   = 4
)

// cut takes the events behind an offset that pass a filter out of a serialized EventBatch. What it returns are slices of
// the payload, together a serialized EventBatch; none if no event passes. Nothing is decoded but what has to be compared.
func cut(payload []byte, after plantmesh.Offset, f filter.Filter) ([][]byte, error) {
	var pieces [][]byte
	start, passed := 0, 0 // start of the piece that is being collected
	for at := 0; at < len(payload); {
		field, kind, tag := protowire.ConsumeTag(payload[at:])
		if tag < 0 {
			return nil, fmt.Errorf("%w: batch: %w", plantmesh.ErrCorruptBlock, protowire.ParseError(tag))
		}
		size := protowire.ConsumeFieldValue(field, kind, payload[at+tag:])
		if size < 0 {
			return nil, fmt.Errorf("%w: batch: %w", plantmesh.ErrCorruptBlock, protowire.ParseError(size))
		}
		next := at + tag + size
		if field == batchEvents && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(payload[at+tag:])
			wanted, err := wants(value, after, f)
			if err != nil {
				return nil, err
			}
			if wanted {
				passed++
			} else {
				if at > start {
					pieces = append(pieces, payload[start:at])
				}
				start = next
			}
		}
		at = next
	}
	if passed == 0 {
		return nil, nil
	}
	if start < len(payload) {
		pieces = append(pieces, payload[start:])
	}
	return pieces, nil
}

// wants looks into one serialized RecordedEvent.
func wants(recorded []byte, after plantmesh.Offset, f filter.Filter) (bool, error) {
	var offset uint64
	var event []byte
	err := fields(recorded, func(field protowire.Number, number uint64, bytes []byte) {
		switch field {
		case recordedOffset:
			offset = number
		case recordedEvent:
			event = bytes
		}
	})
	if err != nil || plantmesh.Offset(offset) <= after {
		return false, err
	}
	if f.PassesAll() {
		return true, nil
	}
	var kind, subject []byte
	err = fields(event, func(field protowire.Number, _ uint64, bytes []byte) {
		switch field {
		case eventType:
			kind = bytes
		case eventSubject:
			subject = bytes
		}
	})
	return err == nil && f.Passes(kind, subject), err
}

// fields calls fn for the varints and the byte fields of a serialized message.
func fields(b []byte, fn func(field protowire.Number, number uint64, bytes []byte)) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("%w: event: %w", plantmesh.ErrCorruptBlock, protowire.ParseError(n))
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(field, kind, b)
		if size < 0 {
			return fmt.Errorf("%w: event: %w", plantmesh.ErrCorruptBlock, protowire.ParseError(size))
		}
		switch kind {
		case protowire.VarintType:
			number, _ := protowire.ConsumeVarint(b)
			fn(field, number, nil)
		case protowire.BytesType:
			bytes, _ := protowire.ConsumeBytes(b)
			fn(field, 0, bytes)
		}
		b = b[size:]
	}
	return nil
}
