package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/setup"
)

// connection says which node a command talks to, and as whom.
type connection struct {
	config  string
	address string
	files   plantmesh.TLSFiles

	node string // where dial found it
}

func (c *connection) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&c.config, "config", "c", "", "configuration of the node to talk to, in its own name (default ./"+setup.ConfigFile+")")
	f.StringVar(&c.address, "address", "", "host:port of the node instead, with --cert, --key and --ca")
	f.StringVar(&c.files.Cert, "cert", "", "certificate to talk as, PEM")
	f.StringVar(&c.files.Key, "key", "", "its key, PEM")
	f.StringVar(&c.files.CA, "ca", "", "root certificate of the mesh, PEM")
}

// dial connects as the flags say. Lost connections that are waited for are told on stderr.
func (c *connection) dial(stderr io.Writer) (*plantmesh.Client, error) {
	lost := plantmesh.WithLogger(slog.New(&waiting{explain: c.explain, stderr: stderr}))
	given := c.files.Cert != "" || c.files.Key != "" || c.files.CA != ""
	if c.address != "" && c.config == "" {
		if c.files.Cert == "" || c.files.Key == "" || c.files.CA == "" {
			return nil, &usageError{err: errors.New("--address needs --cert, --key and --ca: every call is mutually authenticated")}
		}
		c.node = c.address
		return plantmesh.Dial(c.node, c.files, lost)
	}
	if given {
		return nil, &usageError{err: errors.New("--cert, --key and --ca go with --address; with --config the node's own are used")}
	}
	cfg, err := loadConfig(c.config)
	if err != nil {
		return nil, err
	}
	files := plantmesh.TLSFiles{Cert: cfg.TLS.Cert, Key: cfg.TLS.Key, CA: cfg.TLS.CA}
	if c.node = c.address; c.node != "" {
		return plantmesh.Dial(c.node, files, lost)
	}
	c.node = reachable(cfg.Listen)
	return plantmesh.Dial(c.node, files, lost, plantmesh.WithSite(plantmesh.SiteID(cfg.Site)))
}

// reachable is where a program on the same machine finds a node.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// loadConfig reads a configuration, the one of this folder if none is named.
func loadConfig(path string) (config.Config, error) {
	named := path != ""
	if !named {
		path = setup.ConfigFile
	}
	cfg, err := config.Load(path)
	switch {
	case err == nil:
		return cfg, nil
	case errors.Is(err, fs.ErrNotExist) && !named:
		return cfg, &usageError{err: fmt.Errorf("%w; name it with --config, or make one: plantmesh init --mesh NAME --site NAME", err)}
	}
	return cfg, &usageError{err: err}
}
