package mesh

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// A frame that would hold up a thin line goes in parts, between which more urgent streams get their turn. Blocks cannot be
// made smaller for it: they are what the origin's chain is made of.

// partsReport is from how many bytes in a message on the follower reports that it came, before it is durable.
const partsReport = 16 << 10

// deliver sends a frame of blocks when it is its stream's turn, in parts if it is large for the line and the follower puts
// parts together. last is the offset of its end.
func (s *serving) deliver(ctx context.Context, answer *peerv1.ReplicateResponse, last uint64) error {
	if s.turn == nil { // a caller that fetches a piece and takes no parts
		return s.stream.Send(answer)
	}
	size := blockBytes(answer)
	if !s.parts {
		if err := s.turn.take(ctx, size, last); err != nil {
			return endOf(ctx)
		}
		return s.stream.Send(answer)
	}
	if size <= s.turn.share() {
		return s.sendPart(ctx, answer, size)
	}
	rest, err := proto.Marshal(answer)
	if err != nil {
		return err
	}
	for len(rest) > 0 {
		n := min(len(rest), s.turn.share())
		part := &peerv1.ReplicateResponse{Part: rest[:n], More: n < len(rest)}
		if err := s.sendPart(ctx, part, n); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func (s *serving) sendPart(ctx context.Context, message *peerv1.ReplicateResponse, size int) error {
	if err := s.turn.take(ctx, size, s.sentBytes.Load()+uint64(size)); err != nil {
		return endOf(ctx)
	}
	s.sentBytes.Add(uint64(size)) // before sending: the report can be back before Send returns
	return s.stream.Send(message)
}

// reported makes room for what follows.
func (s *serving) reported(p *peerv1.ReplicateProgress) {
	if s.parts {
		s.turn.reported(p.GetReceivedBytes())
	} else {
		s.turn.reported(p.GetDurableOffset())
	}
}

// hear takes the reports of a caller that fetches a piece.
func (s *serving) hear(cancel context.CancelCauseFunc) {
	for {
		r, err := s.stream.Recv()
		if err == nil && r.GetProgress().GetReceivedBytes() > s.sentBytes.Load() {
			err = fmt.Errorf("%w: %s: progress to %d bytes, of %d", plantmesh.ErrInvalidRequest, s.name, r.GetProgress().GetReceivedBytes(), s.sentBytes.Load())
		}
		if err != nil {
			cancel(err)
			return
		}
		s.reported(r.GetProgress())
	}
}

func blockBytes(answer *peerv1.ReplicateResponse) (bytes int) {
	for _, b := range answer.GetBlocks() {
		bytes += len(b)
	}
	return bytes
}

// assembly puts parts together again.
type assembly struct{ bytes []byte }

// add takes a message and returns the frame that it completes: itself, if it is no part; nil if more is to come.
func (a *assembly) add(message *peerv1.ReplicateResponse) (*peerv1.ReplicateResponse, error) {
	if len(message.GetPart()) == 0 {
		if len(a.bytes) > 0 {
			return nil, fmt.Errorf("%w: a frame stops after %d bytes", errProtocol, len(a.bytes))
		}
		return message, nil
	}
	if len(a.bytes)+len(message.GetPart()) > maxReceiveBytes {
		return nil, fmt.Errorf("%w: a frame in parts is longer than %d bytes", errProtocol, maxReceiveBytes)
	}
	a.bytes = append(a.bytes, message.GetPart()...)
	if message.GetMore() {
		return nil, nil
	}
	frame := &peerv1.ReplicateResponse{}
	err := proto.Unmarshal(a.bytes, frame)
	a.bytes = nil
	if err != nil || len(frame.GetPart()) > 0 {
		return nil, fmt.Errorf("%w: parts that make no frame", errProtocol)
	}
	return frame, nil
}

// messageBytes is what a message counts in ReplicateProgress.received_bytes.
func messageBytes(message *peerv1.ReplicateResponse) uint64 {
	return uint64(len(message.GetPart()) + blockBytes(message))
}
