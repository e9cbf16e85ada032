package node

import (
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/storage"
)

// Folders within data_dir.
const (
	logFolder   = "log"
	stateFolder = "state"
	keyFile     = "log-signing.key"
)

// stores are the two databases of a node.
type stores struct {
	log   *storage.Log
	state *storage.State
}

func openStores(cfg config.Config, logger *slog.Logger) (*stores, error) {
	log, err := openLog(cfg, logger)
	if err != nil {
		return nil, err
	}
	state, err := storage.OpenState(filepath.Join(cfg.DataDir, stateFolder), storageOptions(cfg, logger))
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return &stores{log: log, state: state}, nil
}

func openLog(cfg config.Config, logger *slog.Logger) (*storage.Log, error) {
	return storage.Open(filepath.Join(cfg.DataDir, logFolder), storageOptions(cfg, logger))
}

func storageOptions(cfg config.Config, logger *slog.Logger) storage.Options {
	return storage.Options{
		Mesh: cfg.Mesh, Site: plantmesh.SiteID(cfg.Site), Logger: logger,
		TailBytes: cfg.Limits.TailBytes, CacheBytes: cfg.Limits.CacheBytes, MaxBlockBytes: cfg.Limits.MaxBlockBytes,
		MaxPendingBytes: cfg.Limits.MaxPendingBytes, ReserveBytes: cfg.Limits.DiskReserveBytes(),
	}
}

func (s *stores) close() error { return errors.Join(s.state.Close(), s.log.Close()) }
