package api

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Fields of eventv1.EventBatch, RecordedEvent and Event that a filter looks at.
const (
	batchEvents    = 3
	recordedOffset = 1
	recordedEvent  = 4
	eventType      = 3
	eventSubject   = 4
)

// filter says which events a subscriber wants. The zero filter passes all.
type filter struct {
	types    map[string]bool
	subjects map[string]bool
	prefixes []string
}

func newFilter(req *eventv1.SubscribeRequest) filter {
	f := filter{types: map[string]bool{}, subjects: map[string]bool{}}
	for _, t := range req.GetTypes() {
		f.types[t] = true
	}
	for _, s := range req.GetSubjects() {
		if prefix, ok := strings.CutSuffix(s, "*"); ok {
			f.prefixes = append(f.prefixes, prefix)
		} else {
			f.subjects[s] = true
		}
	}
	return f
}

func (f filter) passesAll() bool { return len(f.types)+len(f.subjects)+len(f.prefixes) == 0 }

func (f filter) passes(kind, subject []byte) bool {
	if len(f.types) > 0 && !f.types[string(kind)] {
		return false
	}
	if len(f.subjects)+len(f.prefixes) == 0 || f.subjects[string(subject)] {
		return true
	}
	for _, prefix := range f.prefixes {
		if strings.HasPrefix(string(subject), prefix) {
			return true
		}
	}
	return false
}

// cut takes the events behind an offset that pass a filter out of a serialized EventBatch. What it returns are slices of
// the payload, together a serialized EventBatch; none if no event passes. Nothing is decoded but what has to be compared.
func cut(payload []byte, after plantmesh.Offset, f filter) ([][]byte, error) {
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
func wants(recorded []byte, after plantmesh.Offset, f filter) (bool, error) {
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
	if f.passesAll() {
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
	return err == nil && f.passes(kind, subject), err
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
