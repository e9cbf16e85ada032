package mesh

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/gossip"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// followEvery is how often this node looks whether it should link to other members than those it does.
const followEvery = time.Second

// learntLinks are the links to members that advertise an address and are not in the configuration: they come and go
// with the members. The zero value is ready.
type learntLinks struct {
	mu    sync.Mutex      // guards what follows
	ctx   context.Context //nolint:containedctx // of Mesh.Run; nil before
	group *errgroup.Group // of Mesh.Run; nil before and after
	sites map[plantmesh.SiteID]*learntLink
}

// learntLink is one of them.
type learntLink struct {
	*link
	stop context.CancelFunc
}

// open lets links be made, whose goroutines belong to group, until ctx ends.
func (l *learntLinks) open(ctx context.Context, group *errgroup.Group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ctx, l.group = ctx, group
}

// close lets no further link be made: after it, the group gets no further goroutine.
func (l *learntLinks) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group = nil
}

// all returns the links, ordered by site.
func (l *learntLinks) all() []*link {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]*link, 0, len(l.sites))
	for _, one := range l.sites {
		out = append(out, one.link)
	}
	slices.SortFunc(out, func(a, b *link) int { return cmp.Compare(a.expects, b.expects) })
	return out
}

// follow makes the links be those that are wanted: addresses by site.
func (l *learntLinks) follow(m *Mesh, wanted map[plantmesh.SiteID]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.group == nil {
		return
	}
	for site, one := range l.sites {
		if wanted[site] != one.address {
			one.stop()
			delete(l.sites, site)
		}
	}
	if l.sites == nil {
		l.sites = map[plantmesh.SiteID]*learntLink{}
	}
	for site, address := range wanted {
		if l.sites[site] != nil {
			continue
		}
		made := newLink(m, adminv1.LinkKind_LINK_KIND_DIALED, address)
		made.expects, made.state.Site = site, site
		ctx, stop := context.WithCancel(l.ctx)
		l.sites[site] = &learntLink{link: made, stop: stop}
		l.group.Go(func() error { defer stop(); made.run(ctx, made.session); return nil })
	}
}

// followMembers keeps the learnt links up to date until ctx ends.
func (m *Mesh) followMembers(ctx context.Context) {
	for sleep(ctx, followEvery, m.gossip.Changed()) {
		m.learnt.follow(m, m.worthDialing())
	}
}

// worthDialing are the addresses of members that this node should dial: those that can be, and to which no link of the configuration
// leads. A member that is dead is dialed on, for that is how a partition heals; one that has left comes back by itself.
func (m *Mesh) worthDialing() map[plantmesh.SiteID]string {
	led := map[plantmesh.SiteID]bool{m.self.Site: true}
	addresses := map[string]bool{}
	for _, l := range slices.Concat(m.dialed, m.accepted.all()) {
		s := l.status()
		addresses[l.address] = true
		led[s.Site] = led[s.Site] || l.kind == adminv1.LinkKind_LINK_KIND_DIALED || s.State == adminv1.LinkState_LINK_STATE_CONNECTED
	}
	wanted := map[plantmesh.SiteID]string{}
	for _, member := range m.gossip.Members() {
		if member.Address != "" && !member.Outbound && !led[member.Site] && !addresses[member.Address] && member.State != adminv1.MemberState_MEMBER_STATE_LEFT {
			wanted[member.Site] = member.Address
		}
	}
	return wanted
}

// Member is another site of the mesh.
type Member struct {
	gossip.Member
	Measured    bool          // over a link: what follows is known
	RoundTrip   time.Duration // of the last greeting
	ClockOffset time.Duration // the site's clock minus ours, at the last greeting
	ClockSkewed bool          // that is beyond the limit
}

// noGossip is the reason shown with a site that is linked, and of a version that does not gossip.
const noGossip = "its version does not gossip: this is what the link tells"

// members are the sites that gossip tells of, with what is measured over links, and linked ones that do not gossip.
func (m *Mesh) members() []Member {
	linked := map[plantmesh.SiteID]Link{}
	for _, l := range m.links() {
		if s := l.status(); s.State == adminv1.LinkState_LINK_STATE_CONNECTED {
			linked[s.Site] = s
		}
	}
	var out []Member
	add := func(member gossip.Member) {
		one := Member{Member: member}
		if s, ok := linked[member.Site]; ok {
			one.Measured, one.RoundTrip, one.ClockOffset = true, s.RoundTrip, s.ClockOffset
			one.ClockSkewed = m.clocks.skewed(member.Site)
			delete(linked, member.Site)
		}
		out = append(out, one)
	}
	for _, member := range m.gossip.Members() {
		add(member)
	}
	for _, s := range linked {
		add(gossip.Member{
			Site: s.Site, Version: s.Version, State: adminv1.MemberState_MEMBER_STATE_ALIVE, Since: s.Since, Reason: noGossip, Via: s.Site, Hops: 1,
		})
	}
	slices.SortFunc(out, func(a, b Member) int { return cmp.Compare(a.Site, b.Site) })
	return out
}

// compareOrigins puts the streams of a site first, then orders by name and incarnation.
func compareOrigins(first plantmesh.SiteID, a, b plantmesh.Head) int {
	return cmp.Or(-compareBool(a.Stream.Origin() == first, b.Stream.Origin() == first), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Incarnation, b.Incarnation))
}
