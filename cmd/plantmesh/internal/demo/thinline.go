package demo

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

const (
	// siteThin is the plant behind the thin line.
	siteThin = plantmesh.SiteID("plant-a")
	// thinBits is the line's rate each way, for all that goes to and from the plant.
	thinBits = 50_000
	// The backlog: more than half a minute of that line, of which the scene sees the first seconds.
	thinReports, noisePerReport = 40, 9
	thinOrders                  = 10
	// underWay is how much goes to hq before the first hold is published, once the links stand: more than greetings are.
	underWay = 8 << 10
	// thinHolds is how many urgent events are timed.
	thinHolds = 2
)

// noiseBytes is what is in an attribute that no encoder can take away: as much as fits into one as letters.
const noiseBytes = 768

// ThinLine is how urgent events fared behind a backlog on a thin line.
type ThinLine struct {
	Rate         int       `json:"line_bits_per_second"`
	Backlog      int       `json:"backlog_events"`
	BacklogBytes uint64    `json:"backlog_bytes"` // stored, as they cross the line
	UrgentMillis []float64 `json:"urgent_ms"`     // of each hold: from its publish at the plant to a reader at hq
	SlowestMs    float64   `json:"urgent_max_ms"`
	Overtaken    uint64    `json:"bulk_overtaken"` // reports that were acknowledged before the last hold and came after it
	LinkDrops    int       `json:"link_drops"`
	DrainSeconds float64   `json:"drain_seconds"` // of the rest, when the line is as before
}

func (t *ThinLine) String() string {
	return fmt.Sprintf("had a line of %d kbit/s, and %d machine reports to send: %d kB, %.0f s of that line\n%d quality holds overtook at least %d of these; the slowest took %.0f ms; "+
		"the links dropped %d times", t.Rate/1000, t.Backlog, t.BacklogBytes/1000, float64(t.BacklogBytes)*8/float64(t.Rate), len(t.UrgentMillis), t.Overtaken, t.SlowestMs, t.LinkDrops)
}

// thinLine makes a plant's line thin, with a backlog behind it, and sends holds past that.
func (s *show) thinLine(ctx context.Context, r *Scene) error {
	r.ThinLine = &ThinLine{Rate: thinBits, Backlog: thinReports, UrgentMillis: []float64{}}
	facts, err := s.publish(ctx, siteThin, s.hold(0)) // from now on hq knows the stream
	if err != nil {
		return err
	}
	if err := s.arrived(ctx, "the first hold", facts); err != nil {
		return err
	}
	stored, err := s.storedBytes(ctx)
	if err != nil {
		return err
	}
	s.cluster.cutOff(siteThin, true)
	line := s.cluster.lines[siteThin]
	defer func() {
		line.setRate(0)
		s.cluster.cutOff(siteThin, false)
	}()
	bulk, err := s.backlog(ctx)
	if err != nil {
		return err
	}
	now, err := s.storedBytes(ctx)
	if err != nil {
		return err
	}
	r.BacklogBytes = now - min(now, stored)
	s.progress.scene(fmt.Sprintf("%s's lines are gone; it gets one of %d kbit/s to hq, behind which %d machine reports wait, %d kB", siteThin, thinBits/1000, r.Backlog, r.BacklogBytes/1000))
	line.setRate(thinBits)
	s.cluster.mendBetween(siteThin, siteHQ)
	since, err := s.linked(ctx)
	if err != nil {
		return err
	}
	s.progress.scene("  the links stand, and the backlog is on its way")
	for i := range thinHolds {
		hold, err := s.overtake(ctx, r, i+1, bulk)
		if err != nil {
			return err
		}
		facts = append(facts, hold)
	}
	if err := s.checkLinks(ctx, r, since); err != nil {
		return err
	}
	s.progress.scene(fmt.Sprintf("  the links stood all the time; %s's lines are as before", siteThin))
	line.setRate(0)
	s.cluster.cutOff(siteThin, false)
	mended := time.Now()
	facts = append(facts, bulk...)
	if err := s.arrived(ctx, "the backlog", facts); err != nil {
		return err
	}
	r.DrainSeconds = time.Since(mended).Seconds()
	return s.check(ctx, r, siteThin, facts)
}

// hold is an urgent event.
func (s *show) hold(n int) *manufacturingv1.QualityHoldPlaced {
	return &manufacturingv1.QualityHoldPlaced{HoldId: fmt.Sprintf("H-%s-%d", s.tag, n), ItemId: "casting-" + s.tag, LotId: fmt.Sprintf("L-%s-%d", s.tag, n), ReasonCode: "crack"}
}

// backlog records machine reports at the plant that do not compress.
func (s *show) backlog(ctx context.Context) ([]*fact, error) {
	var events []*eventv1.Event
	for i := range thinReports {
		o := s.order("thin-" + strconv.Itoa(i%thinOrders))
		e, err := plantmesh.NewEvent(fmt.Sprintf("//%s/scenes", siteThin), fmt.Sprintf("%s-thin-%d", s.tag, i), scenesBegin, o.reported())
		if err != nil {
			return nil, err
		}
		e.Attributes = map[string]string{}
		for n := range noisePerReport {
			raw := make([]byte, noiseBytes)
			_, _ = rand.Read(raw) // never fails
			e.Attributes["curve"+strconv.Itoa(n)] = base64.StdEncoding.EncodeToString(raw)
		}
		events = append(events, e)
	}
	var facts []*fact
	for some := range slices.Chunk(events, thinReports/thinOrders) {
		recorded, err := s.record(ctx, siteThin, some)
		if err != nil {
			return nil, err
		}
		facts = append(facts, recorded...)
	}
	return facts, nil
}

