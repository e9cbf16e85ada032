package storage

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Fields of eventv1.EventBatch, eventv1.RecordedEvent and google.protobuf.Timestamp. Payloads are written and walked field by
// field: an event is serialized once, by whoever submits it, and never again.
const (
	batchStream      = 1
	batchIncarnation = 2
	batchEvents      = 3
	recordedOffset   = 1
	recordedTime     = 2
	recordedSite     = 3
	recordedEvent    = 4
	timeSeconds      = 1
	timeNanos        = 2
)

// recorded is one event within a payload. site and event are slices of it.
type recorded struct {
	offset plantmesh.Offset
	time   int64 // nanoseconds since 1970
	site   []byte
	event  []byte // serialized eventv1.Event
	whole  []byte // serialized eventv1.RecordedEvent
}

func appendPayloadStart(b []byte, s plantmesh.StreamName, i plantmesh.Incarnation) []byte {
	b = protowire.AppendString(protowire.AppendTag(b, batchStream, protowire.BytesType), string(s))
	return protowire.AppendVarint(protowire.AppendTag(b, batchIncarnation, protowire.VarintType), uint64(i))
}

// appendRecorded appends one event to a payload.
func appendRecorded(b []byte, o plantmesh.Offset, at int64, site plantmesh.SiteID, event []byte) []byte {
	var scratch [24]byte
	t := appendTime(scratch[:0], at)
	size := protowire.SizeTag(recordedOffset) + protowire.SizeVarint(uint64(o)) +
		protowire.SizeTag(recordedTime) + protowire.SizeBytes(len(t)) +
		protowire.SizeTag(recordedSite) + protowire.SizeBytes(len(site)) +
		protowire.SizeTag(recordedEvent) + protowire.SizeBytes(len(event))
	b = protowire.AppendVarint(protowire.AppendTag(b, batchEvents, protowire.BytesType), uint64(size))
	b = protowire.AppendVarint(protowire.AppendTag(b, recordedOffset, protowire.VarintType), uint64(o))
	b = protowire.AppendBytes(protowire.AppendTag(b, recordedTime, protowire.BytesType), t)
	b = protowire.AppendString(protowire.AppendTag(b, recordedSite, protowire.BytesType), string(site))
	return protowire.AppendBytes(protowire.AppendTag(b, recordedEvent, protowire.BytesType), event)
}

// recordedOverhead bounds what appendRecorded adds to an event, the site's name aside.
const recordedOverhead = 64

func appendTime(b []byte, ns int64) []byte {
	t := time.Unix(0, ns)
	if s := t.Unix(); s != 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, timeSeconds, protowire.VarintType), uint64(s))
	}
	if n := t.Nanosecond(); n != 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, timeNanos, protowire.VarintType), uint64(n))
	}
	return b
}

// errStop ends a walk early.
var errStop = errors.New("stop")

