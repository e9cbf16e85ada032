package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// errNoSource is a run of events that no linked site has.
var errNoSource = errors.New("no linked site has it")

// FetchBlocks gets the blocks of an incarnation behind an offset, whose chain value is given, up to a later block boundary,
// from any linked site that holds them: to replace what is damaged here. The caller checks that they fit.
//
// Errors: those of the last site that was asked; ErrNoLink if none is linked that offers the stream.
func (m *Mesh) FetchBlocks(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, chain plantmesh.Chain, until plantmesh.Offset) ([][]byte, error) {
	err := fmt.Errorf("%w: %s@%d of incarnation %d", errors.Join(ErrNoLink, errNoSource), s, until, i)
	for _, session := range m.pullers.holders(s, i, until) {
		var blocks [][]byte
		if blocks, err = session.piece(ctx, s, i, after, chain, until); err == nil {
			return blocks, nil
		}
	}
	return nil, err
}

// holders are the sessions whose peers offer an incarnation up to an offset.
func (p *pullers) holders(s plantmesh.StreamName, i plantmesh.Incarnation, until plantmesh.Offset) (all []*session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for session := range p.sessions {
		session.mu.Lock()
		h := session.offers[history{s, i}]
		session.mu.Unlock()
		if h != nil && plantmesh.Offset(h.GetOffset()) >= until {
			all = append(all, session)
		}
	}
	return all
}

// piece asks the peer for a run of blocks.
func (s *session) piece(ctx context.Context, name plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, chain plantmesh.Chain, until plantmesh.Offset) ([][]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, errNoAnswer)
	defer cancel()
	call, err := s.client.Replicate(ctx)
	if err != nil {
		return nil, plantmesh.FromStatus(err)
	}
	start := &peerv1.ReplicateStart{Stream: string(name), Incarnation: uint64(i), Protocol: s.protocol, UntilOffset: uint64(until), Parts: true}
	if after > 0 {
		start.AfterOffset, start.Chain = uint64(after), chain[:]
	}
	_ = call.Send(&peerv1.ReplicateRequest{Message: &peerv1.ReplicateRequest_Start{Start: start}}) // Recv has the reason
	var blocks [][]byte
	var whole assembly
	progress := &peerv1.ReplicateProgress{}
	for {
		answer, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return blocks, nil
		}
		if err != nil {
			return nil, plantmesh.FromStatus(err)
		}
		if bytes := messageBytes(answer); bytes > 0 {
			progress.ReceivedBytes += bytes
			_ = call.Send(&peerv1.ReplicateRequest{Message: &peerv1.ReplicateRequest_Progress{Progress: progress}}) // Recv has the reason
		}
		if answer, err = whole.add(answer); err != nil {
			return nil, err
		}
		for _, b := range answer.GetBlocks() {
			if last, err := s.mesh.log.LastOffset(b); err != nil || last > until {
				return blocks, err
			}
			blocks = append(blocks, b)
		}
	}
}

// fetchTimeout bounds one attempt to fetch a run.
const fetchTimeout = 5 * time.Minute

// piece serves a run of blocks and ends.
func (s *serving) piece(ctx context.Context, head plantmesh.Head, until uint64) error {
	if err := s.accept(ctx, head); err != nil {
		return err
	}
	for s.sent.Load() < min(until, uint64(head.Offset)) && ctx.Err() == nil {
		if err := s.blocks(ctx, head); err != nil {
			return err
		}
	}
	return ctx.Err()
}
