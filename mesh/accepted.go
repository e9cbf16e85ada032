package mesh

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// errSuperseded ends a reverse connection that did not answer when its site came with another one.
var errSuperseded = errors.New("the connection did not answer, and the site has opened another one")

// acceptedLinks are the links over connections that sites opened: one a site, kept while the node runs, so that the status
// tells of a site that is gone. The zero value is ready.
type acceptedLinks struct {
	mu    sync.Mutex      // guards what follows
	ctx   context.Context //nolint:containedctx // of Mesh.Run; nil before
	group *errgroup.Group // of Mesh.Run
	sites map[plantmesh.SiteID]*accepted
}

// accepted is the link to one site. Memory: one connection that is used, and one that waits until that one is found dead.
type accepted struct {
	*link
	arrivals    chan arrival            // taken while no connection is used
	considering atomic.Bool             // one arrival is at the door
	current     atomic.Pointer[session] // nil while no connection is used
}

// arrival is a reverse connection that has shaken hands.
type arrival struct {
	conn  net.Conn
	state tls.ConnectionState
}

// open lets connections in, whose goroutines belong to group, until ctx ends.
func (a *acceptedLinks) open(ctx context.Context, group *errgroup.Group) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ctx, a.group = ctx, group
}

// close lets nobody in any more: after it, the group gets no further goroutine.
func (a *acceptedLinks) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.group = nil
}

// of returns the link to a site, which it makes if needed, and the context of the mesh.
//
// Errors: plantmesh.ErrShuttingDown.
func (a *acceptedLinks) of(m *Mesh, site plantmesh.SiteID) (*accepted, context.Context, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.group == nil {
		return nil, nil, fmt.Errorf("%w: %s is starting or stopping", plantmesh.ErrShuttingDown, m.self.Site)
	}
	if a.sites == nil {
		a.sites = map[plantmesh.SiteID]*accepted{}
	}
	l, ok := a.sites[site]
	if !ok {
		l = &accepted{link: newLink(m, adminv1.LinkKind_LINK_KIND_REVERSE_ACCEPTED, "reverse from "+string(site)), arrivals: make(chan arrival)}
		l.state.Site = site
		a.sites[site] = l
		a.group.Go(func() error { l.run(a.ctx); return nil })
	}
	return l, a.ctx, nil
}

// all returns the links, ordered by site.
func (a *acceptedLinks) all() []*link {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]*link, 0, len(a.sites))
	for _, l := range a.sites {
		out = append(out, l.link)
	}
	slices.SortFunc(out, func(a, b *link) int { return cmp.Compare(a.address, b.address) })
	return out
}

// accept takes a connection over which this node may call a site, or tells the site why not. It waits while it looks
// whether a connection that the site has already is alive.
func (m *Mesh) accept(conn net.Conn, state tls.ConnectionState) {
	if err := m.offer(arrival{conn, state}); err != nil {
		_ = writeAnswer(conn, err) // a site that does not hear it sees the end
		_ = conn.Close()
	}
}

func (m *Mesh) offer(in arrival) error {
	peer, err := plantmesh.IdentityOf(in.state.PeerCertificates[0])
	if err != nil {
		return fmt.Errorf("%w: %w", plantmesh.ErrUnauthenticated, err)
	}
	if peer.Site == m.self.Site {
		return fmt.Errorf("%w: %s", plantmesh.ErrSelfLink, peer.Site)
	}
	a, ctx, err := m.accepted.of(m, peer.Site)
	if err != nil {
		return err
	}
	if !a.considering.CompareAndSwap(false, true) {
		return fmt.Errorf("%w: another reverse connection of %s is at the door of %s", plantmesh.ErrAlreadyLinked, peer.Site, m.self.Site)
	}
	defer a.considering.Store(false)
	running := ctx
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Timings.DialTimeout)
	defer cancel()
	if s := a.current.Load(); s != nil {
		if s.alive(ctx) {
			return fmt.Errorf("%w: %s has a reverse connection to %s that is alive: if two nodes share a certificate, give each its own",
				plantmesh.ErrAlreadyLinked, peer.Site, m.self.Site)
		}
		s.end(errSuperseded)
	}
	select {
	case a.arrivals <- in:
		return nil
	case <-ctx.Done():
		if running.Err() != nil {
			return fmt.Errorf("%w: %s", plantmesh.ErrShuttingDown, m.self.Site)
		}
		return fmt.Errorf("%w: %s has not let go of the connection before", plantmesh.ErrAlreadyLinked, m.self.Site)
	}
}

// alive tells whether anything comes on the connection, when asked for.
func (s *session) alive(ctx context.Context) bool {
	before := s.conn.wire.received.Load()
	ctx, cancel := context.WithTimeout(ctx, s.mesh.cfg.Timings.DialTimeout/2)
	defer cancel()
	_, err := s.greet(ctx)
	return err == nil || s.conn.wire.received.Load() > before
}

// run waits for connections and uses one at a time, until ctx ends.
func (a *accepted) run(ctx context.Context) {
	for {
		select {
		case in := <-a.arrivals:
			a.connecting()
			err := a.use(ctx, in)
			if ctx.Err() != nil {
				a.awaits("this node is shutting down")
				return
			}
			reason, _ := diagnose(a.address, err)
			a.awaits(reason + "; waiting for the site, which nobody can dial, to come back")
		case <-ctx.Done():
			return
		}
	}
}

// use answers the site and calls it until the connection ends, which is always an error.
func (a *accepted) use(ctx context.Context, in arrival) error {
	conn, err := wrap(a.address, in.conn, in.state)
	if err != nil {
		_ = in.conn.Close()
		return err
	}
	defer conn.close()
	s := newSession(a.link, conn)
	s.helloEvery = min(s.helloEvery, a.mesh.cfg.Timings.Silence/3) // a sign of life for the other end, which makes no calls
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	release, err := s.claim(ctx, end)
	if err != nil {
		err = fmt.Errorf("%w: at %s: %w", plantmesh.ErrAlreadyLinked, a.mesh.self.Site, err)
		_ = writeAnswer(in.conn, err)
		return err
	}
	defer release()
	if err := writeAnswer(in.conn, nil); err != nil {
		return err
	}
	s.end = end
	a.current.Store(s)
	defer a.current.Store(nil)
	return s.run(ctx)
}

// awaits notes that the site has to come back.
func (a *accepted) awaits(reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.State == adminv1.LinkState_LINK_STATE_CONNECTED {
		a.mesh.logger.Warn("link down", slog.String("peer", a.address), slog.String("reason", reason))
	}
	a.client, a.heard = nil, false
	a.state.State, a.state.Since, a.state.Reason, a.state.RetryTime = adminv1.LinkState_LINK_STATE_WAITING, time.Now(), reason, time.Time{}
}
