package storage

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// The header of a block, big-endian:
//
//	 0  magic "PMBK"                     40  first recorded time, ns since 1970
//	 4  version 1                        48  last recorded time, ns since 1970
//	 5  codec: 0 raw, 1 zstd             56  chain value before this block
//	 6  zero (2)                         88  payload
//	 8  incarnation
//	16  offset of the first event
//	24  number of events (4)
//	28  payload bytes, decompressed (4)
//	32  payload bytes, stored (4)
//	36  CRC-32C of all but these four
const (
	headerBytes  = 88
	checksumAt   = 36
	blockMagic   = "PMBK"
	blockVersion = 1
)

type codec byte

const (
	codecRaw  codec = 0
	codecZstd codec = 1
)

// maxPayloadBytes bounds what a block may claim to decompress to. The largest event is well below it.
const maxPayloadBytes = 8 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is a block's header, decoded.
type header struct {
	codec       codec
	incarnation plantmesh.Incarnation
	base        plantmesh.Offset
	count       uint32
	rawBytes    uint32
	storedBytes uint32
	first, last int64
	previous    plantmesh.Chain
}

// Block is a run of consecutive events of one stream: the unit of storage and replication. It is immutable and may be
// shared by any number of goroutines.
type Block struct {
	header
	bytes []byte
	chain func() plantmesh.Chain
	raw   func() ([]byte, error)
	index func() ([]uint32, error) // where each event begins in the payload
}

// newBlock wraps bytes whose header is h. payload is the decompressed payload if the caller has it.
func newBlock(h header, b, payload []byte) *Block {
	block := &Block{header: h, bytes: b, chain: sync.OnceValue(func() plantmesh.Chain { return sha256.Sum256(b) })}
	if payload != nil {
		block.raw = func() ([]byte, error) { return payload, nil }
	} else {
		block.raw = sync.OnceValues(func() ([]byte, error) { return decompress(h, b[headerBytes:]) })
	}
	block.index = sync.OnceValues(func() ([]uint32, error) {
		payload, err := block.raw()
		if err != nil {
			return nil, err
		}
		return indexPayload(payload)
	})
	return block
}

// buildBlock makes the block of a payload. It keeps the payload.
func buildBlock(h header, payload []byte) *Block {
	stored, c, done := compress(payload)
	defer done()
	h.codec, h.rawBytes, h.storedBytes = c, uint32(len(payload)), uint32(len(stored))
	b := make([]byte, headerBytes+len(stored))
	h.put(b)
	copy(b[headerBytes:], stored)
	binary.BigEndian.PutUint32(b[checksumAt:], checksum(b))
	return newBlock(h, b, payload)
}

func (h header) put(b []byte) {
	copy(b, blockMagic)
	b[4], b[5] = blockVersion, byte(h.codec)
	binary.BigEndian.PutUint64(b[8:], uint64(h.incarnation))
	binary.BigEndian.PutUint64(b[16:], uint64(h.base))
	binary.BigEndian.PutUint32(b[24:], h.count)
	binary.BigEndian.PutUint32(b[28:], h.rawBytes)
	binary.BigEndian.PutUint32(b[32:], h.storedBytes)
	binary.BigEndian.PutUint64(b[40:], uint64(h.first))
	binary.BigEndian.PutUint64(b[48:], uint64(h.last))
	copy(b[56:], h.previous[:])
}

// checksum covers the whole block but the checksum itself.
func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:checksumAt], castagnoli), castagnoli, b[checksumAt+4:])
}

// ParseBlock reads a block and checks its checksum and that its header makes sense. The block keeps b, which must not be
// changed any more. The payload is not looked at.
//
// Errors: plantmesh.ErrCorruptBlock; ErrNewerFormat.
func ParseBlock(b []byte) (*Block, error) {
	h, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	if want, got := binary.BigEndian.Uint32(b[checksumAt:]), checksum(b); want != got {
		return nil, corrupt("block of offsets %d to %d: checksum is %08x, header says %08x", h.base, h.lastOffset(), got, want)
	}
	return newBlock(h, b, nil), nil
}

