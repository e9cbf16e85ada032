package mesh

import (
	"context"
	"errors"
	"fmt"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// ErrNoLink is a site that cannot be asked because no link to it is connected. Its text says why; asking again later may
// help.
var ErrNoLink = errors.New("no link")

// Verifier checks checkpoints of the sites whose streams are held here.
func (m *Mesh) Verifier() *plantmesh.Verifier { return m.verifier }

// OriginChain asks a stream's origin for its chain value at an offset of an incarnation, and its head, for comparison with a
// replica.
//
// Errors: ErrNoLink; those of PeerService.GetChain, among them plantmesh.ErrNotBlockBoundary and ErrOffsetBeyondHead,
// which for the offset of a replica mean that it is not a copy of the origin; plantmesh.ErrIncarnationChanged.
func (m *Mesh) OriginChain(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, off plantmesh.Offset) (plantmesh.Chain, plantmesh.Offset, error) {
	client := m.clientOf(s.Origin())
	if client == nil {
		return plantmesh.Chain{}, 0, fmt.Errorf("%w: %s", ErrNoLink, m.whyNoLink(s.Origin()))
	}
	r, err := client.GetChain(ctx, &peerv1.GetChainRequest{Stream: string(s), Incarnation: uint64(i), Offset: uint64(off)})
	if err != nil {
		return plantmesh.Chain{}, 0, fmt.Errorf("chain of %s@%d at its origin: %w", s, off, plantmesh.FromStatus(err))
	}
	if len(r.GetChain()) != len(plantmesh.Chain{}) {
		return plantmesh.Chain{}, 0, fmt.Errorf("chain of %s@%d at its origin: %w: %d bytes", s, off, errProtocol, len(r.GetChain()))
	}
	if got := plantmesh.Incarnation(r.GetIncarnation()); got != i { // of a node that knows one incarnation only
		return plantmesh.Chain{}, 0, fmt.Errorf("chain of %s@%d at its origin: %w: it is at %d, %d was asked for", s, off, plantmesh.ErrIncarnationChanged, got, i)
	}
	return plantmesh.Chain(r.GetChain()), plantmesh.Offset(r.GetHeadOffset()), nil
}

// clientOf returns the client of a connected link to a site, or nil.
func (m *Mesh) clientOf(site plantmesh.SiteID) peerv1.PeerServiceClient {
	for _, l := range m.links() {
		if client := l.clientTo(site); client != nil {
			return client
		}
	}
	return nil
}

func (l *link) clientTo(site plantmesh.SiteID) peerv1.PeerServiceClient {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Site != site {
		return nil
	}
	return l.client
}
