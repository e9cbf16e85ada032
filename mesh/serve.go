package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

type replicateServer = grpc.BidiStreamingServer[peerv1.ReplicateRequest, peerv1.ReplicateResponse]

// serving is one open Replicate call, seen from who holds the stream. It holds one frame at a time and no state but its
// position.
type serving struct {
	mesh        *Mesh
	stream      replicateServer
	caller      plantmesh.Identity
	name        plantmesh.StreamName
	incarnation plantmesh.Incarnation
	protocol    uint32
	size        frameSize
	turn        *turn
	parts       bool   // the follower takes parts
	pause       uint64 // send no further than this offset's block; 0: there is no end

	sent      atomic.Uint64 // last offset sent
	sentBytes atomic.Uint64 // of blocks and parts
}

func (m *Mesh) serveReplicate(stream replicateServer) error {
	caller, err := m.caller(stream.Context())
	if err != nil {
		return err
	}
	start, err := receiveStart(stream)
	if err != nil {
		return err
	}
	name, err := plantmesh.ParseStreamName(start.GetStream())
	if err != nil {
		return fmt.Errorf("%w: %w", plantmesh.ErrInvalidRequest, err)
	}
	ctx, cancel := m.calls.begin(stream.Context())
	defer cancel(nil)
	key := followerKey{site: caller.Site, stream: name}
	head, err := m.admit(ctx, name, caller, start)
	if err != nil {
		m.refused(caller, ActionReplicate, name, err)
		if _, unknown := m.log.HeadOf(name, 0); unknown == nil {
			m.followers.refuse(key, err.Error())
		}
		return err
	}
	if start.GetUntilOffset() > 0 {
		s := &serving{mesh: m, stream: stream, caller: caller, name: name, incarnation: head.Incarnation, protocol: start.GetProtocol()}
		s.sent.Store(start.GetAfterOffset())
		if start.GetParts() {
			s.parts, s.turn = true, m.lanes.enter(caller.Site, catalogv1.Class_CLASS_BULK)
			defer s.turn.leave()
			go s.hear(cancel) // ends when this call does, for that ends its Recv
		}
		return s.piece(ctx, head, start.GetUntilOffset())
	}
	call := m.followers.open(key, head.Incarnation, plantmesh.Offset(start.GetAfterOffset()), cancel)
	s := &serving{mesh: m, stream: stream, caller: caller, name: name, incarnation: head.Incarnation, protocol: start.GetProtocol(), parts: start.GetParts(), pause: start.GetPauseOffset()}
	s.turn = m.lanes.enter(caller.Site, m.classOf(name))
	defer s.turn.leave()
	s.sent.Store(start.GetAfterOffset())
	if start.GetAfterOffset() == 0 && s.protocol >= protocolSigned { // who holds nothing begins where the stream does
		earliest, err := m.log.Earliest(name, head.Incarnation)
		if err != nil {
			return err
		}
		s.sent.Store(uint64(earliest) - 1)
	}
	go s.listen(call, cancel) // ends when this call does, for that ends its Recv
	err = s.send(ctx, head)
	call.close(endReason(err))
	return err
}

// receiveStart reads the first message of a call.
func receiveStart(stream replicateServer) (*peerv1.ReplicateStart, error) {
	r, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if err := plantmesh.ValidateMessage(r); err != nil {
		return nil, err
	}
	if r.GetStart() == nil {
		return nil, fmt.Errorf("%w: the first message of Replicate has to be a start", plantmesh.ErrInvalidRequest)
	}
	return r.GetStart(), nil
}

// admit checks that a stream may go to the caller and that what the caller holds is a prefix of it. It returns the head of
// the incarnation that the caller wants. Callers of the protocol's first version know one incarnation, and origins only.
func (m *Mesh) admit(ctx context.Context, name plantmesh.StreamName, caller plantmesh.Identity, start *peerv1.ReplicateStart) (plantmesh.Head, error) {
	if err := m.mayExport(name, caller); err != nil {
		return plantmesh.Head{}, err
	}
	wanted := plantmesh.Incarnation(start.GetIncarnation())
	held := wanted
	if start.GetProtocol() < protocolSigned {
		if name.Origin() != m.self.Site {
			return plantmesh.Head{}, fmt.Errorf("%w: %s is not the origin of %s: link to %s for it, or upgrade the node of %s",
				plantmesh.ErrExportDenied, m.self.Site, name, name.Origin(), caller.Site)
		}
		held = 0
	}
	head, err := m.servedHead(name, held)
	if err != nil {
		return head, err
	}
	after := plantmesh.Offset(start.GetAfterOffset())
	if after == 0 {
		return head, nil
	}
	if wanted != head.Incarnation {
		return head, fmt.Errorf("%w: %s has incarnation %d up to offset %d here, %s holds incarnation %d up to %d",
			plantmesh.ErrIncarnationChanged, name, head.Incarnation, head.Offset, caller.Site, wanted, after)
	}
	if after > head.Offset {
		return head, &plantmesh.OffsetError{Stream: name, Asked: after, Earliest: 1, End: head.Offset, Err: plantmesh.ErrOffsetBeyondHead}
	}
	chain, err := m.log.ChainOf(ctx, name, head.Incarnation, after)
	if errors.Is(err, plantmesh.ErrNotBlockBoundary) {
		return head, fmt.Errorf("%w: %s@%d: a block ends there at %s with chain %x, none does here", plantmesh.ErrChainDiverged, name, after, caller.Site, start.GetChain())
	}
	if err != nil {
		return head, err
	}
	if string(chain[:]) != string(start.GetChain()) {
		return head, fmt.Errorf("%w: %s@%d is %s here, %x at %s", plantmesh.ErrChainDiverged, name, after, chain, start.GetChain(), caller.Site)
	}
	return head, nil
}

