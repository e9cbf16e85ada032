package mesh

import (
	"context"
	"fmt"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// A node serves its own streams up to their heads, and signs each frame. Of another's stream it serves what the origin has
// signed, with the checkpoints that it was given: every frame ends at one of them.

// relayedAtOnce is how many checkpoints are looked through for the end of a frame. Between two lie at least SignedEvery
// bytes of the log, the newest apart.
const relayedAtOnce = 32

// servedHead is how far an incarnation can be served, 0 for the current one.
func (m *Mesh) servedHead(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Head, error) {
	head, err := m.log.HeadOf(s, i)
	if err != nil || s.Origin() == m.self.Site {
		return head, err
	}
	c, err := m.log.Checkpoint(s, head.Incarnation)
	if err != nil {
		return head, err
	}
	head.Offset, head.Chain = c.Offset, c.Chain
	return head, nil
}

// accept sends the first frame: how far the stream reaches, the keys that sign it, and its origin's newest word.
func (s *serving) accept(ctx context.Context, head plantmesh.Head) error {
	answer := &peerv1.ReplicateResponse{}
	if s.protocol < protocolSigned {
		return s.frame(answer, head)
	}
	vouchers, err := s.mesh.vouchers(s.name)
	if err != nil {
		return err
	}
	answer.SiteKeys = vouchers[max(0, len(vouchers)-maxVouchers):]
	c, err := s.mesh.checkpointAt(ctx, plantmesh.Head{Stream: s.name, Incarnation: s.incarnation}, plantmesh.Offset(s.sent.Load()))
	if err != nil {
		return err
	}
	if c.Signed != nil {
		answer.Checkpoints = [][]byte{c.Signed}
	}
	return s.frame(answer, head)
}

// maxVouchers is the most that the first frame carries.
const maxVouchers = 16

// relayed are the checkpoints that another's stream is passed on with: those behind what was sent.
func (s *serving) relayed() ([]plantmesh.Checkpoint, error) {
	if s.name.Origin() == s.mesh.self.Site {
		return nil, nil // its own are signed as they go
	}
	return s.mesh.log.Checkpoints(s.name, s.incarnation, plantmesh.Offset(s.sent.Load()), relayedAtOnce)
}

// proof returns the blocks, or as many of them as a signature covers, and the checkpoints that do.
func (s *serving) proof(ctx context.Context, blocks [][]byte, checkpoints []plantmesh.Checkpoint) ([][]byte, [][]byte, error) {
	if s.name.Origin() == s.mesh.self.Site {
		signed, err := s.signed(blocks)
		return blocks, signed, err
	}
	covered, signed, err := s.covered(blocks, checkpoints)
	if err == nil && len(covered) == 0 { // the next checkpoint is further on than the line's frames are long
		if blocks, err = s.mesh.log.RawBlocksOf(ctx, s.name, s.incarnation, plantmesh.Offset(s.sent.Load()), maxFrameBytes); err == nil {
			covered, signed, err = s.covered(blocks, checkpoints)
		}
	}
	if err == nil && len(covered) == 0 {
		err = fmt.Errorf("%w: none of %s within %d bytes behind offset %d: %s had it when its origin did not sign yet, and cannot pass it on; link to %s for it",
			plantmesh.ErrInvalidCheckpoint, s.name, maxFrameBytes, s.sent.Load(), s.mesh.self.Site, s.name.Origin())
	}
	return covered, signed, err
}

// signed signs the end of own blocks, and on the way every signEvery bytes.
func (s *serving) signed(blocks [][]byte) (all [][]byte, err error) {
	bytes := 0
	for i, b := range blocks {
		if bytes += len(b); bytes < signEvery && i < len(blocks)-1 {
			continue
		}
		bytes = 0
		last, err := s.mesh.log.LastOffset(b)
		if err != nil {
			return nil, err
		}
		c, err := s.mesh.sign(s.name, s.incarnation, last, s.mesh.log.ChainAfter(b))
		if err != nil {
			return nil, err
		}
		all = append(all, c.Signed)
	}
	return all, nil
}

// covered returns the blocks up to the last checkpoint among them, and the checkpoints.
func (s *serving) covered(blocks [][]byte, checkpoints []plantmesh.Checkpoint) (covered, signed [][]byte, err error) {
	for i, b := range blocks {
		last, err := s.mesh.log.LastOffset(b)
		if err != nil {
			return nil, nil, err
		}
		if len(checkpoints) > 0 && checkpoints[0].Offset == last {
			covered, signed = blocks[:i+1], append(signed, checkpoints[0].Signed)
			checkpoints = checkpoints[1:]
		}
	}
	return covered, signed, nil
}
