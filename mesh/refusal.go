package mesh

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// Refusal is a call of a peer that the export policy did not allow.
type Refusal struct {
	Peer   plantmesh.Identity // by its certificate
	Action string             // what it asked for: replicate, or read a chain value
	Stream plantmesh.StreamName
	Known  bool  // the stream is held here: a peer may ask for names that nobody ever heard of
	Err    error // what the peer was told
}

// What a refused peer asked for.
const (
	ActionReplicate = "replicate"
	ActionReadChain = "read a chain value"
)

// refused tells of a call that ended with an error, if the export policy is why.
func (m *Mesh) refused(peer plantmesh.Identity, action string, s plantmesh.StreamName, err error) {
	if m.cfg.Refused == nil || !errors.Is(err, plantmesh.ErrExportDenied) {
		return
	}
	_, unknown := m.log.HeadOf(s, 0)
	m.cfg.Refused(Refusal{Peer: peer, Action: action, Stream: s, Known: unknown == nil, Err: err})
}

// A site that withholds a stream does not name it, whether or not it exists. So whoever subscribes to a stream by its name
// would wait in silence: it asks for it instead, now and then, and shows what it is told.

const (
	// askAfter is when a peer has certainly said what it offers.
	askAfter = time.Second
	// maxAsked bounds the streams that are asked for in one round.
	maxAsked = 100
)

// ask asks the peer for what is wanted of it and not offered, until ctx ends.
func (s *session) ask(ctx context.Context) error {
	for wait := askAfter; sleep(ctx, wait, nil); wait = jitter(s.mesh.cfg.Timings.StallRetry) {
		for _, name := range s.unoffered() {
			if err := s.askFor(ctx, name); ctx.Err() == nil {
				s.answered(name, err)
			}
		}
	}
	return ctx.Err()
}

// answered notes what the peer says to being asked for a stream that nobody offers.
func (s *session) answered(name plantmesh.StreamName, err error) {
	replicas := &s.mesh.replicas
	if len(s.mesh.pullers.offers(name)) > 0 || !s.mesh.subscribed(name) {
		return
	}
	if errors.Is(err, plantmesh.ErrExportDenied) {
		reason, _ := diagnoseStream(name, err)
		if replicas.of(name).waits(adminv1.ReplicaState_REPLICA_STATE_STALLED, s.link.address, reason) {
			s.mesh.logger.Warn("a site does not let this one have a stream", slog.String("stream", string(name)), slog.String("reason", reason))
		}
		replicas.of(name).because(err)
		return
	}
	if r := replicas.named(name); r == nil || !errors.Is(r.status().Err, plantmesh.ErrExportDenied) {
		return
	} else if r.allowed(); !s.mesh.pullers.has(name) {
		replicas.forget(name) // it is shown again as soon as it is held, or offered
	}
}

// askFor is an error if the peer does not let this site have a stream.
func (s *session) askFor(ctx context.Context, name plantmesh.StreamName) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.mesh.cfg.Timings.DialTimeout, errNoAnswer)
	defer cancel()
	_, err := s.client.GetChain(ctx, &peerv1.GetChainRequest{Stream: string(name)})
	return plantmesh.FromStatus(err)
}

// unoffered are the peer's own streams that this site holds or has subscribed to by name, and that the peer does not offer.
func (s *session) unoffered() (names []plantmesh.StreamName) {
	offered := map[plantmesh.StreamName]bool{}
	for _, h := range s.offered() {
		offered[plantmesh.StreamName(h.GetStream())] = true
	}
	add := func(name plantmesh.StreamName) {
		if !offered[name] && len(names) < maxAsked {
			offered[name] = true
			names = append(names, name)
		}
	}
	for _, sub := range s.mesh.Subscriptions() {
		if !matches(sub.From, string(s.site())) {
			continue
		}
		for _, domain := range sub.Streams {
			if !strings.Contains(domain, "*") {
				add(plantmesh.StreamOf(s.site(), domain))
			}
		}
	}
	for _, head := range s.mesh.log.AllHeads() {
		if head.Stream.Origin() == s.site() && s.mesh.subscribed(head.Stream) {
			add(head.Stream)
		}
	}
	return names
}

// has tells whether a stream was offered by anybody.
func (p *pullers) has(name plantmesh.StreamName) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.table[name] != nil
}

// named returns the entry of a stream, or nil.
func (t *replicas) named(name plantmesh.StreamName) *replica {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.table[name]
}

// because notes what a replica waits for people to mend.
func (r *replica) because(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == adminv1.ReplicaState_REPLICA_STATE_STALLED {
		r.err = err
	}
}

// allowed notes that the stream may come now.
func (r *replica) allowed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == adminv1.ReplicaState_REPLICA_STATE_STALLED {
		r.state, r.reason, r.link, r.err = adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED, "", "", nil
	}
}
