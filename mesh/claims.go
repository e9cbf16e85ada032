package mesh

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// steadyAfter is how long ago a dialed link must have lost its last connection before it takes a site over from a reverse
// one: a line that comes and goes shall not move the site to and fro.
const steadyAfter = 5 * time.Minute

// errDisplaced ends a reverse connection to a site that this node reaches by dialing as well.
var errDisplaced = errors.New("this node reaches the site by dialing it")

// claims give each site to one link, so that two ways to one site never replicate a stream twice. The zero value is ready.
type claims struct {
	mu   sync.Mutex
	held map[plantmesh.SiteID]*claim
}

// claim is a link's hold on a site, as long as one session lasts.
type claim struct {
	link *link                   // set once
	end  context.CancelCauseFunc // ends the session
	done chan struct{}           // closed when the session has ended
}

// take gives a site to a claim, or returns the one that has it.
func (c *claims) take(site plantmesh.SiteID, by *claim) (holder *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if holder := c.held[site]; holder != nil {
		return holder
	}
	if c.held == nil {
		c.held = map[plantmesh.SiteID]*claim{}
	}
	c.held[site] = by
	return nil
}

// displace gives a site to another claim than the one that has it. It is false if somebody else has it by now.
func (c *claims) displace(site plantmesh.SiteID, holder, by *claim) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.held[site]; now != nil && now != holder {
		return false
	}
	c.held[site] = by
	return true
}

// release gives the site back, unless it was taken over, and says that the session has ended.
func (c *claims) release(site plantmesh.SiteID, by *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[site] == by {
		delete(c.held, site)
	}
	close(by.done)
}

// claim takes the site for a session, whose context end has to cancel. A dialed link takes it over from a reverse one, once
// the peer has answered it: then this node needs nobody's help to come back to the site.
//
// Errors: errDuplicate; those of a greeting.
func (s *session) claim(ctx context.Context, end context.CancelCauseFunc) (release func(), err error) {
	c, site, claims := &claim{link: s.link, end: end, done: make(chan struct{})}, s.conn.peer.Site, &s.mesh.claims
	holder := claims.take(site, c)
	if holder == nil {
		return func() { claims.release(site, c) }, nil
	}
	duplicate := fmt.Errorf("%w: it leads to %s, as %s does", errDuplicate, site, holder.link.address)
	if !s.link.displaces(holder.link) {
		return nil, duplicate
	}
	if _, err := s.greet(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errGreeting, s.conn.why(err))
	}
	if !claims.displace(site, holder, c) {
		return nil, duplicate
	}
	holder.end(errDisplaced)
	<-holder.done // it may have an append to finish
	return func() { claims.release(site, c) }, nil
}

// displaces tells whether a link may take a site over.
func (l *link) displaces(holder *link) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kind == adminv1.LinkKind_LINK_KIND_DIALED && holder.kind == adminv1.LinkKind_LINK_KIND_REVERSE_ACCEPTED &&
		(l.lost.IsZero() || time.Since(l.lost) > steadyAfter)
}
