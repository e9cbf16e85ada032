package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// Gossip is a site's part in telling who is in the mesh. Safe for concurrent use.
type Gossip struct {
	cfg       Config        // set once
	directory *directory    // set once
	transport *transport    // set once
	started   chan struct{} // closed when links are welcome
	ended     chan struct{} // closed when links have to end
	wake      chan struct{}

	links  links
	routes routes

	mu        sync.Mutex // guards what follows
	standings map[plantmesh.SiteID]standing
	change    chan struct{} // closed at the next change of members
}

// New prepares a site's part; nothing happens before Run.
func New(cfg Config) (*Gossip, error) {
	if !cfg.Self.IsSite() || cfg.Key == nil || cfg.Verifier == nil || cfg.Logger == nil {
		return nil, errors.New("gossip needs a site, its key, a verifier and a logger")
	}
	g := &Gossip{
		cfg: cfg, directory: newDirectory(cfg.Self, cfg.Verifier), started: make(chan struct{}), ended: make(chan struct{}), wake: make(chan struct{}, 1),
		standings: map[plantmesh.SiteID]standing{}, change: make(chan struct{}),
	}
	g.transport = newTransport(cfg.Self.Site, g.post)
	return g, g.say(false)
}

// Run takes part until ctx ends, and then says that this site leaves: it waits for the linked sites to have heard it, at
// most half a second. All links have ended when it returns. It runs once.
func (g *Gossip) Run(ctx context.Context) error {
	g.transport.start()
	list, err := memberlist.Create(g.settings())
	if err != nil {
		close(g.ended)
		return fmt.Errorf("gossip: %w", errors.Join(err, g.transport.Shutdown()))
	}
	close(g.started)
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { g.keep(running); return nil })
	group.Go(func() error { g.join(running, list); return nil })
	<-ctx.Done()
	none := g.links.close()
	if err := g.say(true); err != nil {
		g.cfg.Logger.Error("leaving not announced", slog.Any("error", err))
	}
	g.links.pokeAll()
	select {
	case <-none:
	case <-time.After(leaveTimeout):
	}
	close(g.ended)
	return errors.Join(list.Shutdown(), group.Wait())
}

// settings are memberlist's. DESIGN.md gives the reasons of the figures.
func (g *Gossip) settings() *memberlist.Config {
	c := memberlist.DefaultWANConfig()
	c.Name, c.Transport, c.RequireNodeNames = string(g.cfg.Self.Site), g.transport, true
	c.ProbeInterval, c.ProbeTimeout = probeInterval, probeTimeout
	c.SuspicionMult, c.SuspicionMaxTimeoutMult = suspicionMult, suspicionSlower
	c.GossipInterval, c.GossipToTheDeadTime = gossipInterval, forgetDead
	c.PushPullInterval, c.TCPTimeout = pushPullEvery, streamTimeout
	c.EnableCompression, c.DisableTcpPings = false, true
	c.HandoffQueueDepth = maxPackets
	c.Alive = vouchedFor{g}
	c.LogOutput = logWriter{g.cfg.Logger}
	return c
}

// vouchedFor lets memberlist know only sites that have spoken for themselves.
type vouchedFor struct{ *Gossip }

// NotifyAlive implements memberlist.AliveDelegate.
func (v vouchedFor) NotifyAlive(n *memberlist.Node) error {
	site := plantmesh.SiteID(n.Name)
	c := v.directory.of(site)
	switch {
	case c == nil:
		return errors.New("nobody vouches for this name")
	case c.said.GetLeaving() && site != v.cfg.Self.Site:
		return errors.New("the site has left")
	case !n.Addr.Equal(addressOf(site)) || n.Port != unspecificPort || len(n.Meta) > 0:
		return errors.New("not as the site would say it")
	}
	return nil
}

// say makes a card of this site if there is something to say.
func (g *Gossip) say(leaving bool) error {
	var held []plantmesh.Head
	if g.cfg.Held != nil {
		held = g.cfg.Held()
	}
	said, now := g.cfg.describe(g.links.neighbours(), held, leaving), time.Now()
	if own := g.directory.of(g.cfg.Self.Site); own != nil && !g.directory.behind() && !fresh(own.said, said, now.Sub(own.said.GetTime().AsTime())) {
		return nil
	}
	return g.directory.say(said, g.cfg.Key, now)
}

