package mesh

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// establishEvery is how often the start looks whether publishing may begin.
const establishEvery = 20 * time.Millisecond

// establish brings back what peers hold of this site's streams and this log does not, because its disk was lost or an old
// backup was restored, and then lets publishing begin. A peer that cannot be reached holds up nothing: the site goes on, in
// a new incarnation of what is known to be incomplete. If ctx ends before, what waits is refused.
func (m *Mesh) establish(ctx context.Context) {
	moved, held := time.Now(), m.ownEvents()
	for {
		missing := m.missing()
		complete := len(missing) == 0 && m.heardAll()
		if ctx.Err() != nil { // looked at last: links that end because the site stops look like peers that cannot be reached
			m.log.Refuse() // nothing is written where peers may hold more
			return
		}
		if complete {
			m.log.Release()
			return
		}
		if now := m.ownEvents(); now != held {
			moved, held = time.Now(), now
		}
		if time.Since(moved) >= m.cfg.Timings.RecoveryWait {
			m.closeMissing(missing)
			m.log.Release()
			return
		}
		sleep(ctx, establishEvery, nil)
	}
}

// heardAll tells whether each peer of the configuration has said what it holds, or could not be reached.
func (m *Mesh) heardAll() bool {
	return !slices.ContainsFunc(slices.Concat(m.dialed, m.accepted.all()), func(l *link) bool {
		s := l.status()
		return s.State == adminv1.LinkState_LINK_STATE_CONNECTING && s.RetryTime.IsZero() && s.Reason == notTried ||
			s.State == adminv1.LinkState_LINK_STATE_CONNECTED && !l.heardFrom()
	})
}

// missing lists the incarnations of own streams of which a linked peer holds more.
func (m *Mesh) missing() (all []history) {
	for _, name := range m.pullers.names() {
		if name.Origin() != m.self.Site {
			continue
		}
		held, _ := m.log.Incarnations(name)
		for _, src := range m.pullers.offers(name) {
			for i, o := range m.pullers.headsOf(name, src) {
				if o.offset > heldOf(held, i) && !slices.Contains(all, history{name, i}) {
					all = append(all, history{name, i})
				}
			}
		}
	}
	return all
}

// ownEvents counts what is held of own streams.
func (m *Mesh) ownEvents() (n uint64) {
	for _, h := range m.log.AllHeads() {
		if h.Stream.Origin() == m.self.Site {
			n += uint64(h.Offset)
		}
	}
	return n
}

// closeMissing keeps this site from writing on where a peer holds more: it goes on in a new incarnation.
func (m *Mesh) closeMissing(all []history) {
	for _, h := range all {
		m.logger.Error("recovery is not complete: publishing goes on in a new incarnation",
			slog.String("stream", string(h.stream)), slog.Uint64("incarnation", uint64(h.incarnation)))
		if err := m.log.CloseIncarnation(h.stream, h.incarnation); err != nil {
			m.logger.Error("incarnation not closed", slog.String("stream", string(h.stream)), slog.Any("error", err))
		}
	}
}

// names are the streams that somebody offered.
func (p *pullers) names() []plantmesh.StreamName {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := make([]plantmesh.StreamName, 0, len(p.table))
	for name := range p.table {
		names = append(names, name)
	}
	return names
}

// headsOf is a copy of what a source offers of a stream.
func (p *pullers) headsOf(name plantmesh.StreamName, src *source) map[plantmesh.Incarnation]offer {
	p.mu.Lock()
	puller := p.table[name]
	p.mu.Unlock()
	heads := map[plantmesh.Incarnation]offer{}
	puller.mu.Lock()
	defer puller.mu.Unlock()
	for i, o := range src.heads {
		heads[i] = o
	}
	return heads
}
