package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// Partition is how a plant fared that was cut off from everybody while the factory went on.
type Partition struct {
	RecordedAlone  uint64  `json:"recorded_alone"`          // events that it recorded meanwhile, which nobody else had
	BehindOthers   uint64  `json:"behind_others"`           // events of the others that it had not got
	ApartSeconds   float64 `json:"apart_seconds"`           // from the cut to the mending
	LinkedSeconds  float64 `json:"link_after_mend_seconds"` // until hq had a link to it again
	CatchUpSeconds float64 `json:"catch_up_seconds"`        // from the mending until nobody was behind it, and it behind nobody, as of then
}

func (p *Partition) String() string {
	return fmt.Sprintf("was cut off for %.1f s and recorded %d events alone\nback on the line, hq was %d events behind it, and it %d behind the others; "+
		"linked after %.2f s, caught up after %.2f s", p.ApartSeconds, p.RecordedAlone, p.RecordedAlone, p.BehindOthers, p.LinkedSeconds, p.CatchUpSeconds)
}

// partition is the scene while it is played.
type partition struct {
	result   *Scene
	began    time.Time
	caughtUp chan error // one, when it is over
}

// cut cuts the plant off.
func (s *show) cut() {
	s.progress.scene(fmt.Sprintf("%s is cut off from everybody; it goes on recording", siteCut))
	s.cluster.cutOff(siteCut, true)
	s.parted = &partition{result: newScene(scenePartition, siteCut), began: time.Now(), caughtUp: make(chan error, 1)}
	s.parted.result.Partition = &Partition{}
}

// mend puts the plant that was cut off back on the line, notes what everybody is behind, and has it watched while the feed
// goes on.
func (s *show) mend(ctx context.Context) error {
	r := s.parted.result
	owed, err := s.owed(ctx)
	if err != nil {
		return err
	}
	for at, o := range owed {
		if at.site == siteHQ {
			r.RecordedAlone += o.head - o.held
		} else if at.site == siteCut {
			r.BehindOthers += o.head - o.held
		}
	}
	s.apart = r.RecordedAlone
	s.progress.scene(fmt.Sprintf("%s is back on the line: hq is %d events behind it, it is %d behind the others", siteCut, r.RecordedAlone, r.BehindOthers))
	mended := time.Now()
	r.ApartSeconds = mended.Sub(s.parted.began).Seconds()
	s.cluster.cutOff(siteCut, false)
	s.background.Go(func() { s.parted.caughtUp <- s.watchCatchUp(ctx, owed, mended) })
	return nil
}

// debt is how far a copy is, and how far its stream.
type debt struct{ held, head uint64 }

// owed is what the plant that was cut off and the others have to get from each other.
func (s *show) owed(ctx context.Context) (map[copyAt]debt, error) {
	statuses, err := s.statuses(ctx)
	if err != nil {
		return nil, err
	}
	owed := map[copyAt]debt{}
	for _, origin := range plants {
		for _, stream := range statuses[origin].GetStreams() {
			name := plantmesh.StreamName(stream.GetStream())
			if name.Origin() != origin {
				continue
			}
			for _, follower := range followersOf(name) {
				if origin == siteCut || follower == siteCut {
					owed[copyAt{follower, name}] = debt{min(headOf(statuses[follower], name), stream.GetHeadOffset()), stream.GetHeadOffset()}
				}
			}
		}
	}
	return owed, nil
}

// statuses asks all nodes, and waits for those that do not answer yet.
func (s *show) statuses(ctx context.Context) (map[plantmesh.SiteID]*adminv1.GetStatusResponse, error) {
	all := map[plantmesh.SiteID]*adminv1.GetStatusResponse{}
	for name := range s.cluster.sites {
		err := s.until(ctx, "status of "+string(name), func() (missing string, err error) {
			all[name], err = s.status(ctx, name)
			return "", err
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func headOf(s *adminv1.GetStatusResponse, stream plantmesh.StreamName) uint64 {
	for _, held := range s.GetStreams() {
		if held.GetStream() == string(stream) {
			return held.GetHeadOffset()
		}
	}
	return 0
}

// watchCatchUp waits until everything owed is where it should be, and says how long that took.
func (s *show) watchCatchUp(ctx context.Context, owed map[copyAt]debt, mended time.Time) error {
	r := s.parted.result
	err := s.until(ctx, "catch-up of "+string(siteCut), func() (string, error) {
		hq, err := s.status(ctx, siteHQ)
		if err != nil {
			return "", err
		}
		if state := linkState(hq, siteCut); r.LinkedSeconds == 0 && state != "connected" {
			return fmt.Sprintf("the link of hq to %s is %s", siteCut, state), nil
		} else if r.LinkedSeconds == 0 {
			r.LinkedSeconds = time.Since(mended).Seconds()
		}
		for at, o := range owed {
			there := hq
			if at.site != siteHQ {
				if there, err = s.status(ctx, at.site); err != nil {
					return "", err
				}
			}
			if held := headOf(there, at.stream); held < o.head {
				return fmt.Sprintf("%s at %s is at %d of %d", at.stream, at.site, held, o.head), nil
			}
			delete(owed, at)
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	r.CatchUpSeconds = time.Since(mended).Seconds()
	s.progress.scene(fmt.Sprintf("%s has caught up: linked after %.2f s, nobody behind after %.2f s", siteCut, r.LinkedSeconds, r.CatchUpSeconds))
	return nil
}

// endPartition holds the plant's streams at hq against the plant itself.
func (s *show) endPartition(e *evidence) {
	if s.parted == nil {
		return
	}
	r := s.parted.result
	for stream, events := range e.origin {
		if stream.Origin() == siteCut {
			r.compare(fmt.Sprintf("%s at hq", stream), first(events), first(e.atHQ[stream]))
		}
	}
	if r.RecordedAlone == 0 && len(r.Faults) == 0 && r.Tally == (Tally{}) {
		r.LeftOut = "the input gave it nothing to record while it was cut off"
	}
	r.Seconds = r.ApartSeconds + r.CatchUpSeconds
	r.judge()
	s.scenes = append(s.scenes, r)
}
