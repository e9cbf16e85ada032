package api

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	encodingproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of eventv1.SubscribeResponse.
const (
	frameCursor = 1
	frameEvents = 2
	frameHead   = 4
)

// rawFrame is a SubscribeResponse with events, on the wire already. The pieces of its batch are slices of a block's
// payload, which all readers of the block share.
type rawFrame struct{ pieces mem.BufferSlice }

// newRawFrame frames the pieces of a serialized EventBatch.
func newRawFrame(cursor []byte, batch [][]byte, head uint64) *rawFrame {
	size := 0
	for _, piece := range batch {
		size += len(piece)
	}
	start := make([]byte, 0, len(cursor)+16)
	start = protowire.AppendBytes(protowire.AppendTag(start, frameCursor, protowire.BytesType), cursor)
	start = protowire.AppendVarint(protowire.AppendTag(start, frameEvents, protowire.BytesType), uint64(size))
	end := protowire.AppendVarint(protowire.AppendTag(nil, frameHead, protowire.VarintType), head)

	pieces := make(mem.BufferSlice, 0, len(batch)+2)
	pieces = append(pieces, mem.SliceBuffer(start))
	for _, piece := range batch {
		pieces = append(pieces, mem.SliceBuffer(piece))
	}
	return &rawFrame{pieces: append(pieces, mem.SliceBuffer(end))}
}

// codec is gRPC's codec for protobuf, but passes raw frames as they are.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{CodecV2: encoding.GetCodecV2(encodingproto.Name)} }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*rawFrame); ok {
		return f.pieces, nil
	}
	b, err := c.CodecV2.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return b, nil
}