// walkFields calls onNumber for the varints of a serialized message and onBytes for its strings, bytes and messages, in
// order. Fields of other wire types are passed over, as unknown fields are.
func walkFields(b []byte, onNumber func(protowire.Number, uint64), onBytes func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(field, kind, b); n < 0 {
			return protowire.ParseError(n)
		}
		value := b[:n]
		b = b[n:]
		switch kind {
		case protowire.VarintType:
			number, _ := protowire.ConsumeVarint(value)
			onNumber(field, number)
		case protowire.BytesType:
			bytes, _ := protowire.ConsumeBytes(value)
			if err := onBytes(field, bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// walkPayload calls event for every event of a payload, and start once, before the first, with what all share.
func walkPayload(payload []byte, start func(stream []byte, i plantmesh.Incarnation) error, event func(recorded) error) error {
	var stream []byte
	var incarnation plantmesh.Incarnation
	started := false
	return walkFields(payload, func(field protowire.Number, number uint64) {
		if field == batchIncarnation {
			incarnation = plantmesh.Incarnation(number)
		}
	}, func(field protowire.Number, bytes []byte) error {
		switch field {
		case batchStream:
			stream = bytes
		case batchEvents:
			if !started {
				if err := start(stream, incarnation); err != nil {
					return err
				}
				started = true
			}
			r, err := parseRecorded(bytes)
			if err != nil {
				return err
			}
			return event(r)
		}
		return nil
	})
}

func parseRecorded(b []byte) (recorded, error) {
	r := recorded{whole: b}
	err := walkFields(b, func(field protowire.Number, number uint64) {
		if field == recordedOffset {
			r.offset = plantmesh.Offset(number)
		}
	}, func(field protowire.Number, bytes []byte) (err error) {
		switch field {
		case recordedTime:
			r.time, err = parseTime(bytes)
		case recordedSite:
			r.site = bytes
		case recordedEvent:
			r.event = bytes
		}
		return err
	})
	return r, err
}

func parseTime(b []byte) (ns int64, err error) {
	var seconds, nanos int64
	err = walkFields(b, func(field protowire.Number, number uint64) {
		switch field {
		case timeSeconds:
			seconds = int64(number)
		case timeNanos:
			nanos = int64(number)
		}
	}, func(protowire.Number, []byte) error { return nil })
	return time.Unix(seconds, nanos).UnixNano(), err
}

// eachEvent calls fn for the events of the block, in order. fn may return errStop.
func (b *Block) eachEvent(fn func(recorded) error) error {
	payload, err := b.Payload()
	if err != nil {
		return err
	}
	err = walkPayload(payload, func([]byte, plantmesh.Incarnation) error { return nil }, fn)
	if err != nil && !errors.Is(err, errStop) {
		return corrupt("block of offsets %d to %d: %w", b.First(), b.Last(), err)
	}
	return nil
}

// indexPayload returns where in a payload each event begins: one look at a block's events for any number of lookups.
func indexPayload(payload []byte) ([]uint32, error) {
	var index []uint32
	for at := 0; at < len(payload); {
		field, kind, n := protowire.ConsumeTag(payload[at:])
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		if at += n; field == batchEvents && kind == protowire.BytesType {
			index = append(index, uint32(at))
		}
		if n = protowire.ConsumeFieldValue(field, kind, payload[at:]); n < 0 {
			return nil, protowire.ParseError(n)
		}
		at += n
	}
	return index, nil
}

// find returns the event at an offset that the block covers.
func (b *Block) find(o plantmesh.Offset) (recorded, error) {
	payload, err := b.Payload()
	if err != nil {
		return recorded{}, err
	}
	index, err := b.index()
	if err != nil {
		return recorded{}, corrupt("block of offsets %d to %d: %w", b.First(), b.Last(), err)
	}
	if o < b.First() || o-b.First() >= plantmesh.Offset(len(index)) {
		return recorded{}, corrupt("block of offsets %d to %d does not hold %d", b.First(), b.Last(), o)
	}
	whole, n := protowire.ConsumeBytes(payload[index[o-b.First()]:])
	if n < 0 {
		return recorded{}, corrupt("event at offset %d: %w", o, protowire.ParseError(n))
	}
	r, err := parseRecorded(whole)
	if err != nil {
		return recorded{}, corrupt("event at offset %d: %w", o, err)
	}
	if r.offset != o {
		return recorded{}, corrupt("where the event at offset %d should be is that at %d", o, r.offset)
	}
	return r, nil
}

// Event decodes one event of the block.
//
// Errors: plantmesh.ErrCorruptBlock, also if the block does not cover the offset.
func (b *Block) Event(o plantmesh.Offset) (*eventv1.RecordedEvent, error) {
	r, err := b.find(o)
	if err != nil {
		return nil, err
	}
	e := &eventv1.RecordedEvent{}
	if err := proto.Unmarshal(r.whole, e); err != nil {
		return nil, corrupt("event at offset %d: %w", o, err)
	}
	return e, nil
}

// verifyPayload checks that the payload says what the header says, for the stream it is taken for.
func (b *Block) verifyPayload(s plantmesh.StreamName) error {
	payload, err := b.Payload()
	if err != nil {
		return err
	}
	next, last, origin := b.First(), b.first, string(s.Origin())
	err = walkPayload(payload, func(stream []byte, i plantmesh.Incarnation) error {
		if string(stream) != string(s) || i != b.incarnation {
			return fmt.Errorf("payload is of stream %q, incarnation %d", stream, i)
		}
		return nil
	}, func(r recorded) error {
		switch {
		case r.offset != next || next > b.Last():
			return fmt.Errorf("payload has offset %d where %d is due", r.offset, next)
		case r.time < last || next == b.First() && r.time != b.first || next == b.Last() && r.time != b.last:
			return fmt.Errorf("event at offset %d has time %d, which the header does not allow", r.offset, r.time)
		case string(r.site) != origin:
			return fmt.Errorf("event at offset %d is of site %q", r.offset, r.site)
		}
		next, last = next+1, r.time
		return nil
	})
	if err == nil && next != b.Last()+1 {
		err = fmt.Errorf("payload ends before offset %d", next)
	}
	if err != nil {
		return corrupt("block of offsets %d to %d of %s: %w", b.First(), b.Last(), s, err)
	}
	return nil
}
