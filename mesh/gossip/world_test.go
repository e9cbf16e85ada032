package gossip

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alive   = adminv1.MemberState_MEMBER_STATE_ALIVE
	suspect = adminv1.MemberState_MEMBER_STATE_SUSPECT
	dead    = adminv1.MemberState_MEMBER_STATE_DEAD
	left    = adminv1.MemberState_MEMBER_STATE_LEFT
)

// world is some sites with links in memory.
type world struct {
	testing.TB
	ca    *pki.Authority
	sites map[plantmesh.SiteID]*site
	wires []*wire
	delay time.Duration // one way, of lines laid from now on
}

// site is one of them, as long as it runs.
type site struct {
	*Gossip
	world *world
	creds *plantmesh.Credentials
	stop  context.CancelFunc
	done  chan struct{}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	ca, err := pki.NewAuthority("acme")
	if err != nil {
		t.Fatal(err)
	}
	return &world{TB: t, ca: ca, sites: map[plantmesh.SiteID]*site{}}
}

func (w *world) credentials(name plantmesh.SiteID) *plantmesh.Credentials {
	w.Helper()
	files, err := w.ca.IssueFiles(w.TempDir(), plantmesh.Identity{Mesh: "acme", Region: "eu", Site: name}, 365*24*time.Hour)
	if err != nil {
		w.Fatal(err)
	}
	creds, err := plantmesh.LoadCredentials(files)
	if err != nil {
		w.Fatal(err)
	}
	return creds
}

