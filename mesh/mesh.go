package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/gossip"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// Log is what a mesh needs of a site's log. Heads are of durable data only; blocks are opaque bytes here.
type Log interface {
	// AllHeads returns the heads of all incarnations of all streams.
	AllHeads() []plantmesh.Head
	// Incarnations returns those of one stream, oldest first. Errors: plantmesh.ErrUnknownStream.
	Incarnations(s plantmesh.StreamName) ([]plantmesh.Head, error)
	// HeadOf returns one, of the current incarnation for 0. Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged.
	HeadOf(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Head, error)
	// Changed is closed at the next change of any head.
	Changed() <-chan struct{}
	// Earliest is the first offset held of an incarnation: 1 unless it was trimmed.
	Earliest(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Offset, error)
	// RawBlocksOf returns the blocks after a block boundary, verbatim, up to maxBytes but at least one if there is any.
	RawBlocksOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) ([][]byte, error)
	// LastException is the offset of the last exception in an own stream, 0 if there is none. Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged.
	LastException(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Offset, error)
	// LastOffset reads the offset of a block's last event.
	LastOffset(block []byte) (plantmesh.Offset, error)
	// ChainAfter computes the chain value after a block.
	ChainAfter(block []byte) plantmesh.Chain
	// ChainOf computes the chain value at a block boundary. Errors: plantmesh.ErrNotBlockBoundary, plantmesh.ErrCorruptBlock.
	ChainOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, off plantmesh.Offset) (plantmesh.Chain, error)
	// AppendBlocks verifies blocks against the replica they belong to and makes them durable, or appends none of them.
	AppendBlocks(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, checkpoints ...plantmesh.Checkpoint) (plantmesh.Head, error)

	// Remove drops a replica. Errors: plantmesh.ErrUnknownStream, plantmesh.ErrInvalidRequest for this site's own.
	Remove(s plantmesh.StreamName) error

	// Checkpoint returns the newest checkpoint of an incarnation, with Signed empty if there is none; Checkpoints those kept behind an
	// offset, ascending. PutCheckpoint keeps a verified one. Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged, ErrChainDiverged.
	Checkpoint(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Checkpoint, error)
	Checkpoints(s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, limit int) ([]plantmesh.Checkpoint, error)
	PutCheckpoint(ctx context.Context, c plantmesh.Checkpoint) error
	// Vouchers are the words of a site's certificates for the keys that sign its checkpoints.
	Vouchers(site plantmesh.SiteID) ([][]byte, error)
	PutVoucher(site plantmesh.SiteID, id plantmesh.KeyID, voucher []byte) error

	// Recover adds blocks of this site's own stream that a peer kept. CloseIncarnation has what is published next begin a new one. Release
	// lets publishing begin, Refuse answers what waits for that: this node stops before.
	Recover(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, checkpoints ...plantmesh.Checkpoint) (plantmesh.Head, error)
	CloseIncarnation(s plantmesh.StreamName, i plantmesh.Incarnation) error
	Release()
	Refuse()
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
	dialed   []*link // in the order of the configuration
	served   []*link // of a site that nobody can dial: a reverse connection to each peer, in the same order
	reverse  *reverseListener
	gossip   *gossip.Gossip

	verifier  *plantmesh.Verifier
	known     knownKeys
	accepted  acceptedLinks
	learnt    learntLinks
	clocks    clocks
	calls     calls
	claims    claims
	followers followers
	replicas  replicas
	pullers   pullers
	lanes     lanes
	classes   classes

	subscriptions subscriptions
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
	m := &Mesh{
		cfg: cfg, self: self, creds: creds, log: log, observer: observer, logger: logger, reverse: newReverseListener(), verifier: creds.Verifier(),
	}
	m.pullers.mesh, m.subscriptions.list = m, cfg.Subscriptions
	if err := m.loadVouchers(); err != nil {
		return nil, fmt.Errorf("signing keys: %w", err)
	}
	if m.gossip, err = gossip.New(m.gossipConfig()); err != nil {
		return nil, err
	}
	for _, address := range cfg.Peers {
		m.dialed = append(m.dialed, newLink(m, adminv1.LinkKind_LINK_KIND_DIALED, address))
		if cfg.Outbound {
			m.served = append(m.served, newLink(m, adminv1.LinkKind_LINK_KIND_REVERSE_SERVED, address))
		}
	}
	return m, nil
}

// Run keeps the links until ctx ends. Then it tells the mesh that this site leaves, ends every call of peers with
// ErrShuttingDown and returns nil. It runs once.
func (m *Mesh) Run(stopping context.Context) error {
	var group errgroup.Group
	ctx, cut := context.WithCancel(context.WithoutCancel(stopping)) // links outlive the word that this site leaves
	defer cut()
	m.pullers.start(ctx)
	for _, l := range m.dialed {
		group.Go(func() error { l.run(ctx, l.session); return nil })
	}
	for _, l := range m.served {
		group.Go(func() error { l.run(ctx, l.serve); return nil })
	}
	m.accepted.open(ctx, &group)
	group.Go(func() error { m.keepSigned(ctx); return nil })
	group.Go(func() error { m.establish(stopping); return nil })
	m.learnt.open(ctx, &group)
	group.Go(func() error { m.followMembers(stopping); return nil })
	gossipErr := m.gossip.Run(stopping)
	<-stopping.Done()
	m.accepted.close()
	m.learnt.close()
	cut()
	m.calls.end(plantmesh.ErrShuttingDown)
	err := errors.Join(gossipErr, group.Wait())
	m.pullers.running.Wait() // after the sessions, which start them
	return err
}

// head is the head of an incarnation here, zero if nothing is held of it.
func (m *Mesh) head(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Head, error) {
	head, err := m.log.HeadOf(s, i)
	if errors.Is(err, plantmesh.ErrUnknownStream) || errors.Is(err, plantmesh.ErrIncarnationChanged) {
		return plantmesh.Head{Stream: s, Incarnation: i}, nil
	}
	return head, err
}

// links are those over which this node calls peers: dialed ones in the order of the configuration, then those to members
// that gossip told of, then accepted ones, both by site.
func (m *Mesh) links() []*link {
	return slices.Concat(m.dialed, m.learnt.all(), m.accepted.all())
}

// wants tells whether a stream is to be brought here: one that is subscribed to, or what is missing of an own one.
func (m *Mesh) wants(s plantmesh.StreamName) bool {
	return s.Origin() == m.self.Site || m.subscribed(s)
}

// knownKeys are the signing keys whose vouchers are in the log.
type knownKeys struct {
	mu   sync.Mutex
	keys map[plantmesh.SiteID]map[plantmesh.KeyID]bool
}

// first tells whether a key was not known, and notes it.
func (k *knownKeys) first(key plantmesh.SiteKey) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys = map[plantmesh.SiteID]map[plantmesh.KeyID]bool{}
	}
	if k.keys[key.Site] == nil {
		k.keys[key.Site] = map[plantmesh.KeyID]bool{}
	}
	if k.keys[key.Site][key.ID] {
		return false
	}
	k.keys[key.Site][key.ID] = true
	return true
}
