package mesh_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
)

// simDomains are what each site of a simulation records.
var simDomains = []string{"production", "quality", "finance"}

// simSite is a site as the configurations of a simulation have it.
type simSite struct {
	name      plantmesh.SiteID
	outbound  bool
	wall      meshtest.Mode // of the firewall before an outbound site
	advertise bool
	peers     []plantmesh.SiteID
	wants     []mesh.Subscription
	finance   []plantmesh.SiteID // who may have its stream of that name; nil: everybody
	ahead     time.Duration      // of its clock
}

// simMesh is who is in the mesh of a simulation, and who dials whom.
type simMesh struct {
	shape string
	sites []*simSite
	edges [][2]plantmesh.SiteID
}

var simShapes = []string{"chain", "ring", "hub", "full", "random"}

// randomMesh draws three to six sites.
func randomMesh(random *rand.Rand) *simMesh {
	m := &simMesh{shape: simShapes[random.IntN(len(simShapes))]}
	n := []int{3, 3, 3, 4, 4, 5, 6}[random.IntN(7)]
	for i := range n {
		m.sites = append(m.sites, &simSite{name: plantmesh.SiteID('a' + rune(i)), advertise: random.IntN(8) == 0})
	}
	for a := range n {
		for b := a + 1; b < n; b++ {
			if m.adjacent(a, b, n, random) {
				m.edges = append(m.edges, [2]plantmesh.SiteID{m.sites[a].name, m.sites[b].name})
			}
		}
	}
	for _, s := range m.sites {
		if random.IntN(10) < 3 && !slices.ContainsFunc(m.neighbours(s.name), func(o *simSite) bool { return o.outbound }) {
			s.outbound, s.advertise, s.wall = true, false, meshtest.Mode(random.IntN(2))
		}
	}
	for _, e := range m.edges {
		a, b := m.site(e[0]), m.site(e[1])
		way := random.IntN(14) // most dial each other, some are dialed only
		if a.outbound || !b.outbound && way != 0 {
			a.peers = append(a.peers, b.name)
		}
		if b.outbound || !a.outbound && way != 1 {
			b.peers = append(b.peers, a.name)
		}
	}
	for _, s := range m.sites {
		m.drawPolicy(s, random)
	}
	return m
}

// adjacent draws whether two sites have a line.
func (m *simMesh) adjacent(a, b, n int, random *rand.Rand) bool {
	switch m.shape {
	case "chain":
		return b == a+1
	case "ring":
		return b == a+1 || a == 0 && b == n-1
	case "hub":
		return a == 0
	case "full":
		return true
	}
	return b == a+1 && b%2 == 1 || a == (b-1)/2 || random.IntN(4) == 0 // a tree, and some more
}

// drawPolicy draws what a site wants, whom it lets have its stream of finance, and what its clock says.
func (m *simMesh) drawPolicy(s *simSite, random *rand.Rand) {
	s.wants = everything
	switch random.IntN(6) {
	case 0:
		s.wants = []mesh.Subscription{{From: "*", Streams: simDomains[:1+random.IntN(2)]}}
	case 1:
		s.wants = nil
		for _, o := range m.sites {
			if random.IntN(3) > 0 {
				s.wants = append(s.wants, mesh.Subscription{From: string(o.name), Streams: []string{"*"}})
			}
		}
	}
	if random.IntN(2) == 0 {
		s.finance = []plantmesh.SiteID{s.name}
		for _, o := range m.sites {
			if o != s && random.IntN(2) == 0 {
				s.finance = append(s.finance, o.name)
			}
		}
	}
	if random.IntN(3) == 0 {
		s.ahead = time.Duration(random.IntN(1200)-600) * time.Second
	}
}

// export are a site's rules.
func (s *simSite) export() []mesh.ExportRule {
	if s.finance == nil {
		return nil
	}
	rules := []mesh.ExportRule{{Streams: []string{"production", "quality"}, To: []string{"*"}}}
	for _, to := range s.finance {
		rules = append(rules, mesh.ExportRule{Streams: []string{"finance"}, To: []string{string(to)}})
	}
	return rules
}

func (m *simMesh) site(name plantmesh.SiteID) *simSite {
	return m.sites[slices.IndexFunc(m.sites, func(s *simSite) bool { return s.name == name })]
}

func (m *simMesh) neighbours(name plantmesh.SiteID) (all []*simSite) {
	for _, e := range m.edges {
		if e[0] == name {
			all = append(all, m.site(e[1]))
		} else if e[1] == name {
			all = append(all, m.site(e[0]))
		}
	}
	return all
}

// mayHold tells whether policy lets a site have a stream.
func (m *simMesh) mayHold(n *simSite, s plantmesh.StreamName) bool {
	origin := m.site(s.Origin())
	return s.Domain() != "finance" || origin.finance == nil || slices.Contains(origin.finance, n.name)
}

// asks tells whether a site wants a stream and may have it.
func (m *simMesh) asks(n *simSite, s plantmesh.StreamName) bool {
	return n.name != s.Origin() && m.mayHold(n, s) && slices.ContainsFunc(n.wants, func(w mesh.Subscription) bool { return w.Matches(s) })
}

// pulls tells whether a site has a link over which it pulls from another.
func pulls(n, from *simSite) bool {
	return slices.Contains(n.peers, from.name) || from.outbound && slices.Contains(from.peers, n.name)
}

// subscribers are the sites that a stream has to reach: they ask for it, and so does everybody on a way from its origin.
func (m *simMesh) subscribers(s plantmesh.StreamName) []*simSite {
	return m.reach(m.site(s.Origin()), func(n, from *simSite) bool { return m.asks(n, s) && pulls(n, from) })
}

// keepers are the sites from which an origin that lost its disk gets a stream back.
func (m *simMesh) keepers(s plantmesh.StreamName) []*simSite {
	return m.reach(m.site(s.Origin()), func(n, to *simSite) bool { return m.asks(n, s) && pulls(to, n) })
}

func (m *simMesh) reach(from *simSite, step func(n, near *simSite) bool) []*simSite {
	reached := []*simSite{from}
	for i := 0; i < len(reached); i++ {
		for _, n := range m.sites {
			if !slices.Contains(reached, n) && step(n, reached[i]) {
				reached = append(reached, n)
			}
		}
	}
	return reached[1:]
}

func (m *simMesh) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %d", m.shape, len(m.sites))
	for _, s := range m.sites {
		fmt.Fprintf(&b, "\n  %s dials %v", s.name, s.peers)
		if s.outbound {
			b.WriteString(", nobody can dial it")
		}
		if s.advertise {
			b.WriteString(", advertises its address")
		}
		if len(s.wants) != 1 || s.wants[0].From != "*" || s.wants[0].Streams[0] != "*" {
			fmt.Fprintf(&b, ", wants %v", s.wants)
		}
		if s.finance != nil {
			fmt.Fprintf(&b, ", its finance is for %v", s.finance)
		}
		if s.ahead != 0 {
			fmt.Fprintf(&b, ", its clock is %s ahead", s.ahead)
		}
	}
	return b.String()
}
