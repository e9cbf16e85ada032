package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// inFlightBytes bounds the blocks of one stream that were received and are not durable yet. One frame more may wait to be
// let in.
const inFlightBytes = 4 << 20

type replicateClient = grpc.BidiStreamingClient[peerv1.ReplicateRequest, peerv1.ReplicateResponse]

// replicator pulls one incarnation of a stream over one session. Receiving, appending and reporting overlap: while an append
// waits for the disk, frames gather for the next one.
type replicator struct {
	mesh        *Mesh
	session     *session
	name        plantmesh.StreamName
	incarnation plantmesh.Incarnation
	replica     *replica
	limit       plantmesh.Offset // to pull to; 0: whatever comes
}

// pull is one Replicate call from the head here. It ends with the error that ended it.
func (r *replicator) pull(ctx context.Context) error {
	head, err := r.mesh.head(r.name, r.incarnation)
	if err != nil {
		return &localError{err}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	call, err := r.open(ctx, cancel, head)
	if err != nil {
		return err
	}
	r.replica.receiving(r.session.link.address, head.Offset)
	in, reports := newIntake(inFlightBytes), newReports(head.Offset, r.limit)
	group.Go(func() error { return r.receive(ctx, call, in, reports) })
	group.Go(func() error { return r.append(ctx, in, reports) })
	group.Go(func() error { return reports.send(ctx, call) })
	return group.Wait()
}

// open starts the call and waits until the peer accepts it. cancel has to end the call's context.
func (r *replicator) open(ctx context.Context, cancel context.CancelFunc, head plantmesh.Head) (replicateClient, error) {
	timeout := r.mesh.cfg.Timings.Silence
	defer time.AfterFunc(timeout, cancel).Stop()
	call, err := r.session.client.Replicate(ctx)
	if err != nil {
		return nil, plantmesh.FromStatus(err)
	}
	start := &peerv1.ReplicateStart{Stream: string(r.name), Protocol: r.session.protocol, Parts: true, PauseOffset: uint64(r.limit)}
	if head.Offset > 0 {
		start.AfterOffset, start.Chain = uint64(head.Offset), head.Chain[:]
	}
	if head.Offset > 0 || r.session.protocol >= protocolSigned {
		start.Incarnation = uint64(r.incarnation)
	}
	// An error of Send is the call's end, whose reason Recv has.
	_ = call.Send(&peerv1.ReplicateRequest{Message: &peerv1.ReplicateRequest_Start{Start: start}})
	first, err := call.Recv()
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("%w to the start of %s within %s", errNoAnswer, r.name, timeout)
	case err != nil:
		return nil, plantmesh.FromStatus(err)
	case len(first.GetBlocks()) > 0:
		return nil, fmt.Errorf("%w: the first frame of %s holds blocks instead of the acceptance", errProtocol, r.name)
	}
	if err := r.accepted(ctx, first, head); err != nil {
		return nil, err
	}
	r.replica.heard(plantmesh.Offset(first.GetHeadOffset()), first.GetHeadTime().AsTime())
	return call, nil
}

// accepted takes what comes with the acceptance: the keys that sign the stream, and the origin's newest word on what is held
// here already.
func (r *replicator) accepted(ctx context.Context, first *peerv1.ReplicateResponse, head plantmesh.Head) error {
	if r.session.protocol < protocolSigned {
		return nil
	}
	if err := r.mesh.learn(r.name, first.GetSiteKeys()); err != nil {
		return err
	}
	newest, err := r.mesh.verify(r.name, r.incarnation, first.GetCheckpoints())
	if err != nil {
		return err
	}
	if len(newest) == 0 || newest[0].Offset > head.Offset || head.Offset == 0 || r.name.Origin() == r.mesh.self.Site {
		return nil
	}
	if err := r.mesh.log.PutCheckpoint(ctx, newest[0]); err != nil {
		return &localError{err}
	}
	return nil
}

