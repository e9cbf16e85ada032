package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// quietBytes is what arrives at most, within Silence, on a connection on which nothing but keepalives lives.
const quietBytes = 1 << 10

// session is one connection of a link, from greeting to end. It owns every goroutine on it.
type session struct {
	link     *link
	mesh     *Mesh
	conn     *connection
	client   peerv1.PeerServiceClient
	protocol uint32        // agreed on
	frames   chan struct{} // sign of life: a frame of WatchStreams came

	helloEvery time.Duration           // between greetings
	end        context.CancelCauseFunc // ends the session; nil for a dialed one

	mu     sync.Mutex // guards what follows
	offers map[history]*peerv1.StreamHead
}

// hears notes what the peer offers, wanted or not: it may be wanted later. It is false for more than is listened to.
func (s *session) hears(name plantmesh.StreamName, h *peerv1.StreamHead) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := history{name, plantmesh.Incarnation(h.GetIncarnation())}
	if s.offers[key] == nil && len(s.offers) == maxHeads {
		return false
	}
	s.offers[key] = h
	return true
}

// offered is all that the peer has offered.
func (s *session) offered() []*peerv1.StreamHead {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.offers))
}

func (s *session) site() plantmesh.SiteID { return s.conn.peer.Site }

func (s *session) roundTrip() time.Duration { return s.link.status().RoundTrip }

// session connects and stays until the connection ends, which is always an error.
func (l *link) session(ctx context.Context) error {
	conn, err := l.mesh.connect(ctx, l.address)
	if err != nil {
		return err
	}
	defer conn.close()
	if conn.peer.Site == l.mesh.self.Site {
		return plantmesh.ErrSelfLink
	}
	if l.expects != "" && conn.peer.Site != l.expects {
		return fmt.Errorf("%w: %s advertises this address, and %s answers there", plantmesh.ErrSiteMismatch, l.expects, conn.peer.Site)
	}
	s := newSession(l, conn)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	release, err := s.claim(ctx, end)
	if err != nil {
		l.leadsTo(conn.peer.Site)
		return err
	}
	defer release()
	return s.run(ctx)
}

func newSession(l *link, conn *connection) *session {
	return &session{
		link: l, mesh: l.mesh, conn: conn, client: peerv1.NewPeerServiceClient(conn), helloEvery: l.mesh.cfg.Timings.HelloEvery,
		frames: make(chan struct{}, 1), offers: map[history]*peerv1.StreamHead{},
	}
}

// run greets and replicates until the connection ends. The session has to have the claim of its site. If ctx ends, its
// cause is the error.
func (s *session) run(ctx context.Context) error {
	g, err := s.greet(ctx)
	if err == nil {
		g, err = s.greet(ctx) // the first one paid for setting up the connection
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errGreeting, s.conn.why(err))
	}
	s.protocol = g.protocol
	s.link.connected(s.client, g)
	s.mesh.pullers.comes(s)
	defer s.mesh.pullers.gone(s)
	s.mesh.nudgeBeside(s.link)

	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return s.watch(running) })
	group.Go(func() error { return s.guard(running) })
	group.Go(func() error { return s.measure(running) })
	group.Go(func() error { return s.gossip(running) })
	group.Go(func() error { return s.ask(running) })
	return s.conn.why(causeOf(ctx, group.Wait()))
}

// errGreeting marks what went wrong before the first answer.
var errGreeting = errors.New("greeting")

// greeting is what a Hello tells.
type greeting struct {
	site        plantmesh.SiteID
	version     string
	protocol    uint32
	roundTrip   time.Duration
	clockOffset time.Duration
}

// greet says hello and checks the answer.
func (s *session) greet(ctx context.Context) (greeting, error) {
	timeout := s.mesh.cfg.Timings.DialTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w within %s", errNoAnswer, timeout))
	defer cancel()
	began, here := time.Now(), s.mesh.cfg.Now()
	r, err := s.client.Hello(ctx, &peerv1.HelloRequest{Node: s.mesh.nodeInfo()})
	roundTrip := time.Since(began)
	if err != nil {
		return greeting{}, causeOf(ctx, plantmesh.FromStatus(err))
	}
	node := r.GetNode()
	if node.GetMesh() != s.conn.peer.Mesh || node.GetSite() != string(s.conn.peer.Site) {
		return greeting{}, fmt.Errorf("%w: it answers as %s of mesh %s, its certificate says %s", plantmesh.ErrSiteMismatch, node.GetSite(), node.GetMesh(), s.conn.peer)
	}
	if p := r.GetProtocol(); p < MinProtocol || p > MaxProtocol {
		return greeting{}, fmt.Errorf("%w: %s (version %q) chose %d, this node speaks %d to %d: upgrade the older one",
			plantmesh.ErrProtocolUnsupported, node.GetSite(), node.GetVersion(), p, MinProtocol, MaxProtocol)
	}
	return greeting{
		site: s.conn.peer.Site, version: node.GetVersion(), protocol: r.GetProtocol(),
		roundTrip: roundTrip, clockOffset: node.GetTime().AsTime().Sub(here.Add(roundTrip / 2)),
	}, nil
}

// measure repeats the greeting now and then. One that gets no answer in time tells nothing: guard decides what is dead.
func (s *session) measure(ctx context.Context) error {
	for sleep(ctx, s.helloEvery, nil) {
		g, err := s.greet(ctx)
		if errors.Is(err, errNoAnswer) {
			continue
		}
		if err != nil {
			return err
		}
		s.link.measured(g)
	}
	return ctx.Err()
}

// watch hears which streams the peer has.
func (s *session) watch(ctx context.Context) error {
	call, err := s.client.WatchStreams(ctx, &peerv1.WatchStreamsRequest{Protocol: s.protocol})
	if err != nil {
		return plantmesh.FromStatus(err)
	}
	for {
		frame, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return plantmesh.FromStatus(err)
		}
		select {
		case s.frames <- struct{}{}:
		default:
		}
		for _, h := range frame.GetHeads() {
			s.mesh.pullers.offered(s, h)
		}
		s.link.hears()
	}
}

// guard drops a connection without a sign of life: a frame of WatchStreams, which is due every few seconds, or more bytes
// than keepalives make, for on a thin line a frame may be long under way.
func (s *session) guard(ctx context.Context) error {
	silence := s.mesh.cfg.Timings.Silence
	alive, bytes := time.Now(), s.conn.wire.received.Load()
	for sleep(ctx, silence/5, nil) {
		select {
		case <-s.frames:
			alive, bytes = time.Now(), s.conn.wire.received.Load()
			continue
		default:
		}
		if now := s.conn.wire.received.Load(); now-bytes > quietBytes {
			alive, bytes = time.Now(), now
		}
		if time.Since(alive) >= silence {
			return fmt.Errorf("%w for %s", errSilent, silence)
		}
	}
	return ctx.Err()
}
