package node

import (
	"context"
	"errors"
	"log/slog"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// Verify checks the streams of a node that does not run, block by block: checksum, chain and offsets. It calls found for each
// stream. Replicas are not compared with their origins, who would have to be asked.
//
// Errors: storage.ErrInUse while the node runs; what opening the log meets; found's.
func Verify(ctx context.Context, cfg config.Config, logger *slog.Logger, found func(*adminv1.VerifyResponse) error) (err error) {
	log, err := openLog(cfg, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	for _, s := range log.Streams() {
		report, err := log.Verify(ctx, s.Head.Stream)
		result := &adminv1.VerifyResponse{
			Stream: string(s.Head.Stream), Result: adminv1.VerifyResult_VERIFY_RESULT_VERIFIED, HeadOffset: uint64(report.Head.Offset),
			Blocks: uint64(report.Blocks), Events: report.Events, Chain: report.Head.Chain[:], Replica: report.Replica,
		}
		switch {
		case errors.Is(err, plantmesh.ErrCorruptBlock), errors.Is(err, plantmesh.ErrChainDiverged):
			result.Result, result.Detail = adminv1.VerifyResult_VERIFY_RESULT_CORRUPT, err.Error()
		case err != nil:
			return err
		case report.Replica:
			result.Result = adminv1.VerifyResult_VERIFY_RESULT_ORIGIN_UNREACHABLE
			result.Detail = "whole in itself; its origin was not asked, since this node does not run"
		}
		if err := found(result); err != nil {
			return err
		}
	}
	return nil
}
