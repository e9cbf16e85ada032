package mesh

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/plantmesh/plantmesh"
)

// clocks knows which linked sites have a clock that is off. The zero value is ready.
type clocks struct {
	skews atomic.Uint64 // how often one passed the limit

	mu  sync.Mutex
	off map[plantmesh.SiteID]bool // guarded by mu
}

// measured takes a measurement. The offset is uncertain by half the round trip: only what is surely beyond the limit counts. It is
// logged once when a clock passes the limit, and once when it is back.
func (c *clocks) measured(m *Mesh, g greeting) {
	limit := m.cfg.ClockSkew
	off := g.clockOffset.Abs()-g.roundTrip/2 > limit
	c.mu.Lock()
	before := c.off[g.site]
	if c.off == nil {
		c.off = map[plantmesh.SiteID]bool{}
	}
	c.off[g.site] = off
	c.mu.Unlock()
	what := []any{slog.String("site", string(g.site)), slog.Duration("clock_offset", g.clockOffset), slog.Duration("limit", limit)}
	switch {
	case off && !before:
		c.skews.Add(1)
		m.logger.Warn("the clocks of this site and another differ: set both by a time server", what...)
	case before && !off:
		m.logger.Info("the clocks of this site and another agree again", what...)
	}
}

// skewed tells whether the clock of a site was off when it was measured last.
func (c *clocks) skewed(site plantmesh.SiteID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.off[site]
}
