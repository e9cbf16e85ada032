package mesh

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

const (
	// switchAfter is how long another source has to be better before a stream moves to it: heads are told every 100 ms, and
	// who is ahead for a moment is not better.
	switchAfter = time.Second
	// stallAfter is how long a source that has more may send nothing, on a connection that carries nothing, before the
	// stream moves to another that has more.
	stallAfter = 1500 * time.Millisecond
)

// pullers keep one puller for each stream that is wanted and that somebody offered.
type pullers struct {
	mesh *Mesh

	mu       sync.Mutex      // guards what follows
	ctx      context.Context //nolint:containedctx // of Mesh.Run, with which pullers end
	started  time.Time
	table    map[plantmesh.StreamName]*puller
	sessions map[*session]struct{}
	removed  plantmesh.StreamName // nobody pulls it now
	running  sync.WaitGroup

	removing sync.Mutex // held while removed is set, and taken before mu
}

// puller brings one stream here, from one source at a time.
type puller struct {
	mesh    *Mesh                // set once
	name    plantmesh.StreamName // set once
	replica *replica             // set once
	news    chan struct{}        // an offer changed
	end     context.CancelFunc   // set once
	ended   chan struct{}        // closed when it has

	mu      sync.Mutex // guards what follows
	sources []*source
}

// errSwitched ends a call because another source is better.
var errSwitched = errors.New("another site serves the stream better")

// start lets streams be pulled until ctx ends.
func (p *pullers) start(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ctx, p.started = ctx, time.Now()
}

// since is when this node began to pull.
func (p *pullers) since() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started
}

// offered notes what a session's peer has of a stream, if it is wanted, and starts to pull it.
func (p *pullers) offered(s *session, h *peerv1.StreamHead) {
	name, err := plantmesh.ParseStreamName(h.GetStream())
	if err != nil || h.GetIncarnation() == 0 || s.protocol < protocolSigned && name.Origin() != s.site() || !s.hears(name, h) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil || p.ctx.Err() != nil || name == p.removed || !p.mesh.wants(name) {
		return
	}
	p.mesh.classes.learn(name, h.GetClass(), s.site())
	p.mesh.classes.learnException(name, plantmesh.Incarnation(h.GetIncarnation()), plantmesh.Offset(h.GetExceptionOffset()))
	puller, ok := p.table[name]
	if !ok {
		puller = newPuller(p.mesh, name)
		p.table[name] = puller
		var ctx context.Context
		ctx, puller.end = context.WithCancel(p.ctx)
		p.running.Go(func() {
			defer close(puller.ended)
			puller.run(ctx)
		})
	}
	puller.offered(s, plantmesh.Incarnation(h.GetIncarnation()), offer{offset: plantmesh.Offset(h.GetOffset()), time: h.GetTime().AsTime(), exception: plantmesh.Offset(h.GetExceptionOffset())})
}

func newPuller(m *Mesh, name plantmesh.StreamName) *puller {
	p := &puller{mesh: m, name: name, news: make(chan struct{}, 1), end: func() {}, ended: make(chan struct{})}
	if name.Origin() == m.self.Site {
		p.replica = &replica{stream: name} // what is recovered is nobody's copy
	} else {
		p.replica = m.replicas.of(name)
	}
	return p
}

// gone forgets what a session offered.
func (p *pullers) gone(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, s)
	for _, puller := range p.table {
		puller.gone(s)
	}
}

// comes notes a session whose peer will say what it has.
func (p *pullers) comes(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sessions == nil {
		p.table, p.sessions = map[plantmesh.StreamName]*puller{}, map[*session]struct{}{}
	}
	p.sessions[s] = struct{}{}
}

// offers lists who offers a stream now.
func (p *pullers) offers(name plantmesh.StreamName) []*source {
	p.mu.Lock()
	puller := p.table[name]
	p.mu.Unlock()
	if puller == nil {
		return nil
	}
	puller.mu.Lock()
	defer puller.mu.Unlock()
	return slices.Clone(puller.sources)
}

func (p *puller) offered(s *session, i plantmesh.Incarnation, o offer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := slices.IndexFunc(p.sources, func(src *source) bool { return src.session == s })
	if at < 0 {
		at = len(p.sources)
		p.sources = append(p.sources, &source{session: s, heads: map[plantmesh.Incarnation]offer{}})
	}
	p.sources[at].heads[i] = o
	signal(p.news)
}

func (p *puller) gone(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources = slices.DeleteFunc(p.sources, func(src *source) bool { return src.session == s })
	signal(p.news)
}

// held are the incarnations here, oldest first: none if the stream is not known yet.
func (p *puller) held() ([]plantmesh.Head, error) {
	held, err := p.mesh.log.Incarnations(p.name)
	if errors.Is(err, plantmesh.ErrUnknownStream) {
		return nil, nil
	}
	return held, err
}

