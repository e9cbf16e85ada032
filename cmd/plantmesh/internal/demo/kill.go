package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// strikeEvery is how often a node is looked at that is to be killed in the middle of something: that lasts milliseconds.
const strikeEvery = time.Millisecond

// Kill is a kill -9, and what the node was in the middle of; empty if it was idle.
type Kill struct {
	Site   string `json:"site"`
	During string `json:"during"`
}

// killReading kills a plant while it reads a file, and starts it again. A file that is read before anybody sees it spares the
// node: the next round has another. In the last round it is killed in any case.
func (s *show) killReading(ctx context.Context, file string, last bool) error {
	site := s.cluster.sites[siteKilled]
	reading := false
	if file != "" {
		err := s.strike(ctx, site, func(status *adminv1.GetStatusResponse) bool {
			begun, done := fileState(status, file)
			reading = begun && !done
			return begun
		})
		if err != nil {
			return err
		}
	}
	if !reading && !last {
		return nil
	}
	site.kill()
	kill := Kill{Site: string(site.name)}
	// The file is moved away when all of it is recorded, and noted as read. Only what is still there was interrupted.
	switch _, err := os.Stat(filepath.Join(site.inbox, file)); {
	case reading && err == nil:
		kill.During = "reading " + file
	case reading && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return s.restart(kill)
}

// killApplying kills hq while it has events in hand that are not in Odoo yet, and starts it again.
func (s *show) killApplying(ctx context.Context, given map[plantmesh.SiteID]string) error {
	hq := s.cluster.sites[siteHQ]
	var behind uint64
	err := s.strike(ctx, hq, func(status *adminv1.GetStatusResponse) bool {
		behind = replicatedAt(status) - min(replicatedAt(status), dealtWith(status))
		idle, _ := s.watch.imported(given)()
		return behind > 0 || idle
	})
	if err != nil {
		return err
	}
	hq.kill()
	kill := Kill{Site: string(siteHQ)}
	if behind > 0 {
		kill.During = fmt.Sprintf("applying, %d events behind", behind)
	}
	return s.restart(kill)
}

// strike looks at a node until it is time.
func (s *show) strike(ctx context.Context, site *site, now func(*adminv1.GetStatusResponse) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stuckAfter, fmt.Errorf("%s did nothing for %s", site.name, stuckAfter))
	defer cancel()
	tick := time.NewTicker(strikeEvery)
	defer tick.Stop()
	for {
		status, err := site.client.Admin().GetStatus(ctx, &adminv1.GetStatusRequest{})
		if err != nil {
			return errors.Join(site.died(), plantmesh.FromStatus(err))
		}
		if now(status) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// restart starts a node again that was killed, and says what it was doing.
func (s *show) restart(k Kill) error {
	s.kills = append(s.kills, k)
	during := k.During
	if during == "" {
		during = "doing nothing"
	}
	s.progress.scene(fmt.Sprintf("%s is killed (kill -9) %s, and started again", k.Site, during))
	return s.cluster.start(plantmesh.SiteID(k.Site))
}

// interrupted tells whether a node was killed in the middle of something.
func (s *show) interrupted(site plantmesh.SiteID) bool {
	for _, k := range s.kills {
		if k.Site == string(site) && k.During != "" {
			return true
		}
	}
	return false
}

// dealtWith counts the events that a node's applier is done with.
func dealtWith(s *adminv1.GetStatusResponse) uint64 {
	c := s.GetOdoo().GetCounts()
	return c.GetApplied() + c.GetIgnored() + c.GetParked()
}
