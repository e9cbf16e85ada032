package node

import (
	"context"
	"errors"
	"log/slog"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/storage"
)

// Verify checks the streams of a node that does not run, block by block: checksum, chain and offsets. It calls found for each
// stream with what it read, and the error if the stream is damaged. Replicas are not compared with their origins, who would have to
// be asked.
//
// Errors: storage.ErrInUse while the node runs; what opening the log meets; found's.
func Verify(ctx context.Context, cfg config.Config, logger *slog.Logger, found func(storage.Report, error) error) (err error) {
	log, err := openLog(cfg, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	for _, s := range log.Streams() {
		report, err := log.Verify(ctx, s.Head.Stream)
		if err != nil && !errors.Is(err, plantmesh.ErrCorruptBlock) && !errors.Is(err, plantmesh.ErrChainDiverged) {
			return err
		}
		if err := found(report, err); err != nil {
			return err
		}
	}
	return nil
}
