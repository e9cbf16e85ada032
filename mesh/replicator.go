package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// inFlightBytes bounds the blocks of one stream that were received and are not durable yet. One frame more may wait to be
// let in.
const inFlightBytes = 4 << 20

type replicateClient = grpc.BidiStreamingClient[peerv1.ReplicateRequest, peerv1.ReplicateResponse]

// replicator pulls one stream over one session. Receiving, appending and reporting overlap: while an append waits for the
// disk, frames gather for the next one.
type replicator struct {
	mesh    *Mesh
	session *session
	name    plantmesh.StreamName
	replica *replica
}

func newReplicator(s *session, name plantmesh.StreamName) *replicator {
	return &replicator{mesh: s.mesh, session: s, name: name, replica: s.mesh.replicas.of(name)}
}

// run pulls until ctx ends. A stream that cannot go on is tried again now and then; it holds up no other.
func (r *replicator) run(ctx context.Context) {
	defer r.replica.unlinked()
	t := r.mesh.cfg.Timings
	wait := backoff{least: t.MinBackoff, most: t.MaxBackoff}
	address := r.session.link.address
	for {
		began := time.Now()
		err := r.pull(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > t.MaxBackoff {
			wait.reset()
		}
		reason, stalled := diagnoseStream(r.name, err)
		pause, state := wait.next(), adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED
		if stalled {
			pause, state = jitter(t.StallRetry), adminv1.ReplicaState_REPLICA_STATE_STALLED
		}
		if r.replica.waits(state, address, reason) {
			r.mesh.logger.Warn("replication interrupted", slog.String("stream", string(r.name)), slog.String("peer", address),
				slog.String("reason", reason), slog.Duration("retry_in", pause))
		}
		if !sleep(ctx, pause, nil) {
			return
		}
	}
}

// pull is one Replicate call from the stream's head here. It ends with the error that ended it.
func (r *replicator) pull(ctx context.Context) error {
	head, err := r.mesh.head(r.name)
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
	in, durable := newIntake(inFlightBytes), make(chan plantmesh.Offset, 1)
	group.Go(func() error { return r.receive(ctx, call, in) })
	group.Go(func() error { return r.append(ctx, in, durable) })
	group.Go(func() error { return report(ctx, call, durable) })
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
	start := &peerv1.ReplicateStart{Stream: string(r.name)}
	if head.Offset > 0 {
		start.Incarnation, start.AfterOffset, start.Chain = uint64(head.Incarnation), uint64(head.Offset), head.Chain[:]
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
	r.replica.heard(plantmesh.Offset(first.GetHeadOffset()), first.GetHeadTime().AsTime())
	return call, nil
}

// errProtocol is a peer that breaks the protocol.
var errProtocol = errors.New("the peer breaks the protocol")

// receive takes frames in as fast as there is room.
func (r *replicator) receive(ctx context.Context, call replicateClient, in *intake) error {
	for {
		frame, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return plantmesh.FromStatus(err)
		}
		r.replica.heard(plantmesh.Offset(frame.GetHeadOffset()), frame.GetHeadTime().AsTime())
		if len(frame.GetBlocks()) == 0 {
			continue
		}
		if err := in.put(ctx, frame.GetBlocks(), time.Now()); err != nil {
			return err
		}
	}
}

// append makes durable whatever has come in, as one batch. An append that began is waited for even if ctx ends, so that
// the next call starts from a head that does not move.
func (r *replicator) append(ctx context.Context, in *intake, durable chan plantmesh.Offset) error {
	for {
		batch, err := in.take(ctx)
		if err != nil {
			return err
		}
		head, err := r.store(context.WithoutCancel(ctx), batch.blocks)
		if err != nil {
			return &localError{err}
		}
		in.done(batch)
		r.replica.holds(head.Offset)
		select {
		case <-durable: // a report not sent yet is merged into this one
		default:
		}
		durable <- head.Offset
		if r.mesh.observer != nil {
			r.mesh.observer.Replicated(ctx, r.name, batch.blocks, batch.received)
		}
	}
}

// store appends blocks together or, if one of them is bad, those before it.
func (r *replicator) store(ctx context.Context, blocks [][]byte) (plantmesh.Head, error) {
	head, err := r.mesh.log.AppendBlocks(ctx, r.name, blocks)
	if err == nil || len(blocks) == 1 || errors.Is(err, plantmesh.ErrStorageFailed) || errors.Is(err, plantmesh.ErrShuttingDown) {
		return head, err
	}
	for i := range blocks {
		if head, err = r.mesh.log.AppendBlocks(ctx, r.name, blocks[i:i+1]); err != nil {
			return head, err
		}
	}
	return head, nil
}

// report tells the peer what is durable here.
func report(ctx context.Context, call replicateClient, durable <-chan plantmesh.Offset) error {
	for {
		select {
		case offset := <-durable:
			progress := &peerv1.ReplicateProgress{DurableOffset: uint64(offset)}
			if call.Send(&peerv1.ReplicateRequest{Message: &peerv1.ReplicateRequest_Progress{Progress: progress}}) != nil {
				return nil //nolint:nilerr // the call has ended; receive has the reason
			}
		case <-ctx.Done():
			return nil
		}
	}
}
