package demo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
)

// siteLost is the plant that loses its data.
const siteLost = plantmesh.SiteID("plant-d")

// Recovery is how a plant came back that had lost its data directory.
type Recovery struct {
	Streams    []RecoveredStream `json:"streams"`
	Recovered  uint64            `json:"events_recovered"`         // acknowledged before, and there again
	Published  uint64            `json:"events_published_after"`   // in the new incarnation
	AgainAfter float64           `json:"publishing_again_seconds"` // from the start on an empty folder to the first acknowledgement
}

// RecoveredStream is one stream of it.
type RecoveredStream struct {
	Stream    string `json:"stream"`
	Before    uint64 `json:"incarnation_before,string"`
	After     uint64 `json:"incarnation_after,string"`
	Recovered uint64 `json:"events"` // of what was there before
}

func (v *Recovery) String() string {
	text := fmt.Sprintf("lost its data directory for good, and got %d events back from its peers; it published again %.2f s after its start", v.Recovered, v.AgainAfter)
	for _, s := range v.Streams {
		text += "\n" + s.String()
	}
	return text
}

func (s RecoveredStream) String() string {
	text := fmt.Sprintf("%s: %d events are back; its incarnation is %d", s.Stream, s.Recovered, s.After)
	if s.After == s.Before {
		return text + " as before: nothing was published to it since"
	}
	return text + fmt.Sprintf(", it was %d", s.Before)
}

// recovery takes a plant's data away for good, and lets it come back empty.
func (s *show) recovery(ctx context.Context, r *Scene) error {
	r.Recovery = &Recovery{Streams: []RecoveredStream{}}
	o, site := s.order("recovery"), s.cluster.sites[siteLost]
	facts, err := s.publish(ctx, siteLost, o.released(), o.reported())
	if err != nil {
		return err
	}
	if err := s.arrived(ctx, "what plant-d published before its loss", facts); err != nil {
		return err
	}
	before, err := s.ownStreams(ctx, siteLost)
	if err != nil {
		return err
	}
	rows, err := s.odoo.Count(ctx, odoo.ModelApplied, []any{})
	if err != nil {
		return err
	}
	held := 0
	for _, h := range before {
		held += len(h)
	}
	s.progress.scene(fmt.Sprintf("%s is killed, and loses its data directory for good, with %d events that were acknowledged and replicated", siteLost, held))
	if err := loseData(site); err != nil {
		return err
	}
	began := time.Now()
	if err := s.cluster.start(siteLost); err != nil {
		return err
	}
	for _, payloads := range [][]proto.Message{{o.reported()}, {o.reported(), o.completed()}} {
		more, err := s.publish(ctx, siteLost, payloads...)
		if err != nil {
			return err
		}
		if r.AgainAfter == 0 {
			r.AgainAfter = time.Since(began).Seconds()
			s.progress.scene(fmt.Sprintf("%s came back empty, fetched its streams from its peers, and publishes again %.2f s after its start", siteLost, r.AgainAfter))
		}
		facts, r.Published = append(facts, more...), r.Published+uint64(len(more))
	}
	if err := s.arrived(ctx, "what plant-d published after its loss", facts); err != nil {
		return err
	}
	after, err := s.ownStreams(ctx, siteLost)
	if err != nil {
		return err
	}
	status, err := s.status(ctx, siteLost)
	if err != nil {
		return err
	}
	for _, held := range status.GetStreams() {
		stream := plantmesh.StreamName(held.GetStream())
		if before[stream] == nil {
			continue
		}
		one := r.checkRecovered(stream, before[stream], after[stream])
		one.After = held.GetIncarnation()
		r.Streams = append(r.Streams, one)
		s.progress.scene("  " + one.String())
	}
	r.checkAnew(facts, before)
	if err := s.check(ctx, r, siteLost, facts); err != nil {
		return err
	}
	now, err := s.odoo.Count(ctx, odoo.ModelApplied, []any{})
	if err == nil && now != rows+int(r.Published) {
		r.fault("%d events were published after the loss, Odoo's journal grew by %d", r.Published, now-rows)
	}
	return err
}

// loseData kills a node, and removes what it kept.
func loseData(s *site) error {
	s.kill()
	dir := filepath.Join(s.dir, dataFolder)
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// ownStreams reads a plant's own streams, at the plant.
func (s *show) ownStreams(ctx context.Context, plant plantmesh.SiteID) (map[plantmesh.StreamName]history, error) {
	status, err := s.status(ctx, plant)
	if err != nil {
		return nil, err
	}
	all := map[plantmesh.StreamName]history{}
	for _, stream := range status.GetStreams() {
		name := plantmesh.StreamName(stream.GetStream())
		if name.Origin() != plant {
			continue
		}
		h, err := readHistory(ctx, s.cluster.sites[plant].client, name)
		if err != nil {
			return nil, err
		}
		if len(h) > 0 {
			all[name] = h
		}
	}
	return all, nil
}

// checkRecovered demands everything that a stream held before the loss, where it was.
func (r *Scene) checkRecovered(stream plantmesh.StreamName, before, after history) RecoveredStream {
	was := before[len(before)-1].incarnation
	var back history
	for _, p := range after {
		if p.incarnation <= was {
			back = append(back, p)
		}
	}
	r.compare(fmt.Sprintf("%s at its plant", stream), before, back)
	r.Recovered += uint64(len(back))
	return RecoveredStream{Stream: string(stream), Before: uint64(was), Recovered: uint64(len(back))}
}

// checkAnew demands that what was published after the loss is in a new incarnation: an offset is never given twice.
func (r *Scene) checkAnew(facts []*fact, before map[plantmesh.StreamName]history) {
	stood := map[eventKey]bool{}
	for _, h := range before {
		for _, p := range h {
			stood[p.key()] = true
		}
	}
	for _, f := range facts {
		h := before[f.receipt.Stream]
		if len(h) > 0 && !stood[f.key()] && f.receipt.Incarnation <= h[len(h)-1].incarnation {
			r.fault("event %q was published after the loss, into incarnation %d that was there before", f.event.GetId(), f.receipt.Incarnation)
		}
	}
}
