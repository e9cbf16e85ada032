package gossip

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// errNoRoute is a site to which no chain of links leads.
var errNoRoute = errors.New("no chain of links leads there")

// way is how to reach a site.
type way struct {
	next plantmesh.SiteID
	hops int
}

// findWays finds the shortest ways from a site: along its own links, and from there on along links of which both ends say that they
// are up, so that nobody draws traffic by claiming links.
func findWays(self plantmesh.SiteID, neighbours []plantmesh.SiteID, cards map[plantmesh.SiteID]*card) map[plantmesh.SiteID]way {
	found := make(map[plantmesh.SiteID]way, len(cards))
	var queue []plantmesh.SiteID
	for _, n := range neighbours {
		found[n] = way{next: n, hops: 1}
		queue = append(queue, n)
	}
	both := func(a, b plantmesh.SiteID) bool {
		other := cards[b]
		if other == nil || other.said.GetLeaving() {
			return false
		}
		_, mutual := slices.BinarySearch(other.links, a)
		return mutual
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		c := cards[at]
		if c == nil || c.said.GetLeaving() || found[at].hops == maxHops {
			continue
		}
		for _, to := range c.links {
			if _, seen := found[to]; seen || to == self || !both(at, to) {
				continue
			}
			found[to] = way{next: found[at].next, hops: found[at].hops + 1}
			queue = append(queue, to)
		}
	}
	return found
}

// routes is the table of ways, which is made anew when cards or links have changed. The zero value is ready.
type routes struct {
	mu      sync.Mutex
	ways    map[plantmesh.SiteID]way
	version uint64
	near    []plantmesh.SiteID
}

func (g *Gossip) wayTo(site plantmesh.SiteID) (way, bool) {
	w, ok := g.ways()[site]
	return w, ok
}

// ways is the table as of now. It is not to be changed.
func (g *Gossip) ways() map[plantmesh.SiteID]way {
	near := g.links.neighbours()
	g.routes.mu.Lock()
	defer g.routes.mu.Unlock()
	cards, version := g.directory.all()
	if g.routes.ways == nil || g.routes.version != version || !slices.Equal(g.routes.near, near) {
		g.routes.ways, g.routes.version, g.routes.near = findWays(g.cfg.Self.Site, near, cards), version, near
	}
	return g.routes.ways
}

// post sends a parcel on its way: from here, or on from where it came.
func (g *Gossip) post(p *peerv1.Parcel) error {
	w, ok := g.wayTo(plantmesh.SiteID(p.GetTo()))
	if !ok || slices.Contains(p.GetPath(), string(w.next)) || len(p.GetPath()) >= maxHops {
		return fmt.Errorf("%w: to %s", errNoRoute, p.GetTo())
	}
	link := g.links.to(w.next)
	if link == nil {
		return fmt.Errorf("%w: to %s", errNoRoute, p.GetTo())
	}
	p.Path = append(p.Path, string(g.cfg.Self.Site))
	return link.push(p)
}

// carry takes a parcel from a link: it is for this site, or passed on, or dropped if there is no way.
//
// Errors: errInvalid.
func (g *Gossip) carry(from *attached, p *peerv1.Parcel) error {
	path, self := p.GetPath(), string(g.cfg.Self.Site)
	if len(path) == 0 || len(path) > maxHops || path[len(path)-1] != string(from.site) {
		return fmt.Errorf("%w: a parcel from %s that says it came along %.200q", errInvalid, from.site, path)
	}
	for i, site := range path {
		if _, err := plantmesh.ParseSiteID(site); err != nil || site == self || slices.Contains(path[:i], site) {
			return fmt.Errorf("%w: a parcel from %s along %.200q, in a circle", errInvalid, from.site, path)
		}
	}
	if err := checkContent(p); err != nil {
		return fmt.Errorf("a parcel from %s: %w", from.site, err)
	}
	if g.directory.of(plantmesh.SiteID(path[0])) == nil {
		return nil // nobody vouches for that site yet
	}
	if p.GetTo() == self {
		g.transport.deliver(plantmesh.SiteID(path[0]), p)
		return nil
	}
	_ = g.post(p) // best effort, as packets are
	return nil
}
