package demo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

const (
	// lookEvery is how often every node is asked for its status.
	lookEvery = 200 * time.Millisecond
	// lookTimeout bounds one such question: a node may be down.
	lookTimeout = 2 * time.Second
	// stuckAfter is how long nothing may move before the demo gives up waiting.
	stuckAfter = 2 * time.Minute
)

// watcher keeps the last known status of every node.
type watcher struct {
	cluster *cluster
	changed chan struct{} // holds a token after every look

	mu       sync.Mutex // guards what follows
	statuses map[plantmesh.SiteID]*adminv1.GetStatusResponse
	up       map[plantmesh.SiteID]bool
}

func newWatcher(c *cluster) *watcher {
	return &watcher{cluster: c, changed: make(chan struct{}, 1), statuses: map[plantmesh.SiteID]*adminv1.GetStatusResponse{}, up: map[plantmesh.SiteID]bool{}}
}

// run asks all nodes again and again until ctx ends.
func (w *watcher) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		var asking sync.WaitGroup
		for name, s := range w.cluster.sites {
			asking.Go(func() { w.look(ctx, name, s) })
		}
		asking.Wait()
		select {
		case w.changed <- struct{}{}:
		default:
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *watcher) look(ctx context.Context, name plantmesh.SiteID, s *site) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	status, err := s.client.Admin().GetStatus(ctx, &adminv1.GetStatusRequest{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up[name] = err == nil
	if err == nil {
		w.statuses[name] = status
	}
}

// status is the last known status of a node, empty if none is known, and whether the node answered last time.
func (w *watcher) status(name plantmesh.SiteID) (*adminv1.GetStatusResponse, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.statuses[name]; s != nil {
		return s, w.up[name]
	}
	return &adminv1.GetStatusResponse{}, false
}

// wait waits until a condition holds. It gives up when nothing that moves has moved for a while, and says what is missing.
func (w *watcher) wait(ctx context.Context, what string, holds func() (bool, string)) error {
	last, since := "", time.Now()
	for {
		ok, missing := holds()
		if ok {
			return nil
		}
		if now := w.fingerprint() + missing; now != last {
			last, since = now, time.Now()
		} else if time.Since(since) > stuckAfter {
			return fmt.Errorf("%s: nothing has moved for %s: %s", what, stuckAfter, missing)
		}
		for _, s := range w.cluster.sites {
			if err := s.died(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.changed:
		}
	}
}

// fingerprint changes when anything moves.
func (w *watcher) fingerprint() string {
	var b strings.Builder
	for name := range w.cluster.sites {
		s, up := w.status(name)
		fmt.Fprint(&b, name, up)
		for _, stream := range s.GetStreams() {
			fmt.Fprint(&b, stream.GetHeadOffset(), " ")
		}
		fmt.Fprint(&b, s.GetOdoo().GetCounts())
	}
	return b.String()
}

// allServe holds when every node answers and hq's links to the plants stand.
func (w *watcher) allServe() (bool, string) {
	for name := range w.cluster.sites {
		s, up := w.status(name)
		if !up {
			return false, fmt.Sprintf("%s does not answer yet", name)
		}
		for _, l := range s.GetLinks() {
			if l.GetState() != adminv1.LinkState_LINK_STATE_CONNECTED {
				return false, fmt.Sprintf("%s has no link to %s yet: %s", name, l.GetAddress(), l.GetReason())
			}
		}
	}
	return true, ""
}

// imported holds when plants have read the file of that name, as far as they were given it.
func (w *watcher) imported(given map[plantmesh.SiteID]string) func() (bool, string) {
	return func() (bool, string) {
		for plant, name := range given {
			s, _ := w.status(plant)
			if _, done := fileState(s, name); !done {
				return false, fmt.Sprintf("%s has not read %s yet", plant, name)
			}
		}
		return true, ""
	}
}

func fileState(s *adminv1.GetStatusResponse, name string) (begun, done bool) {
	for _, a := range s.GetAdapters() {
		for _, f := range a.GetFiles() {
			if f.GetName() == name {
				return true, f.GetDone()
			}
		}
	}
	return false, false
}

// parkedPatience is how long the demo waits for parked subjects, which are tried again by themselves.
const parkedPatience = 30 * time.Second

// unparked holds when nothing is parked, or nobody expects that to change.
func (w *watcher) unparked() func() (bool, string) {
	until := time.Now().Add(parkedPatience)
	return func() (bool, string) {
		hq, _ := w.status(siteHQ)
		parked := hq.GetOdoo().GetCounts().GetParked()
		return parked == 0 || time.Now().After(until), fmt.Sprintf("%d events are parked", parked)
	}
}

// settled holds when every event of the plants is replicated where it should be, and dealt with in Odoo.
func (w *watcher) settled() (bool, string) {
	hq, up := w.status(siteHQ)
	if !up {
		return false, "hq does not answer"
	}
	positions := map[string]uint64{}
	for _, p := range hq.GetOdoo().GetPositions() {
		positions[p.GetStream()] = p.GetOffset()
	}
	for _, plant := range plants {
		s, up := w.status(plant)
		if !up {
			return false, fmt.Sprintf("%s does not answer", plant)
		}
		for _, stream := range s.GetStreams() {
			if stream.GetReplica() {
				continue
			}
			if at := positions[stream.GetStream()]; at < stream.GetHeadOffset() {
				return false, fmt.Sprintf("%s is applied up to %d of %d; %s", stream.GetStream(), at, stream.GetHeadOffset(), hq.GetOdoo().GetProblem())
			}
		}
	}
	return w.replicasCurrent()
}

func (w *watcher) replicasCurrent() (bool, string) {
	for name := range w.cluster.sites {
		s, _ := w.status(name)
		for _, r := range s.GetReplicas() {
			origin, _ := w.status(plantmesh.StreamName(r.GetStream()).Origin())
			for _, stream := range origin.GetStreams() {
				if stream.GetStream() == r.GetStream() && r.GetOffset() < stream.GetHeadOffset() {
					return false, fmt.Sprintf("%s at %s is at %d of %d", r.GetStream(), name, r.GetOffset(), stream.GetHeadOffset())
				}
			}
		}
	}
	return true, ""
}
