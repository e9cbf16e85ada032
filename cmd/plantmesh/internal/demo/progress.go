package demo

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

const (
	// redrawEvery is the pace on a terminal, logEvery that of the plain log elsewhere.
	redrawEvery = 200 * time.Millisecond
	logEvery    = 2 * time.Second
	barWidth    = 24
)

// progress shows where everything stands: bars that are redrawn on a terminal, a plain log elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	width    int
	watch    *watcher
	total    int
	began    time.Time

	mu    sync.Mutex // guards what follows, and out
	rests bool       // shows nothing more of the feed
	drawn int        // lines on the screen to be drawn over
	past  sample     // for rates
}

// sample is a count at a time.
type sample struct {
	at                time.Time
	recorded, applied uint64
}

// out is where people read: standard output, unless that is for JSON.
func (o Options) out() io.Writer {
	if o.JSON {
		return o.Err
	}
	return o.Out
}

func newProgress(o Options, w *watcher, total int) *progress {
	return &progress{out: o.out(), terminal: o.Terminal, width: max(60, o.Width), watch: w, total: total, began: time.Now(), past: sample{at: time.Now()}}
}

// scene announces what happens next.
func (p *progress) scene(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	fmt.Fprintf(p.out, "%6.1fs  %s\n", time.Since(p.began).Seconds(), text)
}

// rest ends the picture of the feed: what comes now is not of the input.
func (p *progress) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.rests = true
}

// run shows the state until ctx ends.
func (p *progress) run(ctx context.Context) {
	every := logEvery
	if p.terminal {
		every = redrawEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.mu.Lock()
			p.erase()
			p.mu.Unlock()
			return
		case <-tick.C:
			p.show()
		}
	}
}

// erase takes the last picture off the screen. The caller holds mu.
func (p *progress) erase() {
	if p.drawn > 0 {
		fmt.Fprintf(p.out, "\x1b[%dA\x1b[J", p.drawn)
		p.drawn = 0
	}
}

func (p *progress) show() {
	now := sample{at: time.Now()}
	hq, _ := p.watch.status(siteHQ)
	now.applied = hq.GetOdoo().GetCounts().GetApplied() + hq.GetOdoo().GetCounts().GetIgnored()
	for _, plant := range plants {
		now.recorded += recordedAt(p.watch, plant)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rests {
		return
	}
	seconds := now.at.Sub(p.past.at).Seconds()
	rate := func(now, past uint64) float64 { return float64(now-min(now, past)) / seconds }
	recording, applying := rate(now.recorded, p.past.recorded), rate(now.applied, p.past.applied)
	if !p.terminal {
		p.past = now
		fmt.Fprintf(p.out, "%6.1fs  recorded %d/%d (%.0f/s), at hq %d, dealt with for Odoo %d (%.0f/s), parked %d%s\n", time.Since(p.began).Seconds(), now.recorded, p.total,
			recording, replicatedAt(hq), now.applied, applying, hq.GetOdoo().GetCounts().GetParked(), p.trouble())
		return
	}
	if seconds > 1 {
		p.past = now
	}
	lines := p.picture(hq, now, recording, applying)
	p.erase()
	for _, line := range lines {
		if len([]rune(line)) > p.width {
			line = string([]rune(line)[:p.width])
		}
		fmt.Fprintln(p.out, line)
	}
	p.drawn = len(lines)
}

// picture is what a terminal shows.
func (p *progress) picture(hq *adminv1.GetStatusResponse, now sample, recording, applying float64) []string {
	lines := []string{"", fmt.Sprintf("  %-9s %-*s %7s  %-12s %s", "SITE", barWidth+2, "AT HQ", "EVENTS", "LINK TO HQ", "LAG")}
	for _, plant := range plants {
		recorded, there := recordedAt(p.watch, plant), headsOf(hq, plant)
		_, up := p.watch.status(plant)
		state := linkState(hq, plant)
		if !up {
			state = "down"
		}
		lines = append(lines, fmt.Sprintf("  %-9s %s %7d  %-12s %d", plant, bar(there, max(recorded, there)), recorded, state, recorded-min(recorded, there)))
	}
	return append(lines,
		fmt.Sprintf("  %-9s %s %7d  %.0f/s", "recorded", bar(now.recorded, uint64(p.total)), now.recorded, recording),
		fmt.Sprintf("  %-9s %s %7d  %.0f/s  parked %d", "in Odoo", bar(now.applied, uint64(p.total)), now.applied, applying, hq.GetOdoo().GetCounts().GetParked()))
}

func bar(done, all uint64) string {
	filled := barWidth
	if all > 0 {
		filled = int(min(done, all) * barWidth / all)
	}
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", barWidth-filled) + "]"
}

// recordedAt counts a plant's own events.
func recordedAt(w *watcher, plant plantmesh.SiteID) uint64 {
	s, _ := w.status(plant)
	return headsOf(s, plant)
}

// headsOf counts the events of one origin that a node holds.
func headsOf(s *adminv1.GetStatusResponse, origin plantmesh.SiteID) uint64 {
	var n uint64
	for _, stream := range s.GetStreams() {
		if plantmesh.StreamName(stream.GetStream()).Origin() == origin {
			n += stream.GetHeadOffset()
		}
	}
	return n
}

// replicatedAt counts the plants' events at hq.
func replicatedAt(hq *adminv1.GetStatusResponse) uint64 {
	var n uint64
	for _, s := range hq.GetStreams() {
		if s.GetReplica() {
			n += s.GetHeadOffset()
		}
	}
	return n
}

func linkState(hq *adminv1.GetStatusResponse, plant plantmesh.SiteID) string {
	for _, l := range hq.GetLinks() {
		if l.GetSite() == string(plant) {
			return strings.ToLower(strings.TrimPrefix(l.GetState().String(), "LINK_STATE_"))
		}
	}
	return "unknown"
}

// trouble names the links that are down, for the plain log.
func (p *progress) trouble() string {
	hq, _ := p.watch.status(siteHQ)
	var down []string
	for _, l := range hq.GetLinks() {
		if l.GetState() != adminv1.LinkState_LINK_STATE_CONNECTED && l.GetSite() != "" {
			down = append(down, l.GetSite())
		}
	}
	if len(down) == 0 {
		return ""
	}
	return ", no link to " + strings.Join(down, ", ")
}
