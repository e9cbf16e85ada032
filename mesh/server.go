package mesh

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// The protocol versions that this software speaks.
const (
	MinProtocol = 1
	MaxProtocol = 2

	// protocolSigned is the first version in which blocks come with checkpoints, and from any node that holds them.
	protocolSigned = 2
)

const (
	// watchEvery merges changes of heads into one frame. It delays only the discovery of new streams and the lag shown:
	// blocks do not wait for it.
	watchEvery = 100 * time.Millisecond
	// maxHeads is the most heads in a frame.
	maxHeads = 10_000
)

// ServerOptions are what the calls of peers need of the gRPC server they are registered with: it has to bear their
// keepalives, and to notice connections that died.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveEvery / 2, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveEvery, Timeout: keepaliveTimeout}),
	}
}

// Register adds PeerService to a gRPC server. The server's transport credentials have to be TLS with
// plantmesh.Credentials.ServerConfig: callers are known by the certificate that it verified.
func (m *Mesh) Register(r grpc.ServiceRegistrar) {
	peerv1.RegisterPeerServiceServer(r, &server{mesh: m})
}

// server maps the errors of Mesh's methods to statuses.
type server struct {
	peerv1.UnimplementedPeerServiceServer
	mesh *Mesh
}

func (s *server) Hello(ctx context.Context, r *peerv1.HelloRequest) (*peerv1.HelloResponse, error) {
	response, err := s.mesh.serveHello(ctx, r)
	return response, plantmesh.Status(err).Err()
}

func (s *server) WatchStreams(r *peerv1.WatchStreamsRequest, stream grpc.ServerStreamingServer[peerv1.WatchStreamsResponse]) error {
	return plantmesh.Status(s.mesh.serveWatch(r.GetProtocol(), stream)).Err()
}

func (s *server) Replicate(stream grpc.BidiStreamingServer[peerv1.ReplicateRequest, peerv1.ReplicateResponse]) error {
	return plantmesh.Status(s.mesh.serveReplicate(stream)).Err()
}

func (s *server) GetChain(ctx context.Context, r *peerv1.GetChainRequest) (*peerv1.GetChainResponse, error) {
	response, err := s.mesh.serveChain(ctx, r)
	return response, plantmesh.Status(err).Err()
}

func (s *server) Gossip(stream grpc.BidiStreamingServer[peerv1.GossipRequest, peerv1.GossipResponse]) error {
	return plantmesh.Status(s.mesh.serveGossip(stream)).Err()
}

// caller is the site that calls, by its verified certificate.
//
// Errors: plantmesh.ErrUnauthenticated, ErrMeshMismatch, ErrNotASite.
func (m *Mesh) caller(ctx context.Context) (plantmesh.Identity, error) {
	p, _ := peer.FromContext(ctx)
	if p == nil {
		return plantmesh.Identity{}, plantmesh.ErrUnauthenticated
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return plantmesh.Identity{}, plantmesh.ErrUnauthenticated
	}
	id, err := plantmesh.IdentityOf(info.State.PeerCertificates[0])
	switch {
	case err != nil:
		return id, fmt.Errorf("%w: %w", plantmesh.ErrUnauthenticated, err)
	case id.Mesh != m.self.Mesh:
		return id, fmt.Errorf("%w: %s calls, this is mesh %q", plantmesh.ErrMeshMismatch, id, m.self.Mesh)
	case !id.IsSite():
		return id, fmt.Errorf("%w: %s is a client's certificate: give the node a site's", plantmesh.ErrNotASite, id)
	}
	return id, nil
}

func (m *Mesh) nodeInfo() *peerv1.NodeInfo {
	return &peerv1.NodeInfo{
		Mesh: m.self.Mesh, Site: string(m.self.Site), Region: m.cfg.Region, Version: m.cfg.Version,
		MinProtocol: MinProtocol, MaxProtocol: MaxProtocol, Time: timestamppb.New(m.cfg.Now()),
	}
}

