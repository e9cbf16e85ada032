package gossip

import (
	"crypto/sha256"
	"fmt"
	"net"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// card is what a site said about itself, verified, with what makes others believe it.
type card struct {
	said      *peerv1.MemberCard
	site      plantmesh.SiteID
	links     []plantmesh.SiteID // sorted
	signed    *peerv1.SignedMemberCard
	key       plantmesh.SiteKey
	voucherID [16]byte
}

func (c *card) sequence() uint64 { return c.said.GetSequence() }

// without is the signed card for a site that has the voucher.
func (c *card) without() *peerv1.SignedMemberCard {
	return &peerv1.SignedMemberCard{Card: c.signed.GetCard(), Signature: c.signed.GetSignature(), VoucherId: c.signed.GetVoucherId()}
}

// idOf names a voucher.
func idOf(voucher []byte) [16]byte {
	sum := sha256.Sum256(voucher)
	return [16]byte(sum[:16])
}

// readCard decodes a card and checks its form, not who signed it.
func readCard(s *peerv1.SignedMemberCard) (*card, error) {
	if len(s.GetCard()) > maxCardBytes || len(s.GetVoucher()) > maxVoucherBytes || len(s.GetVoucherId()) != len(card{}.voucherID) {
		return nil, fmt.Errorf("%w: card of %d bytes with a voucher of %d", errInvalid, len(s.GetCard()), len(s.GetVoucher()))
	}
	c := &card{said: &peerv1.MemberCard{}, signed: s, voucherID: [16]byte(s.GetVoucherId())}
	if err := proto.Unmarshal(s.GetCard(), c.said); err != nil {
		return nil, fmt.Errorf("%w: card: %w", errInvalid, err)
	}
	var err error
	if c.site, err = plantmesh.ParseSiteID(c.said.GetSite()); err != nil {
		return nil, fmt.Errorf("%w: card: %w", errInvalid, err)
	}
	return c, c.check()
}

func (c *card) check() error {
	said := c.said
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: card of %s: %w", errInvalid, c.site, fmt.Errorf(format, args...))
	}
	if len(said.GetLinks()) > MaxSites || len(said.GetHeld()) > MaxHeld {
		return wrong("%d links and %d streams", len(said.GetLinks()), len(said.GetHeld()))
	}
	if len(said.GetVersion()) > maxNameBytes || len(said.GetRegion()) > maxNameBytes || said.GetTime().CheckValid() != nil {
		return wrong("its version, region or time cannot be")
	}
	if said.GetAddress() != "" {
		if _, _, err := net.SplitHostPort(said.GetAddress()); err != nil || len(said.GetAddress()) > maxNameBytes {
			return wrong("address %.60q is not host:port", said.GetAddress())
		}
	}
	for _, l := range said.GetLinks() {
		site, err := plantmesh.ParseSiteID(l)
		if err != nil {
			return wrong("%w", err)
		}
		c.links = append(c.links, site)
	}
	slices.Sort(c.links)
	for _, h := range said.GetHeld() {
		if _, err := plantmesh.ParseStreamName(h.GetStream()); err != nil {
			return wrong("%w", err)
		}
	}
	return nil
}

// describe is this site's card as it would be now, without sequence and time.
func (c Config) describe(links []plantmesh.SiteID, held []plantmesh.Head, leaving bool) *peerv1.MemberCard {
	m := &peerv1.MemberCard{
		Mesh: c.Self.Mesh, Site: string(c.Self.Site), Region: c.Self.Region, Version: c.Version, MinProtocol: c.MinProtocol, MaxProtocol: c.MaxProtocol,
		Address: c.Address, Reach: peerv1.Reach_REACH_DIRECT, Leaving: leaving,
	}
	if c.Outbound {
		m.Reach = peerv1.Reach_REACH_OUTBOUND
	}
	for _, l := range links[:min(len(links), MaxSites)] {
		m.Links = append(m.Links, string(l))
	}
	for _, h := range held[:min(len(held), MaxHeld)] {
		m.Held = append(m.Held, &peerv1.HeldStream{Stream: string(h.Stream), Incarnation: uint64(h.Incarnation), Offset: uint64(h.Offset)})
	}
	return m
}

// fresh decides whether a card that says now has to replace one of some age that says before.
func fresh(before, now *peerv1.MemberCard, age time.Duration) bool {
	if before == nil || age >= renewEvery || now.GetLeaving() {
		return true
	}
	plain := func(m *peerv1.MemberCard, offsets bool) *peerv1.MemberCard {
		out, ok := proto.Clone(m).(*peerv1.MemberCard)
		if !ok {
			return nil
		}
		out.Sequence, out.Time = 0, nil
		for _, h := range out.GetHeld() {
			if !offsets {
				h.Offset = 0
			}
		}
		return out
	}
	return age >= cardEvery && !proto.Equal(plain(before, false), plain(now, false)) ||
		age >= heldEvery && !proto.Equal(plain(before, true), plain(now, true))
}

func (c *card) member() Member {
	m := Member{
		Site: c.site, Region: c.key.Region, Version: c.said.GetVersion(), MinProtocol: c.said.GetMinProtocol(), MaxProtocol: c.said.GetMaxProtocol(),
		Address: c.said.GetAddress(), Outbound: c.said.GetReach() == peerv1.Reach_REACH_OUTBOUND, Links: c.links, CardTime: c.said.GetTime().AsTime(),
	}
	for _, h := range c.said.GetHeld() {
		m.Held = append(m.Held, plantmesh.Head{
			Stream: plantmesh.StreamName(h.GetStream()), Incarnation: plantmesh.Incarnation(h.GetIncarnation()), Offset: plantmesh.Offset(h.GetOffset()),
		})
	}
	return m
}