// learn takes a card that came over a link, and passes it on if it is news.
func (g *Gossip) learn(s *peerv1.SignedMemberCard) (*card, bool, error) {
	c, news, err := g.directory.take(s, time.Now(), g.longestGone)
	if err == nil && (news || c.site == g.cfg.Self.Site) {
		g.links.pokeAll()
		g.poke()
	}
	return c, news, err
}

// longestGone chooses whom to forget when there are too many sites.
func (g *Gossip) longestGone(cards map[plantmesh.SiteID]*card) (plantmesh.SiteID, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var gone plantmesh.SiteID
	for site := range cards {
		s := g.standings[site]
		if isGone(s.state) && (gone == "" || s.since.Before(g.standings[gone].since)) {
			gone = site
		}
	}
	return gone, gone != ""
}

func isGone(s adminv1.MemberState) bool {
	return s == adminv1.MemberState_MEMBER_STATE_DEAD || s == adminv1.MemberState_MEMBER_STATE_LEFT
}

// poke has keep look at once.
func (g *Gossip) poke() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// keep keeps this site's card and the judgements of others up to date.
func (g *Gossip) keep(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-g.wake:
		case <-ctx.Done():
			return
		}
		if err := g.say(false); err != nil {
			g.cfg.Logger.Error("card not made", slog.Any("error", err))
		}
		g.links.pokeAll()
		thoughts, err := g.transport.states()
		if err != nil {
			if ctx.Err() == nil {
				g.cfg.Logger.Error("memberlist does not answer", slog.Any("error", err))
			}
			continue
		}
		g.judgeAll(thoughts)
	}
}

// judgeAll decides about every site.
func (g *Gossip) judgeAll(thoughts map[plantmesh.SiteID]memberlist.NodeStateType) {
	cards, _ := g.directory.all()
	ways, now, changed := g.ways(), time.Now(), false
	g.mu.Lock()
	for site, c := range cards {
		if site == g.cfg.Self.Site {
			continue
		}
		thought, known := thoughts[site]
		w, reachable := ways[site]
		before := g.standings[site]
		after := judge(c, thought, known, w, reachable, before, now)
		g.standings[site] = after
		if after.state != before.state {
			changed = true
			g.report(site, before, after)
		}
	}
	for site := range g.standings {
		if cards[site] == nil {
			delete(g.standings, site)
		}
	}
	if changed {
		close(g.change)
		g.change = make(chan struct{})
	}
	gone := map[plantmesh.SiteID]bool{}
	for site, s := range g.standings {
		gone[site] = isGone(s.state)
	}
	g.mu.Unlock()
	g.directory.forget(now, gone) // which locks the directory, and that goes before g.mu
}

// report logs a change.
func (g *Gossip) report(site plantmesh.SiteID, before, after standing) {
	level := slog.LevelInfo
	if after.state == adminv1.MemberState_MEMBER_STATE_DEAD {
		level = slog.LevelWarn
	}
	g.cfg.Logger.Log(context.Background(), level, "member", slog.String("site", string(site)), slog.String("state", after.state.String()), //nolint:forbidigo // of no call
		slog.String("before", before.state.String()), slog.String("reason", after.reason))
}

// Members are the other sites of the mesh, ordered by name.
func (g *Gossip) Members() []Member {
	cards, _ := g.directory.all()
	ways := g.ways()
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []Member
	for site, c := range cards {
		s, judged := g.standings[site]
		if site == g.cfg.Self.Site || !judged {
			continue
		}
		m := c.member()
		m.State, m.Since, m.Reason = s.state, s.since, s.reason
		if w, ok := ways[site]; ok {
			m.Via, m.Hops = w.next, w.hops
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b Member) int {
		if a.Site < b.Site {
			return -1
		}
		return 1
	})
	return out
}

// Changed is closed at the next change of any member's state.
func (g *Gossip) Changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.change
}