func parseHeader(b []byte) (header, error) {
	if len(b) < headerBytes {
		return header{}, corrupt("block of %d bytes: the header has %d", len(b), headerBytes)
	}
	if string(b[:4]) != blockMagic {
		return header{}, corrupt("block begins with %x", b[:4])
	}
	if b[4] != blockVersion {
		return header{}, fmt.Errorf("block of version %d: %w: this one reads version %d; upgrade this node", b[4], ErrNewerFormat, blockVersion)
	}
	h := header{
		codec:       codec(b[5]),
		incarnation: plantmesh.Incarnation(binary.BigEndian.Uint64(b[8:])),
		base:        plantmesh.Offset(binary.BigEndian.Uint64(b[16:])),
		count:       binary.BigEndian.Uint32(b[24:]),
		rawBytes:    binary.BigEndian.Uint32(b[28:]),
		storedBytes: binary.BigEndian.Uint32(b[32:]),
		first:       int64(binary.BigEndian.Uint64(b[40:])),
		last:        int64(binary.BigEndian.Uint64(b[48:])),
		previous:    plantmesh.Chain(b[56:headerBytes]),
	}
	switch {
	case b[6] != 0 || b[7] != 0 || h.codec > codecZstd:
		return header{}, corrupt("block with codec %x", b[5:8])
	case h.incarnation == 0 || h.base == 0 || h.count == 0 || h.lastOffset() < h.base:
		return header{}, corrupt("block of incarnation %d with %d events from offset %d", h.incarnation, h.count, h.base)
	case h.first > h.last:
		return header{}, corrupt("block of offsets %d to %d: time runs backwards", h.base, h.lastOffset())
	case h.rawBytes > maxPayloadBytes || uint64(h.storedBytes) != uint64(len(b)-headerBytes) || h.codec == codecRaw && h.rawBytes != h.storedBytes:
		return header{}, corrupt("block of offsets %d to %d: %d bytes for a payload of %d, %d stored", h.base, h.lastOffset(), len(b), h.rawBytes, h.storedBytes)
	}
	return h, nil
}

func (h header) lastOffset() plantmesh.Offset { return h.base + plantmesh.Offset(h.count) - 1 }

// Bytes is the block as stored and sent. Callers must not change it.
func (b *Block) Bytes() []byte { return b.bytes }

// Incarnation is that of the stream.
func (b *Block) Incarnation() plantmesh.Incarnation { return b.incarnation }

// First is the offset of the first event.
func (b *Block) First() plantmesh.Offset { return b.base }

// Last is the offset of the last event.
func (b *Block) Last() plantmesh.Offset { return b.lastOffset() }

// Count is the number of events.
func (b *Block) Count() int { return int(b.count) }

// FirstTime is when the first event was recorded.
func (b *Block) FirstTime() time.Time { return time.Unix(0, b.first).UTC() }

// LastTime is when the last event was recorded.
func (b *Block) LastTime() time.Time { return time.Unix(0, b.last).UTC() }

// Previous is the chain value before the block.
func (b *Block) Previous() plantmesh.Chain { return b.previous }

// Chain is the chain value after the block, computed from its bytes.
func (b *Block) Chain() plantmesh.Chain { return b.chain() }

// Payload is the serialized eventv1.EventBatch. It is decompressed once and shared: callers must not change it.
//
// Errors: plantmesh.ErrCorruptBlock.
func (b *Block) Payload() ([]byte, error) { return b.raw() }

// Batch decodes the payload. The message is the caller's own.
//
// Errors: plantmesh.ErrCorruptBlock.
func (b *Block) Batch() (*eventv1.EventBatch, error) {
	payload, err := b.Payload()
	if err != nil {
		return nil, err
	}
	batch := &eventv1.EventBatch{}
	if err := proto.Unmarshal(payload, batch); err != nil {
		return nil, corrupt("block of offsets %d to %d: %w", b.First(), b.Last(), err)
	}
	return batch, nil
}

// genesis is the chain value before the first event of a stream.
func genesis(mesh string, s plantmesh.StreamName, i plantmesh.Incarnation) plantmesh.Chain {
	b := append([]byte("plantmesh chain v1\x00"), mesh...)
	b = append(append(b, 0), s...)
	return sha256.Sum256(binary.BigEndian.AppendUint64(append(b, 0), uint64(i)))
}
