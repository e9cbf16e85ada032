package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/plantmesh/plantmesh/node/api"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/console"
)

// newConsole serves what people look at, where the configuration gives it an address: no component without one.
func newConsole(ctx context.Context, cfg config.Config, given net.Listener, disk *stores, server *api.Server, readers durable, erp *erp, logger *slog.Logger) ([]component, error) {
	if cfg.HTTP == "" && given == nil {
		return nil, nil
	}
	s := console.Sources{Status: server.Status, Consumers: readers, Ready: disk.log.Err}
	if erp != nil {
		s.Records = erp.applier.Reader()
		if erp.compare != nil {
			s.Comparisons = erp.compare
		}
	}
	listener := given
	if listener == nil {
		var lc net.ListenConfig
		var err error
		if listener, err = lc.Listen(ctx, "tcp", cfg.HTTP); err != nil {
			return nil, fmt.Errorf("http %q: %w: choose another address under `http`, or stop what uses it", cfg.HTTP, err)
		}
	}
	c, err := console.New(s, logger)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	logger.Info("console serves", "address", "http://"+listener.Addr().String())
	return []component{{"console", func(ctx context.Context) error { return c.Run(ctx, listener) }}}, nil
}
