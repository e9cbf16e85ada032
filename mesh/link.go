package mesh

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// link keeps one connection to one peer, whoever opens it: come together, greet, replicate, and again.
type link struct {
	mesh    *Mesh            // set once
	kind    adminv1.LinkKind // set once
	address string           // set once
	expects plantmesh.SiteID // set once: the member that advertises the address; empty for one of the configuration
	nudges  chan struct{}    // wakes a link that waits for its next attempt

	mu     sync.Mutex // guards what follows
	state  Link
	client peerv1.PeerServiceClient // while connected
	lost   time.Time                // when the last connection ended; zero before
	heard  bool                     // the peer has said which streams it holds, on this connection
}

// notTried is the reason of a link before its first attempt ended.
const notTried = "not tried yet"

func newLink(m *Mesh, kind adminv1.LinkKind, address string) *link {
	return &link{
		mesh: m, kind: kind, address: address, nudges: make(chan struct{}, 1),
		state: Link{Kind: kind, Address: address, State: adminv1.LinkState_LINK_STATE_CONNECTING, Since: time.Now(), Reason: notTried},
	}
}

// run keeps the link until ctx ends. attempt dials, and stays until the connection ends, which is always an error.
func (l *link) run(ctx context.Context, attempt func(context.Context) error) {
	t := l.mesh.cfg.Timings
	wait := backoff{least: t.MinBackoff, most: t.MaxBackoff}
	for {
		l.connecting()
		err := attempt(ctx)
		if ctx.Err() != nil {
			l.waiting(ctx, adminv1.LinkState_LINK_STATE_BACKOFF, "this node is shutting down", 0)
			return
		}
		if s := l.status(); s.State == adminv1.LinkState_LINK_STATE_CONNECTED && time.Since(s.Since) > t.MaxBackoff {
			wait.reset()
		}
		reason, refused := diagnose(l.address, err)
		pause, state := wait.next(), adminv1.LinkState_LINK_STATE_BACKOFF
		if refused {
			pause, state = jitter(t.RefusedRetry), adminv1.LinkState_LINK_STATE_REFUSED
		}
		l.waiting(ctx, state, reason, pause)
		if !sleep(ctx, pause, l.nudges) {
			return
		}
	}
}

// status is a snapshot.
func (l *link) status() Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// connecting keeps the last reason on show until there is a better one.
func (l *link) connecting() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.State, l.state.Since, l.state.RetryTime = adminv1.LinkState_LINK_STATE_CONNECTING, time.Now(), time.Time{}
}

func (l *link) connected(client peerv1.PeerServiceClient, g greeting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.client, l.heard = client, false
	l.state.State, l.state.Since, l.state.Reason = adminv1.LinkState_LINK_STATE_CONNECTED, time.Now(), ""
	l.state.Site, l.state.Protocol, l.state.Version = g.site, g.protocol, g.version
	l.state.RoundTrip, l.state.ClockOffset = g.roundTrip, g.clockOffset
	l.mesh.clocks.measured(l.mesh, g)
	l.mesh.logger.Info("link connected", slog.String("peer", l.address), slog.String("site", string(g.site)), slog.String("kind", l.kind.String()),
		slog.Duration("round_trip", g.roundTrip), slog.Duration("clock_offset", g.clockOffset))
}

func (l *link) measured(g greeting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.RoundTrip, l.state.ClockOffset = g.roundTrip, g.clockOffset
	l.mesh.clocks.measured(l.mesh, g)
}

// leadsTo notes which site answers at the address, though it is not greeted over this link.
func (l *link) leadsTo(site plantmesh.SiteID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Site = site
}

// waiting logs a reason when it is news.
func (l *link) waiting(ctx context.Context, state adminv1.LinkState, reason string, pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	level := slog.LevelWarn
	if reason == l.state.Reason {
		level = slog.LevelDebug
	}
	now := time.Now()
	if l.state.State == adminv1.LinkState_LINK_STATE_CONNECTED {
		l.lost = now
	}
	l.client = nil
	l.state.State, l.state.Since, l.state.Reason, l.state.RetryTime = state, now, reason, now.Add(pause)
	if pause > 0 {
		l.mesh.logger.Log(ctx, level, "link down", slog.String("peer", l.address), slog.String("reason", reason), slog.Duration("retry_in", pause))
	}
}

// hears notes that the peer has said which streams it holds.
func (l *link) hears() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = true
}

func (l *link) heardFrom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard
}

// nudgeBeside lets the other link to the same address try at once: a site that nobody can dial has two.
func (m *Mesh) nudgeBeside(l *link) {
	for _, links := range [][]*link{m.dialed, m.served} {
		for _, other := range links {
			if other != l && other.address == l.address && other.status().State == adminv1.LinkState_LINK_STATE_BACKOFF {
				signal(other.nudges)
			}
		}
	}
}

// nudge lets the links to a site try at once: it has just called, so it is up.
func (m *Mesh) nudge(site plantmesh.SiteID) {
	for _, l := range slices.Concat(m.dialed, m.learnt.all()) {
		if s := l.status(); s.State == adminv1.LinkState_LINK_STATE_BACKOFF && (s.Site == site || s.Site == "") {
			signal(l.nudges)
		}
	}
}
