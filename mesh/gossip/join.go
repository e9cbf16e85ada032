package gossip

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// attempt is when a site was asked to exchange states, and when it may be again.
type attempt struct {
	next time.Time
	wait time.Duration
}

// join brings this site's memberlist together with those of sites that are known and can be reached, but are not alive in
// it: at the start, after a partition, after the restart of either. One exchange usually brings in many sites.
func (g *Gossip) join(ctx context.Context, list *memberlist.Memberlist) {
	attempts := map[plantmesh.SiteID]attempt{}
	for {
		if site, ok := g.missing(attempts, time.Now()); ok {
			a := attempts[site]
			a.wait = min(max(2*a.wait, joinRetry), joinRetryMax)
			a.next = time.Now().Add(a.wait)
			attempts[site] = a
			if _, err := list.Join([]string{joinName(site)}); err != nil {
				g.cfg.Logger.Debug("no exchange of states", slog.String("site", string(site)), slog.Any("error", err))
			}
			g.poke()
		}
		select {
		case <-time.After(joinEvery):
		case <-ctx.Done():
			return
		}
	}
}

// missing is the nearest site with which states should be exchanged and may be.
func (g *Gossip) missing(attempts map[plantmesh.SiteID]attempt, now time.Time) (best plantmesh.SiteID, ok bool) {
	hops := 0
	for _, m := range g.Members() {
		absent := m.State == adminv1.MemberState_MEMBER_STATE_DEAD || m.State == adminv1.MemberState_MEMBER_STATE_SUSPECT && m.Reason != reasonSilent
		if !absent {
			delete(attempts, m.Site)
			continue
		}
		if m.Via == "" || attempts[m.Site].next.After(now) || ok && m.Hops >= hops {
			continue
		}
		best, hops, ok = m.Site, m.Hops, true
	}
	return best, ok
}

// logWriter takes memberlist's log. What it has to say is for those who look for a fault in it: what operators need to know,
// Members tells.
type logWriter struct{ to *slog.Logger }

// Write implements io.Writer, a line at a time.
func (w logWriter) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if at := strings.IndexByte(text, '['); at >= 0 { // behind its own date
		text = text[at:]
	}
	if !strings.HasPrefix(text, "[DEBUG]") {
		w.to.Debug("memberlist", slog.String("says", text))
	}
	return len(line), nil
}
