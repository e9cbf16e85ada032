package api

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// Origins asks the origin of a stream for its chain value at an offset of an incarnation, and its head. *mesh.Mesh does.
type Origins interface {
	OriginChain(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, o plantmesh.Offset) (plantmesh.Chain, plantmesh.Offset, error)
	// Verifier knows the keys of the sites whose streams are held.
	Verifier() *plantmesh.Verifier
}

// Verify reads streams again, checks signatures and compares replicas with their origins; see the protocol.
func (a *admin) Verify(req *adminv1.VerifyRequest, out grpc.ServerStreamingServer[adminv1.VerifyResponse]) error {
	ctx := out.Context()
	select {
	case a.verifying <- struct{}{}:
		defer func() { <-a.verifying }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return Verify(ctx, a.parts.Log, a.parts.Origins.Verifier(), req, func(r *adminv1.VerifyResponse) error {
		if r.GetReplica() && r.GetFirstOffset() == 0 && r.GetResult() != adminv1.VerifyResult_VERIFY_RESULT_CORRUPT {
			a.compare(ctx, r)
		}
		return out.Send(r)
	})
}

// Verify reads what a request asks for again and checks blocks, chain and signatures. It asks nobody: what the origin has
// signed is proven, the rest is ORIGIN_UNREACHABLE.
//
// Errors: those of storage.Log.VerifyOf that are no finding; found's.
func Verify(ctx context.Context, log *storage.Log, keys *plantmesh.Verifier, req *adminv1.VerifyRequest, found func(*adminv1.VerifyResponse) error) error {
	histories, err := verifiable(log, req)
	if err != nil {
		return err
	}
	for _, head := range histories {
		v := &verification{keys: keys, answer: &adminv1.VerifyResponse{
			Stream: string(head.Stream), Incarnation: uint64(head.Incarnation), Result: adminv1.VerifyResult_VERIFY_RESULT_VERIFIED,
		}}
		if req.GetFirstOffset() > 0 {
			err = v.prove(ctx, log, head, plantmesh.Offset(req.GetFirstOffset()), plantmesh.Offset(max(req.GetFirstOffset(), req.GetLastOffset())))
		} else {
			err = v.verify(ctx, log, head)
		}
		if err == nil {
			err = found(v.answer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// verifiable are the incarnations of the streams asked for, or of all; only the one asked for where a run is to be proven.
func verifiable(log *storage.Log, req *adminv1.VerifyRequest) ([]plantmesh.Head, error) {
	if req.GetFirstOffset() > 0 {
		if len(req.GetStreams()) != 1 {
			return nil, fmt.Errorf("%w: name the one stream whose events are to be proven", plantmesh.ErrInvalidRequest)
		}
		head, err := log.HeadOf(plantmesh.StreamName(req.GetStreams()[0]), plantmesh.Incarnation(req.GetIncarnation()))
		return []plantmesh.Head{head}, err
	}
	if len(req.GetStreams()) == 0 {
		return log.AllHeads(), nil
	}
	var all []plantmesh.Head
	for _, name := range req.GetStreams() {
		heads, err := log.Incarnations(plantmesh.StreamName(name))
		if err != nil {
			return nil, err
		}
		all = append(all, heads...)
	}
	return all, nil
}

// verification is one result as it comes about.
type verification struct {
	keys   *plantmesh.Verifier
	answer *adminv1.VerifyResponse
}

// check verifies one signature.
func (v *verification) check(c plantmesh.Checkpoint) error {
	if _, err := v.keys.Verify(c.Signed); err != nil {
		return err
	}
	id, err := c.SigningKeyID()
	if err != nil {
		return err
	}
	v.answer.SignedOffset, v.answer.SignedTime, v.answer.KeyId = uint64(c.Offset), timestamppb.New(c.Time), id[:]
	v.answer.Checkpoints++
	return nil
}

func (v *verification) verify(ctx context.Context, log *storage.Log, head plantmesh.Head) error {
	report, err := log.VerifyOf(ctx, head.Stream, head.Incarnation, v.check)
	a := v.answer
	a.HeadOffset, a.Blocks, a.Events = uint64(report.Head.Offset), uint64(report.Blocks), report.Events
	a.Chain, a.Replica = report.Head.Chain[:], report.Replica
	switch {
	case err != nil:
		return v.finding(err)
	case a.GetReplica() && a.GetSignedOffset() < a.GetHeadOffset():
		a.Result = adminv1.VerifyResult_VERIFY_RESULT_ORIGIN_UNREACHABLE
		a.Detail = fmt.Sprintf("whole in itself; its origin signed it up to offset %d", a.GetSignedOffset())
	}
	return nil
}

func (v *verification) prove(ctx context.Context, log *storage.Log, head plantmesh.Head, from, to plantmesh.Offset) error {
	p, err := log.Prove(ctx, head.Stream, head.Incarnation, from, to, v.check)
	a := v.answer
	a.FirstOffset, a.HeadOffset, a.Blocks = uint64(p.First), uint64(p.Last), uint64(p.Blocks)
	a.Chain, a.Replica = p.Checkpoint.Chain[:], head.Stream.Origin() != log.Site()
	if err == nil {
		a.Events = uint64(p.Last - p.First + 1)
	}
	return v.finding(err)
}

// finding turns what verification found into a result; what kept it from looking stays an error.
func (v *verification) finding(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, plantmesh.ErrCorruptBlock), errors.Is(err, plantmesh.ErrChainDiverged), errors.Is(err, plantmesh.ErrInvalidCheckpoint):
		v.answer.Result = adminv1.VerifyResult_VERIFY_RESULT_CORRUPT
		v.answer.Detail = err.Error() + ": check the disk, then restore the data folder; a replica can be removed and is fetched again"
		return nil
	}
	return err
}

// compare asks the origin for its chain value at the head of a replica. Signatures that cover all of it stand without that.
func (a *admin) compare(ctx context.Context, r *adminv1.VerifyResponse) {
	chain, head, err := a.parts.Origins.OriginChain(ctx, plantmesh.StreamName(r.GetStream()), plantmesh.Incarnation(r.GetIncarnation()), plantmesh.Offset(r.GetHeadOffset()))
	r.OriginHeadOffset = uint64(head)
	signed := r.GetSignedOffset() == r.GetHeadOffset()
	diverged := func(why string) {
		r.Result = adminv1.VerifyResult_VERIFY_RESULT_DIVERGED
		r.Detail = why + ": keep both copies until it is known which history is right"
	}
	switch {
	case errors.Is(err, plantmesh.ErrIncarnationChanged) && signed:
		r.Detail = "the origin does not hold this incarnation any more; its signatures prove it"
	case errors.Is(err, plantmesh.ErrOffsetBeyondHead), errors.Is(err, plantmesh.ErrNotBlockBoundary), errors.Is(err, plantmesh.ErrUnknownStream),
		errors.Is(err, plantmesh.ErrIncarnationChanged):
		diverged("the origin does not have what is held here: " + err.Error())
	case err != nil && signed:
		r.Detail = "signed by its origin, which could not be asked: " + err.Error()
	case err != nil:
		r.Detail += "; it was not compared: " + err.Error()
	case string(chain[:]) != string(r.GetChain()):
		diverged(fmt.Sprintf("at offset %d the origin's chain value is %s, here it is %x", r.GetHeadOffset(), chain, r.GetChain()))
	default:
		r.Result, r.Detail = adminv1.VerifyResult_VERIFY_RESULT_VERIFIED, ""
	}
}
