package demo

import (
	"context"
	"fmt"
	"sync"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
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
	chosen   []string     // scenes
	odoo     *odoo.Client // to look into Odoo, and to mend what it refuses
	tag      string       // of this run, in the names of what the scenes make

	background sync.WaitGroup // ends with play
	again      uint64         // rows of the file that was dropped twice
	kills      []Kill
	apart      uint64 // events that plant-b recorded while it was cut off

	parted *partition // nil: nobody was cut off
	made   int        // events that scenes made
	scenes []*Scene   // that were played
}

// play feeds all rounds while things go wrong, and waits until all has arrived.
func (s *show) play(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.background.Wait()
	defer cancel()
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
	if err := s.dropAgain(ctx); err != nil {
		return err
	}
	s.progress.scene("waiting until every event is at hq, and in Odoo")
	if err := s.watch.wait(ctx, "drain", s.watch.settled); err != nil {
		return err
	}
	if s.parted != nil {
		if err := <-s.parted.caughtUp; err != nil {
			s.parted.result.fault("%v", err)
		}
	}
	return s.watch.wait(ctx, "parked", s.watch.unparked())
}

// round drops a file at every plant, makes what is due go wrong, and waits until the files are read.
func (s *show) round(ctx context.Context, round int) error {
	switch round {
	case roundCut:
		if s.plays(scenePartition) {
			s.cut()
		}
	case roundMend:
		if !s.plays(scenePartition) {
			break
		}
		if err := s.mend(ctx); err != nil {
			return err
		}
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
	if round >= roundKill && !s.interrupted(siteKilled) {
		if err := s.killReading(ctx, given[siteKilled], round == rounds-1); err != nil {
			return err
		}
	}
	if round == roundKillHQ && s.killHQ {
		if err := s.killApplying(ctx, given); err != nil {
			return err
		}
	}
	return s.watch.wait(ctx, fmt.Sprintf("round %d", round+1), s.watch.imported(given))
}

// dropAgain drops a file a second time, under another name.
func (s *show) dropAgain(ctx context.Context) error {
	for _, plant := range plants {
		name, rows, err := s.feed.dropAgain(s.cluster.sites[plant])
		if err != nil {
			return err
		}
		if name == "" {
			continue
		}
		s.again = rows
		s.progress.scene(fmt.Sprintf("%s: the first file is dropped a second time", plant))
		return s.watch.wait(ctx, "second drop", s.watch.imported(map[plantmesh.SiteID]string{plant: name}))
	}
	return nil
}
