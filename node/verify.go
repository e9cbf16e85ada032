package node

import (
	"context"
	"errors"
	"log/slog"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/api"
	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// Verify checks what a request asks for on a node that does not run, block by block: checksum, chain, offsets, and the
// signatures of the origins, whose keys the mesh's root vouches for. It calls found for each incarnation of a stream. Nobody
// is asked.
//
// Errors: storage.ErrInUse while the node runs; what opening the log meets; found's.
func Verify(ctx context.Context, cfg config.Config, req *adminv1.VerifyRequest, logger *slog.Logger, found func(*adminv1.VerifyResponse) error) (err error) {
	creds, err := credentials(cfg)
	if err != nil {
		return err
	}
	log, err := openLog(cfg, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	keys, err := knownKeys(log, creds)
	if err != nil {
		return err
	}
	return api.Verify(ctx, log, keys, req, found)
}

// knownKeys learns the keys whose vouchers the log keeps. One that does not hold is left out: what it signed is then found to
// be without a voucher.
func knownKeys(log *storage.Log, creds *plantmesh.Credentials) (*plantmesh.Verifier, error) {
	keys := creds.Verifier()
	for _, head := range log.AllHeads() {
		vouchers, err := log.Vouchers(head.Stream.Origin())
		if err != nil {
			return nil, err
		}
		for _, v := range vouchers {
			_, _ = keys.Learn(v)
		}
	}
	return keys, nil
}
