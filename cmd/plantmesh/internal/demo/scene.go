package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// Names of the scenes, in the order in which they are played. The partition is part of the feed; the others come when the
// verdict on that is found, with events of their own, so that its counts stay those of the input.
const (
	scenePartition = "partition"
	sceneRecovery  = "recovery"
	sceneParking   = "parking"
	sceneThinLine  = "thin-line"
)

// SceneNames are all scenes there are.
func SceneNames() []string {
	return []string{scenePartition, sceneRecovery, sceneParking, sceneThinLine}
}

// Scene is what a scene showed. The figures of one kind stand beside the name in JSON.
type Scene struct {
	Name    string   `json:"name"`
	OK      bool     `json:"ok"`                 // it was played, and held
	LeftOut string   `json:"left_out,omitempty"` // why it was not played; that is no failure
	Plant   string   `json:"plant"`
	Seconds float64  `json:"scene_seconds"`
	Faults  []string `json:"faults"`
	Tally

	*Partition
	*Recovery
	*Parking
	*ThinLine
}

// Tally counts what may not happen to the events of a scene.
type Tally struct {
	Lost       uint64 `json:"events_lost"`
	Doubled    uint64 `json:"events_doubled"`
	OutOfOrder uint64 `json:"events_out_of_order"`
}

func newScene(name string, plant plantmesh.SiteID) *Scene {
	return &Scene{Name: name, Plant: string(plant), Faults: []string{}}
}

// fault notes something that is not as it should be.
func (r *Scene) fault(format string, args ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
}

// judge says whether the scene held.
func (r *Scene) judge() {
	r.OK = r.LeftOut == "" && len(r.Faults) == 0 && r.Tally == (Tally{})
}

// failed tells whether the scene was played and did not hold.
func (r *Scene) failed() bool { return !r.OK && r.LeftOut == "" }

// figures are the scene's measurements for people: a sentence, and lines of details.
func (r *Scene) figures() string {
	text := ""
	switch {
	case r.LeftOut != "":
		return r.LeftOut
	case r.Partition != nil:
		text = r.Partition.String()
	case r.Recovery != nil:
		text = r.Recovery.String()
	case r.Parking != nil:
		text = r.Parking.String()
	case r.ThinLine != nil:
		text = r.ThinLine.String()
	}
	return fmt.Sprintf("%s %s\nlost %d, doubled %d, out of order %d", r.Plant, text, r.Lost, r.Doubled, r.OutOfOrder)
}

// plays tells whether a scene was asked for.
func (s *show) plays(name string) bool { return slices.Contains(s.chosen, name) }

// playScenes plays what was asked for behind the feed. A scene that fails is a fault of the verdict; the error is that of ctx.
func (s *show) playScenes(ctx context.Context) error {
	for _, next := range []struct {
		name  string
		plant plantmesh.SiteID
		play  func(context.Context, *Scene) error
	}{
		{sceneRecovery, siteLost, s.recovery},
		{sceneParking, siteRefused, s.parking},
		{sceneThinLine, siteThin, s.thinLine},
	} {
		if !s.plays(next.name) {
			continue
		}
		r, began := newScene(next.name, next.plant), time.Now()
		if err := next.play(ctx, r); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			r.fault("%v", err)
		}
		r.Seconds = time.Since(began).Seconds()
		r.judge()
		s.scenes = append(s.scenes, r)
	}
	return nil
}

// untilEvery is how often a scene looks whether what it waits for is there: what it measures is that exact.
const untilEvery = 10 * time.Millisecond

// until waits until a condition holds. A node that does not answer for now is waited for. It gives up when what is missing
// has not changed for a while.
func (s *show) until(ctx context.Context, what string, holds func() (missing string, err error)) error {
	tick := time.NewTicker(untilEvery)
	defer tick.Stop()
	last, since := "", time.Now()
	for {
		missing, err := holds()
		switch {
		case err == nil && missing == "":
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !mayPass(err):
			return fmt.Errorf("%s: %w", what, err)
		case err != nil:
			missing = err.Error()
		}
		if missing != last {
			last, since = missing, time.Now()
		} else if time.Since(since) > stuckAfter {
			return fmt.Errorf("%s: nothing has moved for %s: %s", what, stuckAfter, missing)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// alive is until for what needs all nodes: one that ended by itself ends the waiting.
func (s *show) alive(ctx context.Context, what string, holds func() (missing string, err error)) error {
	return s.until(ctx, what, func() (string, error) {
		for _, site := range s.cluster.sites {
			if err := site.died(); err != nil {
				return "", err
			}
		}
		return holds()
	})
}

// mayPass tells whether a node that gave this error may answer later.
func mayPass(err error) bool {
	return plantmesh.IsRetryable(err) || status.Code(err) == codes.DeadlineExceeded
}

// status asks a node.
func (s *show) status(ctx context.Context, site plantmesh.SiteID) (*adminv1.GetStatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	answer, err := s.cluster.sites[site].client.Admin().GetStatus(ctx, &adminv1.GetStatusRequest{})
	return answer, plantmesh.FromStatus(err)
}

// unknownScene is a scene that was asked for and does not exist; empty if all do.
func unknownScene(asked []string) string {
	for _, name := range asked {
		if !slices.Contains(SceneNames(), name) {
			return fmt.Sprintf("--scenes %q: there is no such scene; there are: %s", name, strings.Join(SceneNames(), ", "))
		}
	}
	return ""
}