// storedBytes is the size of the plant's bulk stream.
func (s *show) storedBytes(ctx context.Context) (uint64, error) {
	status, err := s.status(ctx, siteThin)
	for _, stream := range status.GetStreams() {
		if stream.GetStream() == string(plantmesh.StreamOf(siteThin, bulkDomain)) {
			return stream.GetStoredBytes(), err
		}
	}
	return 0, err
}

// linkEnd is one end of a link.
type linkEnd struct{ at, to plantmesh.SiteID }

// linked waits until the links between hq and the plant stand again, and the backlog is on its way to hq. It returns since
// when they stand.
func (s *show) linked(ctx context.Context) (map[linkEnd]time.Time, error) {
	var since map[linkEnd]time.Time
	carried := int64(-1)
	err := s.alive(ctx, "the thin line", func() (down string, err error) {
		if since, down, err = s.links(ctx); err != nil || down != "" {
			return down, err
		}
		now := s.cluster.carried(siteThin, siteHQ)
		if carried < 0 {
			carried = now
		}
		if now-carried >= underWay {
			return "", nil
		}
		return fmt.Sprintf("%d of %d bytes of the backlog are on their way", now-carried, underWay), nil
	})
	return since, err
}

// links tells since when the links between hq and the plant stand, and which does not.
func (s *show) links(ctx context.Context) (since map[linkEnd]time.Time, down string, err error) {
	since = map[linkEnd]time.Time{}
	for _, end := range []linkEnd{{siteHQ, siteThin}, {siteThin, siteHQ}} {
		status, err := s.status(ctx, end.at)
		if err != nil {
			return nil, "", err
		}
		for _, l := range status.GetLinks() {
			if l.GetSite() == string(end.to) && l.GetState() == adminv1.LinkState_LINK_STATE_CONNECTED {
				since[end] = l.GetSince().AsTime()
			}
		}
		if _, up := since[end]; !up {
			return nil, fmt.Sprintf("%s has no link to %s", end.at, end.to), nil
		}
	}
	return since, "", nil
}

// checkLinks demands that both links stand since the same moment as before.
func (s *show) checkLinks(ctx context.Context, r *Scene, before map[linkEnd]time.Time) error {
	since, down, err := s.links(ctx)
	if err != nil {
		return err
	}
	if down != "" {
		r.fault("%s", down)
	}
	for end, at := range before {
		if !since[end].Equal(at) {
			r.LinkDrops++
			r.fault("the link of %s to %s dropped on the thin line", end.at, end.to)
		}
	}
	return nil
}

// bulkAtHQ is how far hq holds the plant's bulk stream.
func (s *show) bulkAtHQ(ctx context.Context) (uint64, error) {
	hq, err := s.status(ctx, siteHQ)
	return headOf(hq, plantmesh.StreamOf(siteThin, bulkDomain)), err
}

// overtake publishes a hold at the plant, waits until a reader at hq gets it, and looks how much of the backlog is behind it.
func (s *show) overtake(ctx context.Context, r *Scene, n int, bulk []*fact) (*fact, error) {
	began := time.Now()
	facts, err := s.publish(ctx, siteThin, s.hold(n))
	if err != nil {
		return nil, err
	}
	hold := facts[0]
	waiting, cancel := context.WithTimeoutCause(ctx, stuckAfter, fmt.Errorf("hold %d did not arrive within %s", n, stuckAfter))
	defer cancel()
	from := plantmesh.From{Stream: hold.receipt.Stream, After: hold.receipt.Offset - 1}
	for d, err := range s.cluster.sites[siteHQ].client.Subscribe(waiting, from) {
		if err != nil {
			return nil, err
		}
		if d.Event.GetEvent().GetId() == hold.event.GetId() {
			break
		}
	}
	if err := context.Cause(waiting); err != nil {
		return nil, err
	}
	took := time.Since(began)
	arrived, err := s.bulkAtHQ(ctx)
	if err != nil {
		return nil, err
	}
	last := uint64(bulk[len(bulk)-1].receipt.Offset)
	r.overtook(took, last-min(last, arrived))
	s.progress.scene(fmt.Sprintf("  quality hold %d is at hq after %.0f ms, with %d of %d reports still behind it", n, milliseconds(took), last-min(last, arrived), len(bulk)))
	return hold, nil
}

// overtook notes a hold that arrived. One that came behind the backlog has shown nothing.
func (r *Scene) overtook(took time.Duration, behind uint64) {
	if behind == 0 {
		r.fault("hold %d came when the whole backlog was there: it overtook nothing", len(r.UrgentMillis)+1)
	}
	r.UrgentMillis = append(r.UrgentMillis, milliseconds(took))
	r.SlowestMs, r.Overtaken = max(r.SlowestMs, milliseconds(took)), behind
}
