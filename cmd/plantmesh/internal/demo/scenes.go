package demo

import (
	"context"
	"fmt"
	"maps"

	"github.com/plantmesh/plantmesh"
)

// The rounds at which something happens.
const (
	roundCut    = rounds / 3
	roundKill   = rounds / 2
	roundKillHQ = rounds/2 + 1
	roundMend   = rounds * 3 / 4
)

const (
	siteCut    = plantmesh.SiteID("plant-b")
	siteKilled = plantmesh.SiteID("plant-c")
)

// show plays the scenes.
type show struct {
	cluster  *cluster
	feed     *feed
	watch    *watcher
	progress *progress
	killHQ   bool
}

// play feeds all rounds while things go wrong, and waits until all has arrived.
func (s *show) play(ctx context.Context) error {
	s.progress.scene("five sites start, each with its own certificate, log and folder")
	if err := s.watch.wait(ctx, "start", s.watch.allServe); err != nil {
		return err
	}
	s.progress.scene(fmt.Sprintf("feeding %d rows to four plants, in %d files each", len(s.feed.in.rows), rounds))
	for round := range rounds {
		if err := s.round(ctx, round); err != nil {
			return err
		}
	}
	s.progress.scene(fmt.Sprintf("%s: the first file is dropped a second time", plants[0]))
	if _, err := s.feed.dropAgain(s.cluster.sites[plants[0]]); err != nil {
		return err
	}
	again := map[plantmesh.SiteID]string{plants[0]: redropPrefix + "01.csv"}
	if s.feed.chunks[plants[0]][0].name == "" {
		again = nil
	}
	if err := s.watch.wait(ctx, "second drop", s.watch.imported(again)); err != nil {
		return err
	}
	s.progress.scene("waiting until every event is at hq, and in Odoo")
	if err := s.watch.wait(ctx, "drain", s.watch.settled); err != nil {
		return err
	}
	return s.watch.wait(ctx, "parked", s.watch.unparked())
}

// round drops a file at every plant, makes what is due go wrong, and waits until the files are read.
func (s *show) round(ctx context.Context, round int) error {
	switch round {
	case roundCut:
		s.progress.scene(fmt.Sprintf("%s is cut off from everybody; it goes on recording", siteCut))
		s.cluster.cutOff(siteCut, true)
	case roundMend:
		s.progress.scene(fmt.Sprintf("%s is back on the line, and catches up", siteCut))
		s.cluster.cutOff(siteCut, false)
	}
	given := map[plantmesh.SiteID]string{}
	for _, plant := range plants {
		dropped, err := s.feed.drop(s.cluster.sites[plant], round)
		if err != nil {
			return err
		}
		if dropped {
			given[plant] = s.feed.chunks[plant][round].name
		}
	}
	if round == roundKill {
		if err := s.killImporting(ctx, maps.Clone(given)); err != nil {
			return err
		}
	}
	if round == roundKillHQ && s.killHQ {
		s.progress.scene("hq is killed (kill -9) and started again")
		s.cluster.sites[siteHQ].kill()
		if err := s.cluster.start(siteHQ); err != nil {
			return err
		}
	}
	return s.watch.wait(ctx, fmt.Sprintf("round %d", round+1), s.watch.imported(given))
}

// killImporting kills a plant while it reads, and starts it again.
func (s *show) killImporting(ctx context.Context, given map[plantmesh.SiteID]string) error {
	s.progress.scene(fmt.Sprintf("%s is killed (kill -9) as it reads, and started again", siteKilled))
	name := given[siteKilled]
	reading := func() (bool, string) {
		status, _ := s.watch.status(siteKilled)
		for _, a := range status.GetAdapters() {
			for _, f := range a.GetFiles() {
				if f.GetName() == name {
					return true, ""
				}
			}
		}
		return name == "", fmt.Sprintf("%s has not begun %s", siteKilled, name)
	}
	if err := s.watch.wait(ctx, "kill", reading); err != nil {
		return err
	}
	s.cluster.sites[siteKilled].kill()
	return s.cluster.start(siteKilled)
}
