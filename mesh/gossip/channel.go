package gossip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// errLeft ends a channel whose other end has said that it leaves.
var errLeft = errors.New("the site leaves")

// errQueueFull is a parcel that would wait too long.
var errQueueFull = errors.New("more waits for the link than it takes")

// attached is a link with a site, as long as it is up. What waits to be sent is bounded: parcels by their bytes, cards by
// being looked up when the line has room, so that only the newest of each site goes.
type attached struct {
	gossip *Gossip
	site   plantmesh.SiteID
	frames Channel
	wake   chan struct{}

	mu      sync.Mutex // guards what follows
	parcels []*peerv1.Parcel
	bytes   int
	theirs  map[plantmesh.SiteID]theirs // what the other side has; nil before it said so
}

// theirs is what the other side has of a site.
type theirs struct {
	sequence  uint64
	voucherID [16]byte
}

// Attach makes a link with another site part of the mesh, until ctx or the link ends, or the site leaves; then it returns nil
// for the latter. peer is who the other side is by its certificate. After Attach has returned, the caller has to end the
// channel, so that a Recv that waits ends too.
//
// Errors: plantmesh.ErrInvalidRequest for a peer that breaks the protocol; plantmesh.ErrShuttingDown; those of the
// channel.
func (g *Gossip) Attach(ctx context.Context, peer plantmesh.Identity, frames Channel) error {
	if peer.Site == g.cfg.Self.Site {
		return fmt.Errorf("%w: %w", errInvalid, errOwnSite)
	}
	select {
	case <-g.started:
	case <-g.ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	a := &attached{gossip: g, site: peer.Site, frames: frames, wake: make(chan struct{}, 1)}
	if !g.links.add(a) {
		return fmt.Errorf("%w: gossip", plantmesh.ErrShuttingDown)
	}
	g.poke()
	defer g.poke()
	defer g.links.remove(a)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { cancel(a.receive()) }() // ends with the channel
	err := a.send(ctx)
	if errors.Is(err, io.EOF) { // gRPC's way to say that receiving has the reason
		<-ctx.Done()
		err = context.Cause(ctx)
	}
	if errors.Is(err, errLeft) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func (a *attached) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// push queues a parcel.
func (a *attached) push(p *peerv1.Parcel) error {
	size := proto.Size(p)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bytes+size > maxQueueBytes {
		return errQueueFull
	}
	a.parcels, a.bytes = append(a.parcels, p), a.bytes+size
	a.poke()
	return nil
}

// pop takes the oldest parcel.
func (a *attached) pop() *peerv1.Parcel {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.parcels) == 0 {
		a.parcels = nil
		return nil
	}
	p := a.parcels[0]
	a.parcels[0] = nil
	a.parcels, a.bytes = a.parcels[1:], a.bytes-proto.Size(p)
	return p
}

// send sends what is due until ctx ends, and returns its cause.
func (a *attached) send(ctx context.Context) error {
	if err := a.frames.Send(a.known()); err != nil {
		return err
	}
	compare := time.NewTicker(knownEvery)
	defer compare.Stop()
	for {
		for p := a.pop(); p != nil; p = a.pop() {
			if err := a.frames.Send(&peerv1.GossipFrame{Content: &peerv1.GossipFrame_Parcel{Parcel: p}}); err != nil {
				return endOf(ctx, err)
			}
		}
		if news := a.news(); news != nil {
			if err := a.frames.Send(news); err != nil {
				return endOf(ctx, err)
			}
			continue
		}
		select {
		case <-a.wake:
		case <-compare.C:
			if err := a.frames.Send(a.known()); err != nil {
				return endOf(ctx, err)
			}
		case <-a.gossip.ended:
			return fmt.Errorf("%w: gossip", plantmesh.ErrShuttingDown)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// endOf prefers what receiving found to how sending noticed.
func endOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// known tells what is known here.
func (a *attached) known() *peerv1.GossipFrame {
	cards, _ := a.gossip.directory.all()
	news := &peerv1.News{}
	for site, c := range cards {
		news.Known = append(news.Known, &peerv1.KnownCard{Site: string(site), Sequence: c.sequence(), VoucherId: c.voucherID[:]})
	}
	return &peerv1.GossipFrame{Content: &peerv1.GossipFrame_News{News: news}}
}

// news are cards that the other side does not have, as many as fit a frame; nil if it has all.
func (a *attached) news() *peerv1.GossipFrame {
	cards, _ := a.gossip.directory.all()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.theirs == nil {
		return nil
	}
	news, size := &peerv1.News{}, 0
	for site, c := range cards {
		has := a.theirs[site]
		if c.sequence() <= has.sequence {
			continue
		}
		signed := c.signed
		if has.voucherID == c.voucherID {
			signed = c.without()
		}
		if size += proto.Size(signed) + 8; size > maxFrameBytes/2 && len(news.GetCards()) > 0 {
			break
		}
		news.Cards = append(news.Cards, signed)
		a.theirs[site] = theirs{sequence: c.sequence(), voucherID: c.voucherID}
	}
	if len(news.GetCards()) == 0 {
		return nil
	}
	return &peerv1.GossipFrame{Content: &peerv1.GossipFrame_News{News: news}}
}

// receive takes frames until the channel ends or a frame is wrong.
func (a *attached) receive() error {
	for {
		f, err := a.frames.Recv()
		if err != nil {
			return err
		}
		if err := a.take(f); err != nil {
			return err
		}
	}
}

func (a *attached) take(f *peerv1.GossipFrame) error {
	if proto.Size(f) > maxFrameBytes {
		return fmt.Errorf("%w: frame of %d bytes", errInvalid, proto.Size(f))
	}
	switch content := f.GetContent().(type) {
	case *peerv1.GossipFrame_News:
		return a.hear(content.News)
	case *peerv1.GossipFrame_Parcel:
		return a.gossip.carry(a, content.Parcel)
	default:
		return nil // of a later version
	}
}

// hear takes news.
func (a *attached) hear(n *peerv1.News) error {
	if len(n.GetKnown()) > MaxSites || len(n.GetCards()) > MaxSites {
		return fmt.Errorf("%w: %d sites known, %d cards", errInvalid, len(n.GetKnown()), len(n.GetCards()))
	}
	if len(n.GetKnown()) > 0 || len(n.GetCards()) == 0 {
		a.compare(n.GetKnown())
	}
	leaves := false
	for _, s := range n.GetCards() {
		c, news, err := a.gossip.learn(s)
		if errors.Is(err, errNoVoucher) {
			continue // the next comparison brings it
		}
		if err != nil {
			return err
		}
		a.mu.Lock()
		if has := a.theirs[c.site]; a.theirs != nil && len(a.theirs) <= MaxSites && has.sequence < c.sequence() {
			a.theirs[c.site] = theirs{sequence: c.sequence(), voucherID: c.voucherID}
		}
		a.mu.Unlock()
		leaves = leaves || news && c.site == a.site && c.said.GetLeaving()
	}
	if leaves {
		return errLeft
	}
	return nil
}

// compare notes what the other side has. Its word counts for what it lacks as well: it may have refused a card.
func (a *attached) compare(known []*peerv1.KnownCard) {
	has := make(map[plantmesh.SiteID]theirs, len(known))
	for _, k := range known {
		if id := k.GetVoucherId(); len(id) == len(theirs{}.voucherID) {
			has[plantmesh.SiteID(k.GetSite())] = theirs{sequence: k.GetSequence(), voucherID: [16]byte(id)}
		}
	}
	a.mu.Lock()
	a.theirs = has
	a.mu.Unlock()
	a.poke()
}

// links are the links that are up. The zero value is ready.
type links struct {
	mu     sync.Mutex
	sites  map[plantmesh.SiteID][]*attached // the newest last
	closed bool
	none   chan struct{} // closed when closed and the last link is gone
}

func (l *links) add(a *attached) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.sites == nil {
		l.sites = map[plantmesh.SiteID][]*attached{}
	}
	l.sites[a.site] = append(l.sites[a.site], a)
	return true
}

func (l *links) remove(a *attached) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sites[a.site] = slices.DeleteFunc(l.sites[a.site], func(o *attached) bool { return o == a })
	if len(l.sites[a.site]) == 0 {
		delete(l.sites, a.site)
	}
	if l.closed && len(l.sites) == 0 {
		close(l.none)
	}
}

// close lets no further link in. The channel is closed when the last one is gone.
func (l *links) close() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.none = true, make(chan struct{})
	if len(l.sites) == 0 {
		close(l.none)
	}
	return l.none
}

// to is the newest link with a site, nil if there is none.
func (l *links) to(site plantmesh.SiteID) *attached {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.sites[site]
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// neighbours are the sites with a link, sorted.
func (l *links) neighbours() []plantmesh.SiteID {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]plantmesh.SiteID, 0, len(l.sites))
	for site := range l.sites {
		out = append(out, site)
	}
	slices.Sort(out)
	return out
}

// pokeAll has every link look what there is to send.
func (l *links) pokeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, all := range l.sites {
		for _, a := range all {
			a.poke()
		}
	}
}