// errProtocol is a peer that breaks the protocol.
var errProtocol = errors.New("the peer breaks the protocol")

// receive takes frames in as fast as there is room.
func (r *replicator) receive(ctx context.Context, call replicateClient, in *intake, reports *reports) error {
	var whole assembly
	for {
		answer, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return plantmesh.FromStatus(err)
		}
		reports.came(answer)
		if answer, err = whole.add(answer); err != nil {
			return err
		}
		if answer == nil {
			continue
		}
		r.replica.heard(plantmesh.Offset(answer.GetHeadOffset()), answer.GetHeadTime().AsTime())
		if len(answer.GetBlocks()) == 0 {
			continue
		}
		f := frame{blocks: answer.GetBlocks()}
		if f.checkpoints, err = r.proven(answer); err != nil {
			return err
		}
		if err := in.put(ctx, f, time.Now()); err != nil {
			return err
		}
	}
}

// proven checks that the origin's signature covers the blocks of a frame. The log will hold the signed chain against them.
// Only an origin that speaks the protocol's first version may send blocks that nobody signed.
func (r *replicator) proven(answer *peerv1.ReplicateResponse) ([]plantmesh.Checkpoint, error) {
	if r.session.protocol < protocolSigned {
		return nil, nil
	}
	all, err := r.mesh.verify(r.name, r.incarnation, answer.GetCheckpoints())
	if err != nil {
		return nil, err
	}
	blocks := answer.GetBlocks()
	last, err := r.mesh.log.LastOffset(blocks[len(blocks)-1])
	if err != nil {
		return nil, err
	}
	if len(all) == 0 || all[len(all)-1].Offset != last {
		return nil, fmt.Errorf("%w: blocks of %s up to offset %d came without the origin's signature for their end", errProtocol, r.name, last)
	}
	return all, nil
}

// append makes durable whatever has come in, as one batch. An append that began is waited for even if ctx ends, so that
// the next call starts from a head that does not move.
func (r *replicator) append(ctx context.Context, in *intake, reports *reports) error {
	for {
		batch, err := in.take(ctx)
		if err != nil {
			return err
		}
		head, err := r.store(context.WithoutCancel(ctx), batch)
		if err != nil {
			return &localError{err}
		}
		in.done(batch)
		r.replica.holds(head.Offset)
		reports.durable(head.Offset)
		if r.mesh.observer != nil {
			r.mesh.observer.Replicated(ctx, r.name, batch.blocks(), batch.received)
		}
	}
}

// store appends the frames together or, if one of them is bad, those before it, and of that one what comes before a bad
// block, as far as a signature covers it.
func (r *replicator) store(ctx context.Context, b batch) (plantmesh.Head, error) {
	head, err := r.keep(ctx, frame{blocks: b.blocks(), checkpoints: b.checkpoints()})
	if err == nil || errors.Is(err, plantmesh.ErrDiskReserve) || errors.Is(err, plantmesh.ErrStorageFailed) || errors.Is(err, plantmesh.ErrShuttingDown) {
		return head, err
	}
	for _, f := range b.frames {
		if head, err = r.keep(ctx, f); err == nil {
			continue
		}
		for piece := range f.pieces(r.mesh.log.LastOffset) {
			if len(piece.checkpoints) == 0 && r.session.protocol >= protocolSigned {
				return head, err
			}
			if head, err = r.keep(ctx, piece); err != nil {
				return head, err
			}
		}
	}
	return head, err
}

// keep appends to the replica, or to what is recovered of an own stream.
func (r *replicator) keep(ctx context.Context, f frame) (plantmesh.Head, error) {
	if r.name.Origin() == r.mesh.self.Site {
		return r.mesh.log.Recover(ctx, r.name, f.blocks, f.checkpoints...)
	}
	return r.mesh.log.AppendBlocks(ctx, r.name, f.blocks, f.checkpoints...)
}
