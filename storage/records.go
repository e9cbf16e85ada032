package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/plantmesh/plantmesh"
)

var errRecord = errors.New("malformed record")

// streamRecord gives a stream and incarnation their number. It is written once, with the first block.
type streamRecord struct {
	name        plantmesh.StreamName
	incarnation plantmesh.Incarnation
}

func (r streamRecord) encode() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(r.incarnation)), r.name...)
}

func decodeStreamRecord(b []byte) (streamRecord, error) {
	if len(b) < 8 {
		return streamRecord{}, fmt.Errorf("%w: stream: %d bytes", errRecord, len(b))
	}
	name, err := plantmesh.ParseStreamName(string(b[8:]))
	if err != nil {
		return streamRecord{}, fmt.Errorf("%w: %w", errRecord, err)
	}
	r := streamRecord{name: name, incarnation: plantmesh.Incarnation(binary.BigEndian.Uint64(b))}
	if r.incarnation == 0 {
		return streamRecord{}, fmt.Errorf("%w: stream %s: incarnation 0", errRecord, name)
	}
	return r, nil
}

// headRecord is how far a stream reaches. It is rewritten with every block.
type headRecord struct {
	offset plantmesh.Offset
	time   int64 // of the last event, nanoseconds since 1970
	stored uint64
	chain  plantmesh.Chain
}

const headRecordBytes = 8 + 8 + 8 + 32

func (r headRecord) encode() []byte {
	b := make([]byte, 0, headRecordBytes)
	b = binary.BigEndian.AppendUint64(b, uint64(r.offset))
	b = binary.BigEndian.AppendUint64(b, uint64(r.time))
	b = binary.BigEndian.AppendUint64(b, r.stored)
	return append(b, r.chain[:]...)
}

func decodeHeadRecord(b []byte) (headRecord, error) {
	if len(b) != headRecordBytes {
		return headRecord{}, fmt.Errorf("%w: head: %d bytes, want %d", errRecord, len(b), headRecordBytes)
	}
	r := headRecord{
		offset: plantmesh.Offset(binary.BigEndian.Uint64(b)),
		time:   int64(binary.BigEndian.Uint64(b[8:])),
		stored: binary.BigEndian.Uint64(b[16:]),
		chain:  plantmesh.Chain(b[24:]),
	}
	if r.offset == 0 {
		return headRecord{}, fmt.Errorf("%w: head at offset 0", errRecord)
	}
	return r, nil
}

// head is the record in the words of the domain.
func (r headRecord) head(s streamRecord) plantmesh.Head {
	return plantmesh.Head{Stream: s.name, Incarnation: s.incarnation, Offset: r.offset, Chain: r.chain, Time: time.Unix(0, r.time).UTC()}
}

func encodeOffset(o plantmesh.Offset) []byte { return binary.BigEndian.AppendUint64(nil, uint64(o)) }

func decodeOffset(b []byte) (plantmesh.Offset, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: offset: %d bytes, want 8", errRecord, len(b))
	}
	return plantmesh.Offset(binary.BigEndian.Uint64(b)), nil
}
