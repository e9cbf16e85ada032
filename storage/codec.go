package storage

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

// One encoder and one decoder serve every log of the process: both are without state between calls. The encoder's tables
// take about 1 MiB; it compresses one block at a time, and a log has one appender.
var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
		if err != nil {
			panic("zstd encoder: " + err.Error()) // its options are constants
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxPayloadBytes))
		if err != nil {
			panic("zstd decoder: " + err.Error())
		}
		return d
	})
)

// scratch holds buffers to compress into; a block then gets exactly the bytes it needs.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// compress returns the payload as it will be stored: compressed, or as it is where that is not smaller. The result may be
// used until done is called.
func compress(payload []byte) (stored []byte, c codec, done func()) {
	buffer := scratch.Get().(*[]byte) //nolint:errcheck,forcetypeassert // the pool holds nothing else
	*buffer = encoder().EncodeAll(payload, (*buffer)[:0])
	done = func() { scratch.Put(buffer) }
	if len(*buffer) < len(payload) {
		return *buffer, codecZstd, done
	}
	return payload, codecRaw, done
}

// decompress returns the payload that stored holds. It never allocates more than the header's length, which is bounded.
func decompress(h header, stored []byte) ([]byte, error) {
	if h.codec == codecRaw {
		return stored, nil
	}
	payload, err := decoder().DecodeAll(stored, make([]byte, 0, h.rawBytes))
	if err != nil {
		return nil, corrupt("block of offsets %d to %d: %w", h.base, h.lastOffset(), err)
	}
	if len(payload) != int(h.rawBytes) {
		return nil, corrupt("block of offsets %d to %d: payload of %d bytes, header says %d", h.base, h.lastOffset(), len(payload), h.rawBytes)
	}
	return payload, nil
}
