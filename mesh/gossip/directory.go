package gossip

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// errNoVoucher is a card that cannot be checked, because its voucher did not come with it.
var errNoVoucher = errors.New("no voucher")

// Cards of one site are taken at this rate: a site says something new once a second at most.
const (
	cardBurst   = 5
	cardsSecond = 1
)

// directory holds the newest card of every site, verified. Safe for concurrent use.
type directory struct {
	self     plantmesh.Identity
	verifier *plantmesh.Verifier

	mu      sync.Mutex // guards what follows
	cards   map[plantmesh.SiteID]*card
	rates   map[plantmesh.SiteID]*rate // of sites with a card
	floor   uint64                     // sequence of this site's cards of earlier runs
	version uint64                     // counts changes
}

// rate is a bucket of tokens.
type rate struct {
	tokens float64
	at     time.Time
}

func (r *rate) allow(now time.Time) bool {
	r.tokens = min(cardBurst, r.tokens+cardsSecond*now.Sub(r.at).Seconds())
	r.at = now
	if r.tokens < 1 {
		return false
	}
	r.tokens--
	return true
}

func newDirectory(self plantmesh.Identity, verifier *plantmesh.Verifier) *directory {
	return &directory{self: self, verifier: verifier, cards: map[plantmesh.SiteID]*card{}, rates: map[plantmesh.SiteID]*rate{}}
}

// take checks a card and keeps it if it is newer than the one held; news is true then. evict chooses a site to forget when
// there is no room, and is asked with the lock held.
//
// Errors: errInvalid for what no honest site sends; errNoVoucher.
func (d *directory) take(s *peerv1.SignedMemberCard, now time.Time, evict func(map[plantmesh.SiteID]*card) (plantmesh.SiteID, bool)) (c *card, news bool, err error) {
	if c, err = readCard(s); err != nil {
		return nil, false, err
	}
	if c.said.GetMesh() != d.self.Mesh {
		return nil, false, fmt.Errorf("%w: card of %s in mesh %.80q", errInvalid, c.site, c.said.GetMesh())
	}
	held, old := d.wanted(c, now)
	if old {
		return c, false, nil
	}
	if err := d.vouched(c, held); err != nil {
		return nil, false, err
	}
	return c, d.keep(c, now, evict), nil
}

// wanted returns the card held of the same site; old is true if the new one is no news, or comes too fast.
func (d *directory) wanted(c *card, now time.Time) (held *card, old bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held = d.cards[c.site]
	if c.site == d.self.Site {
		return held, c.sequence() <= d.floor || held != nil && c.sequence() <= held.sequence()
	}
	if now.Sub(c.said.GetTime().AsTime()) > cardLife {
		return held, true
	}
	return held, held != nil && (c.sequence() <= held.sequence() || !d.rates[c.site].allow(now))
}

// vouched checks that the site of a card signed it, and completes it with its voucher.
func (d *directory) vouched(c, held *card) error {
	switch {
	case held != nil && held.voucherID == c.voucherID:
		c.key = held.key
		c.signed = &peerv1.SignedMemberCard{
			Card: c.signed.GetCard(), Signature: c.signed.GetSignature(), VoucherId: c.signed.GetVoucherId(), Voucher: held.signed.GetVoucher(),
		}
	case len(c.signed.GetVoucher()) == 0:
		return fmt.Errorf("%w for the card of %s", errNoVoucher, c.site)
	case idOf(c.signed.GetVoucher()) != c.voucherID:
		return fmt.Errorf("%w: card of %s with another voucher than it names", errInvalid, c.site)
	default:
		key, err := d.verifier.Learn(c.signed.GetVoucher())
		if err != nil {
			return fmt.Errorf("%w: card of %s: %w", errInvalid, c.site, err)
		}
		c.key = key
	}
	if c.key.Site != c.site || c.key.Region != c.said.GetRegion() {
		return fmt.Errorf("%w: a card of %s in region %.80q with a certificate of %s in %s", errInvalid, c.site, c.said.GetRegion(), c.key.Site, c.key.Region)
	}
	if !c.key.SignedMemberCard(c.signed.GetCard(), c.signed.GetSignature()) {
		return fmt.Errorf("%w: the signature of a card is not that of %s", errInvalid, c.site)
	}
	return nil
}

// keep stores a verified card if it still is the newest and there is room.
func (d *directory) keep(c *card, now time.Time, evict func(map[plantmesh.SiteID]*card) (plantmesh.SiteID, bool)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.site == d.self.Site { // said before a restart: what is said next has to be newer
		d.floor = max(d.floor, c.sequence())
		d.version++
		return false
	}
	held := d.cards[c.site]
	if held != nil && held.sequence() >= c.sequence() {
		return false
	}
	if held == nil {
		if len(d.cards) >= MaxSites {
			site, ok := evict(d.cards)
			if !ok {
				return false
			}
			delete(d.cards, site)
			delete(d.rates, site)
		}
		d.rates[c.site] = &rate{tokens: cardBurst - 1, at: now}
	}
	d.cards[c.site] = c
	d.version++
	return true
}

// say signs and keeps a card of this site, newer than any before.
func (d *directory) say(said *peerv1.MemberCard, key *plantmesh.SigningKey, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	sequence := max(uint64(now.UnixMicro()), d.floor+1)
	if own := d.cards[d.self.Site]; own != nil {
		sequence = max(sequence, own.sequence()+1)
	}
	said.Sequence, said.Time = sequence, timestamppb.New(now)
	body, err := proto.Marshal(said)
	if err != nil {
		return fmt.Errorf("card of this site: %w", err)
	}
	id := idOf(key.Voucher())
	signed := &peerv1.SignedMemberCard{Card: body, Signature: key.SignMemberCard(body), VoucherId: id[:], Voucher: key.Voucher()}
	c, err := readCard(signed)
	if err != nil {
		return fmt.Errorf("card of this site: %w", err)
	}
	c.key.Region = d.self.Region
	d.cards[d.self.Site] = c
	d.version++
	return nil
}

// of returns a site's card, nil if there is none.
func (d *directory) of(site plantmesh.SiteID) *card {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cards[site]
}

// behind tells whether an earlier run of this site said more than this one has.
func (d *directory) behind() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	own := d.cards[d.self.Site]
	return own == nil || own.sequence() <= d.floor
}

// all is a snapshot, and the version it is of.
func (d *directory) all() (map[plantmesh.SiteID]*card, uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cards := make(map[plantmesh.SiteID]*card, len(d.cards))
	for site, c := range d.cards {
		cards[site] = c
	}
	return cards, d.version
}

// forget drops the cards of sites that are gone and so old that nobody takes them any more.
func (d *directory) forget(now time.Time, gone map[plantmesh.SiteID]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for site, c := range d.cards {
		if site != d.self.Site && now.Sub(c.said.GetTime().AsTime()) > cardLife && gone[site] {
			delete(d.cards, site)
			delete(d.rates, site)
			d.version++
		}
	}
}
