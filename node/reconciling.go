package node

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
	"github.com/plantmesh/plantmesh/node/odoo/replay"
	"github.com/plantmesh/plantmesh/storage"
)

// compareBytes is how much of a stream a comparison reads at once.
const compareBytes = 4 << 20

// reconcileOwner owns the last comparison's part of the derived database.
const reconcileOwner = "reconcile"

// newReconciler compares the mesh with Odoo at the times that the configuration says; nil if it says none.
func newReconciler(cfg config.Config, disk *stores, c *consumer.Consumer, client *odoo.Client, differences func(kind string, n int), logger *slog.Logger) (*reconcile.Scheduled, error) {
	schedule, err := cfg.ReconcileSchedule()
	if err != nil || schedule == nil {
		return nil, err
	}
	site := plantmesh.SiteID(cfg.Site)
	r := reconcile.Reconciliation{
		Site: site, Config: *cfg.Odoo, Node: &ownNode{log: disk.log, consumer: c}, Odoo: odoo.NewReader(client), Caller: client, Tolerance: cfg.Odoo.Reconcile.Tolerances(),
	}
	s := &reconcile.Scheduled{
		Compare: r.Run, Schedule: schedule, Site: site, Log: disk.log, Differences: differences, Approve: cfg.Odoo.Reconcile.Approvals(),
		State: disk.state.Owner(reconcileOwner), Logger: logger,
	}
	return s, s.Recall()
}

// ownNode is this node, as a comparison asks it. It serves one at a time.
type ownNode struct {
	log      *storage.Log
	consumer *consumer.Consumer
	parked   map[parkedSubject]plantmesh.Offset // as they were when the positions were
}

type parkedSubject struct {
	stream  plantmesh.StreamName
	subject string
}

func (n *ownNode) Positions(context.Context) (map[plantmesh.StreamName]plantmesh.Offset, error) {
	status := n.consumer.Status()
	n.parked = map[parkedSubject]plantmesh.Offset{}
	for _, p := range status.Parked {
		n.parked[parkedSubject{p.Stream, p.Subject}] = p.Offset
	}
	all := map[plantmesh.StreamName]plantmesh.Offset{}
	for _, p := range status.Positions {
		all[p.Stream] = p.Offset
	}
	return all, nil
}

func (n *ownNode) Parked(_ context.Context, stream plantmesh.StreamName, subject string) (plantmesh.Offset, error) {
	return n.parked[parkedSubject{stream, subject}], nil
}

func (n *ownNode) Discarded(context.Context) (map[string]bool, error) {
	list, err := n.consumer.Discarded()
	if err != nil {
		return nil, err
	}
	gone := map[string]bool{}
	for _, d := range list {
		e, err := n.log.GetOf(plantmesh.StreamName(d.GetStream()), plantmesh.Incarnation(d.GetIncarnation()), plantmesh.Offset(d.GetOffset()))
		if err != nil {
			continue // not held any more: nothing is compared with it
		}
		gone[odoo.EventKey(e.GetEvent().GetSource(), e.GetEvent().GetId())] = true
	}
	return gone, nil
}

// Events reads a stream from its oldest incarnation on; a later one begins behind what it kept of the one before.
func (n *ownNode) Events(ctx context.Context, stream plantmesh.StreamName, since time.Time) iter.Seq2[replay.Item, error] {
	return func(yield func(replay.Item, error) bool) {
		at, jump, err := n.log.Resume(stream, storage.Position{})
		if err == nil && jump == nil && at.Offset > 0 {
			if !yield(replay.Item{Incarnation: at.Incarnation, First: 1, Last: at.Offset}, nil) {
				return
			}
		}
		for err == nil {
			var blocks []*storage.Block
			var head plantmesh.Head
			head, err = n.log.HeadOf(stream, at.Incarnation)
			if err == nil && head.Offset > at.Offset {
				blocks, err = n.log.BlocksOf(ctx, stream, at.Incarnation, at.Offset, compareBytes)
			}
			if err == nil && len(blocks) > 0 {
				if at, err = n.items(at, blocks, since, yield); err != nil {
					break
				}
				continue
			}
			if err != nil && !errors.Is(err, plantmesh.ErrIncarnationChanged) && !errors.Is(err, plantmesh.ErrOffsetTrimmed) && !errors.Is(err, plantmesh.ErrCorruptBlock) {
				break
			}
			to, jump, failed := n.log.Resume(stream, at)
			if failed != nil || jump == nil {
				err = errors.Join(err, failed)
				break
			}
			err = nil
			if to.Incarnation == at.Incarnation && to.Offset > at.Offset && !yield(replay.Item{Incarnation: to.Incarnation, First: at.Offset + 1, Last: to.Offset}, nil) {
				return
			}
			at = to
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(replay.Item{}, err)
		}
	}
}

// errEnough says that the reader wants no more.
var errEnough = errors.New("enough")

// items hands over the events of blocks, and returns up to where they go.
func (n *ownNode) items(at storage.Position, blocks []*storage.Block, since time.Time, yield func(replay.Item, error) bool) (storage.Position, error) {
	for _, b := range blocks {
		batch, err := b.Batch()
		if err != nil {
			return at, err
		}
		for _, e := range batch.GetEvents() {
			if plantmesh.Offset(e.GetOffset()) <= at.Offset {
				continue
			}
			at.Offset = plantmesh.Offset(e.GetOffset())
			if !e.GetRecordedTime().AsTime().Before(since) && !yield(replay.Item{Incarnation: at.Incarnation, Event: e}, nil) {
				return at, errEnough
			}
		}
	}
	return at, nil
}
