package api

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// Origins asks the origin of a stream for its chain value at an offset, its incarnation and its head. *mesh.Mesh does.
type Origins interface {
	OriginChain(ctx context.Context, s plantmesh.StreamName, o plantmesh.Offset) (plantmesh.Chain, plantmesh.Incarnation, plantmesh.Offset, error)
}

// Verify reads streams again and compares replicas with their origins; see the protocol.
func (a *admin) Verify(req *adminv1.VerifyRequest, out grpc.ServerStreamingServer[adminv1.VerifyResponse]) error {
	ctx := out.Context()
	names, err := a.verifiable(req)
	if err != nil {
		return err
	}
	select {
	case a.verifying <- struct{}{}:
		defer func() { <-a.verifying }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for _, name := range names {
		result, err := a.verify(ctx, name)
		if err != nil {
			return err
		}
		if err := out.Send(result); err != nil {
			return err
		}
	}
	return nil
}

// verifiable are the streams asked for, or all.
func (a *admin) verifiable(req *adminv1.VerifyRequest) ([]plantmesh.StreamName, error) {
	var names []plantmesh.StreamName
	for _, name := range req.GetStreams() {
		if _, err := a.parts.Log.Head(plantmesh.StreamName(name)); err != nil {
			return nil, err
		}
		names = append(names, plantmesh.StreamName(name))
	}
	if len(names) > 0 {
		return names, nil
	}
	for _, head := range a.parts.Log.Heads() {
		names = append(names, head.Stream)
	}
	return names, nil
}

func (a *admin) verify(ctx context.Context, name plantmesh.StreamName) (*adminv1.VerifyResponse, error) {
	report, err := a.parts.Log.Verify(ctx, name)
	answer := &adminv1.VerifyResponse{
		Stream: string(name), Result: adminv1.VerifyResult_VERIFY_RESULT_VERIFIED, HeadOffset: uint64(report.Head.Offset),
		Blocks: uint64(report.Blocks), Events: report.Events, Chain: report.Head.Chain[:], Replica: report.Replica,
	}
	switch {
	case errors.Is(err, plantmesh.ErrCorruptBlock), errors.Is(err, plantmesh.ErrChainDiverged):
		answer.Result = adminv1.VerifyResult_VERIFY_RESULT_CORRUPT
		answer.Detail = err.Error() + ": check the disk, then restore the data folder; a replica can be removed and is fetched again"
	case err != nil:
		return nil, err
	case report.Replica:
		answer.Result, answer.Detail, answer.OriginHeadOffset = a.compare(ctx, report)
	}
	return answer, nil
}

// compare asks the origin for its chain value at the head of a replica.
func (a *admin) compare(ctx context.Context, r storage.Report) (adminv1.VerifyResult, string, uint64) {
	chain, incarnation, head, err := a.parts.Origins.OriginChain(ctx, r.Head.Stream, r.Head.Offset)
	diverged := func(why string) (adminv1.VerifyResult, string, uint64) {
		return adminv1.VerifyResult_VERIFY_RESULT_DIVERGED,
			why + ": keep both copies until it is known which history is right", uint64(head)
	}
	switch {
	case errors.Is(err, plantmesh.ErrOffsetBeyondHead), errors.Is(err, plantmesh.ErrNotBlockBoundary), errors.Is(err, plantmesh.ErrUnknownStream):
		return diverged("the origin does not have what is held here: " + err.Error())
	case err != nil:
		return adminv1.VerifyResult_VERIFY_RESULT_ORIGIN_UNREACHABLE, err.Error(), 0
	case incarnation != r.Head.Incarnation:
		return diverged(fmt.Sprintf("the origin is at incarnation %d, this replica at %d", incarnation, r.Head.Incarnation))
	case chain != r.Head.Chain:
		return diverged(fmt.Sprintf("at offset %d the origin's chain value is %s, here it is %s", r.Head.Offset, chain, r.Head.Chain))
	}
	return adminv1.VerifyResult_VERIFY_RESULT_VERIFIED, "", uint64(head)
}