// listen takes the follower's reports until the call ends, and ends it if they make no sense.
func (s *serving) listen(call *followerCall, cancel context.CancelCauseFunc) {
	for {
		r, err := s.stream.Recv()
		if err != nil {
			cancel(err) // io.EOF: the follower is done
			return
		}
		durable := r.GetProgress().GetDurableOffset()
		if r.GetProgress() == nil || durable > s.sent.Load() || r.GetProgress().GetReceivedBytes() > s.sentBytes.Load() {
			cancel(fmt.Errorf("%w: %s: progress to offset %d, of %d sent, and %d bytes, of %d", plantmesh.ErrInvalidRequest,
				s.name, durable, s.sent.Load(), r.GetProgress().GetReceivedBytes(), s.sentBytes.Load()))
			return
		}
		call.report(plantmesh.Offset(durable))
		s.reported(r.GetProgress())
	}
}

// send sends blocks as they come, until the call ends.
func (s *serving) send(ctx context.Context, head plantmesh.Head) error {
	if err := s.accept(ctx, head); err != nil {
		return err
	}
	for {
		changed := s.mesh.log.Changed()
		head, err := s.mesh.servedHead(s.name, s.incarnation)
		if err != nil {
			return err
		}
		if s.protocol < protocolSigned {
			if current, err := s.mesh.log.HeadOf(s.name, 0); err != nil || current.Incarnation != s.incarnation {
				return fmt.Errorf("%w: %s has incarnation %d now, it was %d", plantmesh.ErrIncarnationChanged, s.name, current.Incarnation, s.incarnation)
			}
		}
		if ctx.Err() == nil && uint64(head.Offset) > s.sent.Load() && (s.pause == 0 || s.sent.Load() < s.pause) {
			if err := s.blocks(ctx, head); err != nil {
				return err
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return endOf(ctx)
		}
	}
}

// blocks sends one frame of what follows.
func (s *serving) blocks(ctx context.Context, head plantmesh.Head) error {
	if err := s.mesh.mayExport(s.name, s.caller); err != nil {
		s.mesh.refused(s.caller, ActionReplicate, s.name, err) // the rules may have changed since the call began
		return err
	}
	checkpoints, err := s.relayed() // before the blocks: the newest one moves on with the head, and is kept at no other place
	if err != nil {
		return err
	}
	blocks, err := s.mesh.log.RawBlocksOf(ctx, s.name, s.incarnation, plantmesh.Offset(s.sent.Load()), s.size.bytes())
	if err != nil {
		return err
	}
	if len(blocks) == 0 {
		return fmt.Errorf("%w: %s: no block after offset %d though the head is %d", plantmesh.ErrCorruptBlock, s.name, s.sent.Load(), head.Offset)
	}
	if s.pause > 0 && s.name.Origin() == s.mesh.self.Site { // of another's stream, frames end at its checkpoints
		blocks = s.mesh.upTo(blocks, plantmesh.Offset(s.pause))
	}
	answer := &peerv1.ReplicateResponse{Blocks: blocks}
	if s.protocol >= protocolSigned {
		if answer.Blocks, answer.Checkpoints, err = s.proof(ctx, blocks, checkpoints); err != nil {
			return err
		}
	}
	last, err := s.mesh.log.LastOffset(answer.Blocks[len(answer.Blocks)-1])
	if err != nil {
		return err
	}
	// Before sending: the report can be back before Send returns.
	s.sent.Store(uint64(last))
	began := time.Now()
	answer.HeadOffset, answer.HeadTime = uint64(head.Offset), timestamppb.New(head.Time)
	if err := s.deliver(ctx, answer, uint64(last)); err != nil {
		return err
	}
	s.size.took(time.Since(began))
	return nil
}

func (s *serving) frame(answer *peerv1.ReplicateResponse, head plantmesh.Head) error {
	answer.HeadOffset, answer.HeadTime = uint64(head.Offset), timestamppb.New(head.Time)
	return s.stream.Send(answer)
}

// endOf is what a call ended by its context answers.
func endOf(ctx context.Context) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, io.EOF):
		return nil
	case errors.Is(cause, errReplaced):
		return status.Error(codes.Aborted, cause.Error())
	default:
		return cause
	}
}

// endReason is what an operator reads about a call that ended.
func endReason(err error) string {
	switch {
	case err == nil:
		return "the site ended the call"
	case errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled || status.Code(err) == codes.Unavailable:
		return "the connection to the site ended"
	}
	return err.Error()
}
