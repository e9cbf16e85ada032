package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/gossip"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

func (m *Mesh) gossipConfig() gossip.Config {
	return gossip.Config{
		Self: m.self, Version: m.cfg.Version, MinProtocol: MinProtocol, MaxProtocol: MaxProtocol, Address: m.cfg.Advertise, Outbound: m.cfg.Outbound,
		Key: m.cfg.SigningKey, Verifier: m.verifier, Held: m.heldForEverybody, Logger: m.logger,
	}
}

// heldForEverybody lists what gossip may tell all sites of the mesh. A stream that is withheld from any site is not in it:
// who may have it hears of it over links, by WatchStreams.
func (m *Mesh) heldForEverybody() []plantmesh.Head {
	heads := slices.DeleteFunc(m.log.AllHeads(), func(h plantmesh.Head) bool { return !m.forEverybody(h.Stream) })
	slices.SortFunc(heads, func(a, b plantmesh.Head) int { // own streams first, for there may be too many
		return compareOrigins(m.self.Site, a, b)
	})
	return heads
}

// gossip takes part in gossip over the session until ctx ends. What goes wrong with it ends no replication.
func (s *session) gossip(ctx context.Context) error {
	for {
		err := s.gossipOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil: // the peer leaves
			return nil
		case status.Code(err) == codes.Unimplemented:
			s.mesh.logger.Info("the peer's version does not gossip", slog.String("site", string(s.site())))
			return nil
		case errors.Is(err, plantmesh.ErrInvalidRequest):
			s.mesh.logger.Warn("gossip refused", slog.String("site", string(s.site())), slog.Any("error", err))
		default:
			s.mesh.logger.Debug("gossip interrupted", slog.String("site", string(s.site())), slog.Any("error", err))
		}
		if !sleep(ctx, jitter(s.mesh.cfg.Timings.RefusedRetry), nil) {
			return ctx.Err()
		}
	}
}

func (s *session) gossipOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the call
	call, err := s.client.Gossip(ctx)
	if err != nil {
		return plantmesh.FromStatus(err)
	}
	if err := s.mesh.gossip.Attach(ctx, s.conn.peer, calledGossip{call}); err != nil {
		return plantmesh.FromStatus(err)
	}
	return nil
}

// serveGossip takes part in gossip over a call of a peer.
func (m *Mesh) serveGossip(stream grpc.BidiStreamingServer[peerv1.GossipRequest, peerv1.GossipResponse]) error {
	caller, err := m.caller(stream.Context())
	if err != nil {
		return err
	}
	ctx, cancel := m.calls.begin(stream.Context())
	defer cancel(nil)
	if err := m.gossip.Attach(ctx, caller, servedGossip{stream}); err != nil {
		return fmt.Errorf("%s: %w", m.self.Site, err)
	}
	return nil
}

// calledGossip is the calling side of a Gossip call.
type calledGossip struct {
	call grpc.BidiStreamingClient[peerv1.GossipRequest, peerv1.GossipResponse]
}

func (c calledGossip) Send(f *peerv1.GossipFrame) error {
	return c.call.Send(&peerv1.GossipRequest{Frame: f})
}

func (c calledGossip) Recv() (*peerv1.GossipFrame, error) {
	r, err := c.call.Recv()
	return r.GetFrame(), err
}

// servedGossip is the side that was called.
type servedGossip struct {
	stream grpc.BidiStreamingServer[peerv1.GossipRequest, peerv1.GossipResponse]
}

func (c servedGossip) Send(f *peerv1.GossipFrame) error {
	return c.stream.Send(&peerv1.GossipResponse{Frame: f})
}

func (c servedGossip) Recv() (*peerv1.GossipFrame, error) {
	r, err := c.stream.Recv()
	return r.GetFrame(), err
}
