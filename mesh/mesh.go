package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh"
)

// Log is what a mesh needs of a site's log. Heads are of durable data only; blocks are opaque bytes here.
type Log interface {
	// Heads returns the heads of all streams.
	Heads() []plantmesh.Head
	// Head returns one. Errors: plantmesh.ErrUnknownStream.
	Head(s plantmesh.StreamName) (plantmesh.Head, error)
	// Changed is closed at the next change of any head.
	Changed() <-chan struct{}
	// RawBlocks returns the blocks after a block boundary, verbatim, up to maxBytes but at least one if there is any.
	RawBlocks(ctx context.Context, s plantmesh.StreamName, after plantmesh.Offset, maxBytes int) ([][]byte, error)
	// LastOffset reads the offset of a block's last event.
	LastOffset(block []byte) (plantmesh.Offset, error)
	// ChainAt computes the chain value at a block boundary. Errors: plantmesh.ErrNotBlockBoundary, plantmesh.ErrCorruptBlock.
	ChainAt(ctx context.Context, s plantmesh.StreamName, off plantmesh.Offset) (plantmesh.Chain, error)
	// AppendBlocks verifies blocks against the replica they belong to and makes them durable, or appends none of them.
	AppendBlocks(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, checkpoints ...plantmesh.Checkpoint) (plantmesh.Head, error)
}

// Observer is told what arrived, for telemetry. It is called by the stream's replicator, one call at a time for a
// stream, and holds it up.
type Observer interface {
	// Replicated says that blocks are durable here. received is when the first of them arrived.
	Replicated(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, received time.Time)
}

// Mesh is one site's part in the mesh: the links it keeps to its peers, the streams it replicates over them, and the
// door through which peers replicate from it.
type Mesh struct {
	// set once
	cfg      Config
	self     plantmesh.Identity
	creds    *plantmesh.Credentials
	log      Log
	observer Observer
	logger   *slog.Logger
	links    []*link

	calls     calls
	claims    claims
	followers followers
	replicas  replicas
}

// New prepares a mesh; nothing is dialed before Run. creds have to be a site's. observer may be nil.
func New(cfg Config, creds *plantmesh.Credentials, log Log, observer Observer, logger *slog.Logger) (*Mesh, error) {
	self := creds.Identity()
	if !self.IsSite() {
		return nil, fmt.Errorf("%w: %s is a client's certificate: give the node a site's", plantmesh.ErrNotASite, self)
	}
	cfg, err := cfg.withDefaults(self)
	if err != nil {
		return nil, err
	}
	m := &Mesh{cfg: cfg, self: self, creds: creds, log: log, observer: observer, logger: logger}
	for _, address := range cfg.Peers {
		m.links = append(m.links, newLink(m, address))
	}
	return m, nil
}

// Run keeps the links until ctx ends, then ends every call of peers with ErrShuttingDown and returns nil. It runs once.
func (m *Mesh) Run(ctx context.Context) error {
	var group errgroup.Group
	for _, l := range m.links {
		group.Go(func() error { l.run(ctx); return nil })
	}
	<-ctx.Done()
	m.calls.end(plantmesh.ErrShuttingDown)
	return group.Wait()
}

// head is a stream's head here, zero if nothing is held of it.
func (m *Mesh) head(s plantmesh.StreamName) (plantmesh.Head, error) {
	head, err := m.log.Head(s)
	if errors.Is(err, plantmesh.ErrUnknownStream) {
		return plantmesh.Head{Stream: s}, nil
	}
	return head, err
}