// choose looks at what is offered now. retry is when a source that failed may be asked again; zero if none waits.
func (p *puller) choose(current choice) (c choice, ok bool, retry time.Time, err error) {
	held, err := p.held()
	if err != nil {
		return choice{}, false, time.Time{}, err
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, src := range p.sources {
		if src.until.After(now) && (retry.IsZero() || src.until.Before(retry)) {
			retry = src.until
		}
	}
	c, ok = choose(held, p.sources, p.name.Origin(), current, now)
	if ok && !c.ahead && p.name.Origin() == p.mesh.self.Site {
		ok = false // nothing of this site's own is missing here
	}
	if ok {
		o := c.source.heads[c.incarnation]
		p.replica.heard(o.offset, o.time)
	}
	return c, ok, retry, nil
}

// run pulls until ctx ends. A stream that cannot go on is tried again now and then; it holds up no other.
func (p *puller) run(ctx context.Context) {
	defer p.replica.unlinked()
	var current choice
	for ctx.Err() == nil {
		next, ok, retry, err := p.choose(current)
		if err == nil && ok {
			current = next
			a := p.allowed(current)
			if a.open || a.limit > 0 {
				p.pull(ctx, current, a)
				continue
			}
			p.replica.scheduled(a.change)
			p.rest(ctx, a.change)
			continue
		}
		if err != nil {
			p.replica.waits(adminv1.ReplicaState_REPLICA_STATE_STALLED, "", err.Error())
			retry = time.Now().Add(p.mesh.cfg.Timings.MaxBackoff)
		} else if retry.IsZero() {
			p.replica.unlinked()
		}
		p.rest(ctx, retry)
	}
}

// rest waits for news, or until a source may be asked again.
func (p *puller) rest(ctx context.Context, retry time.Time) {
	var due <-chan time.Time
	if !retry.IsZero() {
		timer := time.NewTimer(time.Until(retry))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-p.news:
	case <-due:
	case <-ctx.Done():
	}
}

// pull is one call to one source, and what is learnt from its end.
func (p *puller) pull(ctx context.Context, c choice, a allowance) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if a.open && !a.change.IsZero() {
		defer time.AfterFunc(time.Until(a.change), func() { cancel(nil) }).Stop() // the window closes
	}
	r := &replicator{mesh: p.mesh, session: c.source.session, name: p.name, incarnation: c.incarnation, replica: p.replica, limit: a.limit}
	var watched sync.WaitGroup
	watched.Go(func() { p.supervise(ctx, cancel, c) })
	began := time.Now()
	err := r.pull(ctx)
	switched := errors.Is(context.Cause(ctx), errSwitched)
	ended := ctx.Err() != nil && !switched
	cancel(nil)
	watched.Wait()
	if ended || a.limit > 0 && p.replica.durable() >= a.limit {
		return
	}
	if switched {
		p.mesh.logger.Info("stream moves to another source", slog.String("stream", string(p.name)), slog.String("from", c.source.session.link.address))
		return
	}
	p.failed(c.source, err, time.Since(began))
}

// failed passes over a source for a while.
func (p *puller) failed(src *source, err error, lasted time.Duration) {
	t := p.mesh.cfg.Timings
	reason, stalled := diagnoseStream(p.name, err)
	p.mu.Lock()
	if lasted > t.MaxBackoff {
		src.faults = 0
	}
	src.faults++
	pause := jitter(min(t.MinBackoff<<min(src.faults-1, 20), t.MaxBackoff))
	state := adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED
	if stalled {
		pause, state = jitter(t.StallRetry), adminv1.ReplicaState_REPLICA_STATE_STALLED
	}
	src.until = time.Now().Add(pause)
	p.mu.Unlock()
	address := src.session.link.address
	news := p.replica.waits(state, address, reason)
	p.replica.because(err)
	if news {
		p.mesh.logger.Warn("replication interrupted", slog.String("stream", string(p.name)), slog.String("peer", address),
			slog.String("reason", reason), slog.Duration("retry_in", pause))
	}
}

// supervise ends the call to a source when another has been better for a while, or when the source stalls and another has
// more. A call that is the only way is never ended.
func (p *puller) supervise(ctx context.Context, end context.CancelCauseFunc, c choice) {
	var better time.Time // since when another choice is
	wire := c.source.session.conn.wire
	moved, received := time.Now(), wire.received.Load()
	held := p.replica.durable()
	for {
		behind := p.behind(c) // before it chooses: what comes after that is looked at again
		next, ok, retry, err := p.choose(c)
		now := time.Now()
		if h, bytes := p.replica.durable(), wire.received.Load(); h != held || bytes-received > quietBytes {
			moved, held, received = now, h, bytes
		}
		switch {
		case err != nil || !ok || next.source == c.source && next.incarnation == c.incarnation:
			better = time.Time{}
		case better.IsZero():
			better = now
		case now.Sub(better) >= switchAfter:
			end(errSwitched)
			return
		}
		if now.Sub(moved) >= stallAfter && p.otherHasMore(c) {
			p.mu.Lock()
			c.source.until = now.Add(p.mesh.cfg.Timings.StallRetry)
			p.mu.Unlock()
			end(errSwitched)
			return
		}
		wait := time.Duration(0)
		if !better.IsZero() || behind {
			wait = switchAfter / 4
		}
		due := wait > 0
		if !due && !retry.IsZero() { // somebody who failed may be asked again then
			wait = max(time.Until(retry), time.Millisecond)
		}
		if !p.wait(ctx, wait) {
			return
		}
		if !due {
			moved, received = time.Now(), wire.received.Load() // nothing was due
		}
	}
}

// wait waits for news, or for d unless it is 0. It is false when ctx ended.
func (p *puller) wait(ctx context.Context, d time.Duration) bool {
	var due <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-p.news:
	case <-due:
	case <-ctx.Done():
		return false
	}
	return true
}

// behind tells whether the chosen source has more than is held here.
func (p *puller) behind(c choice) bool {
	held, err := p.held()
	p.mu.Lock()
	defer p.mu.Unlock()
	return err == nil && c.source.heads[c.incarnation].offset > heldOf(held, c.incarnation)
}

// otherHasMore tells whether a source besides the chosen one has more than is held here.
func (p *puller) otherHasMore(c choice) bool {
	held, err := p.held()
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	return err == nil && slices.ContainsFunc(p.sources, func(src *source) bool {
		o, ok := src.heads[c.incarnation]
		return ok && src != c.source && !src.until.After(now) && o.offset > heldOf(held, c.incarnation)
	})
}