func newKey(t testing.TB, creds *plantmesh.Credentials) *plantmesh.SigningKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := plantmesh.NewSigningKey(private, creds, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// start starts a site, again if it ran before.
func (w *world) start(name plantmesh.SiteID) *site {
	w.Helper()
	s := &site{world: w, done: make(chan struct{})}
	if before := w.sites[name]; before != nil {
		s.creds = before.creds
	} else {
		s.creds = w.credentials(name)
	}
	var err error
	s.Gossip, err = New(Config{
		Self: s.creds.Identity(), Version: "test", MinProtocol: 1, MaxProtocol: 2, Address: string(name) + ":7443",
		Key: newKey(w, s.creds), Verifier: s.creds.Verifier(), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		w.Fatal(err)
	}
	w.sites[name] = s
	ctx, cancel := context.WithCancel(w.Context())
	s.stop = func() { cancel(); <-s.done }
	go func() {
		defer close(s.done)
		if err := s.Run(ctx); err != nil {
			w.Error(err)
		}
	}()
	w.Cleanup(s.stop)
	return s
}

func (w *world) startAll(names ...plantmesh.SiteID) {
	for _, n := range names {
		w.start(n)
	}
}

// wire is a line between two sites.
type wire struct {
	a, b plantmesh.SiteID
	ends [2]*pipe
	cut  func()
}

// link lays a line between two sites.
func (w *world) link(a, b plantmesh.SiteID) *wire {
	ab, ba := newPipe(w.delay), newPipe(w.delay)
	ctx, cancel := context.WithCancel(w.Context())
	var both sync.WaitGroup
	end := func(at *site, peer plantmesh.SiteID, in, out *pipe) {
		both.Go(func() {
			_ = at.Attach(ctx, plantmesh.Identity{Mesh: "acme", Region: "eu", Site: peer}, &side{in: in, out: out})
			in.close()
			out.close()
		})
	}
	end(w.sites[a], b, ba, ab)
	end(w.sites[b], a, ab, ba)
	line := &wire{a: a, b: b, ends: [2]*pipe{ab, ba}}
	line.cut = func() { cancel(); both.Wait() }
	w.wires = append(w.wires, line)
	w.Cleanup(line.cut)
	return line
}

// crash stops a site without a word.
func (w *world) crash(name plantmesh.SiteID) {
	for _, line := range w.wires {
		if line.a == name || line.b == name {
			line.cut()
		}
	}
	w.sites[name].stop()
}

// freeze holds whatever goes to and from a site, or lets it go on.
func (w *world) freeze(name plantmesh.SiteID, held bool) {
	for _, line := range w.wires {
		if line.a == name || line.b == name {
			line.ends[0].hold(held)
			line.ends[1].hold(held)
		}
	}
}

// settles waits until a site sees others in a state, and fails after some time.
func (w *world) settles(within time.Duration, state adminv1.MemberState, at plantmesh.SiteID, of ...plantmesh.SiteID) {
	w.Helper()
	began := time.Now()
	for !slices.Equal(w.seen(at, state), slices.Sorted(slices.Values(of))) {
		if time.Since(began) > within {
			w.Fatalf("after %s %s sees %v as %s, want %v; all: %+v", within, at, w.seen(at, state), state, of, w.sites[at].Members())
		}
		pass(100 * time.Millisecond)
	}
}

// seen are the sites that a site sees in a state.
func (w *world) seen(at plantmesh.SiteID, state adminv1.MemberState) []plantmesh.SiteID {
	var out []plantmesh.SiteID
	for _, m := range w.sites[at].Members() {
		if m.State == state {
			out = append(out, m.Site)
		}
	}
	return out
}

// allKnow waits until every one of some sites sees all others of them alive.
func (w *world) allKnow(within time.Duration, names ...plantmesh.SiteID) {
	w.Helper()
	began := time.Now()
	for _, at := range names {
		others := slices.DeleteFunc(slices.Clone(names), func(n plantmesh.SiteID) bool { return n == at })
		w.settles(within-time.Since(began), alive, at, others...)
	}
}

func (w *world) member(at, of plantmesh.SiteID) Member {
	w.Helper()
	for _, m := range w.sites[at].Members() {
		if m.Site == of {
			return m
		}
	}
	w.Fatalf("%s does not know %s", at, of)
	return Member{}
}

func pass(d time.Duration) { <-time.After(d) }

// side is a Channel over two pipes.
type side struct{ in, out *pipe }

func (s *side) Send(f *peerv1.GossipFrame) error   { return s.out.put(f) }
func (s *side) Recv() (*peerv1.GossipFrame, error) { return s.in.get() }

// pipe carries frames one way.
type pipe struct {
	delay time.Duration

	mu     sync.Mutex
	frames []timed
	bytes  int
	held   bool
	closed bool
	change chan struct{}
}

// pipeBytes is what a pipe takes in before it makes a sender wait.
const pipeBytes = 64 << 10

type timed struct {
	bytes []byte
	at    time.Time
}

func newPipe(delay time.Duration) *pipe { return &pipe{delay: delay, change: make(chan struct{})} }

// changed wakes who waits. Callers hold mu.
func (p *pipe) changed() {
	close(p.change)
	p.change = make(chan struct{})
}

func (p *pipe) put(f *peerv1.GossipFrame) error {
	b, err := proto.Marshal(f)
	if err != nil {
		return err
	}
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return io.ErrClosedPipe
		}
		if p.bytes < pipeBytes {
			p.frames, p.bytes = append(p.frames, timed{b, time.Now().Add(p.delay)}), p.bytes+len(b)
			p.changed()
			p.mu.Unlock()
			return nil
		}
		change := p.change
		p.mu.Unlock()
		<-change
	}
}

func (p *pipe) get() (*peerv1.GossipFrame, error) {
	for {
		p.mu.Lock()
		change, closed := p.change, p.closed
		var wait <-chan time.Time
		if !p.held && len(p.frames) > 0 {
			if left := time.Until(p.frames[0].at); left > 0 {
				wait = time.After(left)
			} else {
				f := &peerv1.GossipFrame{}
				err := proto.Unmarshal(p.frames[0].bytes, f)
				p.bytes -= len(p.frames[0].bytes)
				p.frames[0].bytes = nil
				p.frames = p.frames[1:]
				p.changed()
				p.mu.Unlock()
				return f, err
			}
		}
		p.mu.Unlock()
		if closed {
			return nil, errors.New("the line is cut")
		}
		select {
		case <-change:
		case <-wait:
		}
	}
}

func (p *pipe) hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = held
	p.changed()
}

func (p *pipe) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.changed()
}