func (m *Mesh) serveHello(ctx context.Context, r *peerv1.HelloRequest) (*peerv1.HelloResponse, error) {
	caller, err := m.caller(ctx)
	if err != nil {
		return nil, err
	}
	if err := plantmesh.ValidateMessage(r); err != nil {
		return nil, err
	}
	node := r.GetNode()
	switch {
	case node.GetMesh() != caller.Mesh:
		return nil, fmt.Errorf("%w: the greeting says %q, the certificate %s", plantmesh.ErrMeshMismatch, node.GetMesh(), caller)
	case node.GetSite() != string(caller.Site) || node.GetRegion() != "" && node.GetRegion() != caller.Region:
		return nil, fmt.Errorf("%w: the greeting says site %q in region %q, the certificate %s",
			plantmesh.ErrSiteMismatch, node.GetSite(), node.GetRegion(), caller)
	case caller.Site == m.self.Site:
		return nil, fmt.Errorf("%w: %s", plantmesh.ErrSelfLink, caller.Site)
	}
	protocol, err := agree(node)
	if err != nil {
		return nil, err
	}
	m.nudge(caller.Site)
	return &peerv1.HelloResponse{Node: m.nodeInfo(), Protocol: protocol}, nil
}

// agree is the highest protocol version that both speak.
//
// Errors: plantmesh.ErrProtocolUnsupported.
func agree(node *peerv1.NodeInfo) (uint32, error) {
	highest := min(node.GetMaxProtocol(), MaxProtocol)
	if highest < max(node.GetMinProtocol(), MinProtocol) {
		return 0, fmt.Errorf("%w: %s (version %q) speaks %d to %d, this node %d to %d: upgrade the older one",
			plantmesh.ErrProtocolUnsupported, node.GetSite(), node.GetVersion(), node.GetMinProtocol(), node.GetMaxProtocol(), MinProtocol, MaxProtocol)
	}
	return highest, nil
}

func (m *Mesh) serveWatch(protocol uint32, stream grpc.ServerStreamingServer[peerv1.WatchStreamsResponse]) error {
	caller, err := m.caller(stream.Context())
	if err != nil {
		return err
	}
	ctx, cancel := m.calls.begin(stream.Context())
	defer cancel(nil)
	telling := &watcher{mesh: m, caller: caller, protocol: protocol, sent: map[history]told{}}
	for first := true; ; first = false {
		heartbeat := time.NewTimer(m.cfg.Timings.Heartbeat)
		changed, news := telling.news()
		for due := first; len(news) == 0 && !due; {
			select {
			case <-changed:
				changed, news = telling.news()
			case <-telling.heard:
				changed, news = telling.news()
			case <-heartbeat.C:
				due = true
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := m.sendHeads(stream, news); err != nil {
			return err
		}
		select {
		case <-time.After(m.watchPause(caller.Site)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sendHeads sends one frame, or as many as the limit of a frame makes of it.
func (m *Mesh) sendHeads(stream grpc.ServerStreamingServer[peerv1.WatchStreamsResponse], heads []*peerv1.StreamHead) error {
	for {
		n := min(len(heads), maxHeads)
		if err := stream.Send(&peerv1.WatchStreamsResponse{Heads: heads[:n], Time: timestamppb.New(m.cfg.Now())}); err != nil {
			return err
		}
		if heads = heads[n:]; len(heads) == 0 {
			return nil
		}
	}
}

func (m *Mesh) serveChain(ctx context.Context, r *peerv1.GetChainRequest) (*peerv1.GetChainResponse, error) {
	caller, err := m.caller(ctx)
	if err != nil {
		return nil, err
	}
	name, err := plantmesh.ParseStreamName(r.GetStream())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", plantmesh.ErrInvalidRequest, err)
	}
	if err := m.mayExport(name, caller); err != nil {
		m.refused(caller, ActionReadChain, name, err)
		return nil, err
	}
	head, err := m.servedHead(name, plantmesh.Incarnation(r.GetIncarnation()))
	if err != nil {
		return nil, err
	}
	off := plantmesh.Offset(r.GetOffset())
	if off > head.Offset {
		return nil, &plantmesh.OffsetError{Stream: name, Asked: off, Earliest: 1, End: head.Offset, Err: plantmesh.ErrOffsetBeyondHead}
	}
	chain, err := m.log.ChainOf(ctx, name, head.Incarnation, off)
	if err != nil {
		return nil, err
	}
	return &peerv1.GetChainResponse{Incarnation: uint64(head.Incarnation), Chain: slices.Clone(chain[:]), HeadOffset: uint64(head.Offset)}, nil
}
