package main

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/replay"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// odooConfig is the part of a configuration that says which Odoo.
func odooConfig(path string) (odoo.Config, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return odoo.Config{}, err
	}
	return odooOf(cfg)
}

func odooOf(cfg config.Config) (odoo.Config, error) {
	if cfg.Odoo == nil {
		return odoo.Config{}, errors.New("the configuration has no section odoo: run this with that of the node that faces Odoo")
	}
	return *cfg.Odoo, nil
}

// facing is a node and the Odoo that it faces.
type facing struct {
	site   plantmesh.SiteID // of the node
	config odoo.Config
	client *plantmesh.Client // of the node
	node   *odooNode
	erp    *odoo.Client // as the user that reads
}

// facing connects to the node that a configuration is of, and to its Odoo, for as long as use takes.
func (c *connection) facing(cmd *cobra.Command, use func(facing) error) error {
	cfg, err := loadConfig(c.config)
	if err != nil {
		return err
	}
	to := facing{site: plantmesh.SiteID(cfg.Site)}
	if to.config, err = odooOf(cfg); err != nil {
		return &usageError{err: err, help: cmd.CommandPath()}
	}
	if to.erp, err = odoo.NewCaptureClient(to.config); err != nil {
		return err
	}
	defer to.erp.Close()
	if to.client, err = c.dial(cmd.ErrOrStderr()); err != nil {
		return err
	}
	defer func() { _ = to.client.Close() }()
	to.node = &odooNode{client: to.client, site: to.site}
	return use(to)
}

// odooNode asks the node that faces Odoo.
type odooNode struct {
	client *plantmesh.Client
	site   plantmesh.SiteID
	parked map[parkedSubject]plantmesh.Offset // as they were when the positions were; nil: there are too many, each is asked for
}

type parkedSubject struct {
	stream  plantmesh.StreamName
	subject string
}

func (n *odooNode) Positions(ctx context.Context) (map[plantmesh.StreamName]plantmesh.Offset, error) {
	status, err := n.client.Admin().GetStatus(ctx, &adminv1.GetStatusRequest{})
	if err != nil {
		return nil, err
	}
	if status.GetOdoo() == nil {
		return nil, errors.New("the node faces no Odoo: restart it with the section odoo of its configuration")
	}
	positions := map[plantmesh.StreamName]plantmesh.Offset{}
	for _, p := range status.GetOdoo().GetPositions() {
		positions[plantmesh.StreamName(p.GetStream())] = plantmesh.Offset(p.GetOffset())
	}
	list, err := n.client.Admin().ListParked(ctx, &adminv1.ListParkedRequest{Consumer: "odoo"})
	if err != nil {
		return nil, err
	}
	n.parked = nil
	if list.GetTotalParked() == uint64(len(list.GetParked())) {
		n.parked = map[parkedSubject]plantmesh.Offset{}
		for _, p := range list.GetParked() {
			n.parked[parkedSubject{plantmesh.StreamName(p.GetStream()), p.GetSubject()}] = plantmesh.Offset(p.GetOffset())
		}
	}
	return positions, nil
}

// Parked answers from the list that was read behind the positions, and asks for one subject alone only where that list is not the whole.
func (n *odooNode) Parked(ctx context.Context, stream plantmesh.StreamName, subject string) (plantmesh.Offset, error) {
	if n.parked != nil {
		return n.parked[parkedSubject{stream, subject}], nil
	}
	answer, err := n.client.Admin().GetParked(ctx, &adminv1.GetParkedRequest{Consumer: "odoo", Stream: string(stream), Subject: subject})
	if errors.Is(plantmesh.FromStatus(err), plantmesh.ErrInvalidRequest) { // it is not
		return 0, nil
	}
	return plantmesh.Offset(answer.GetParked().GetOffset()), err
}

// Discarded reads the site's own stream of outcomes.
func (n *odooNode) Discarded(ctx context.Context) (map[string]bool, error) {
	from := plantmesh.From{
		Stream: plantmesh.StreamOf(n.site, odoo.OutcomeDomain), UntilHead: true, OnJump: func(plantmesh.Jump) error { return nil },
		Types: []string{string((&manufacturingv1.ErpRejected{}).ProtoReflect().Descriptor().FullName())},
	}
	gone := map[string]bool{}
	for d, err := range n.client.Subscribe(ctx, from) {
		if errors.Is(err, plantmesh.ErrUnknownStream) {
			return gone, nil // nothing came of any event yet
		}
		if err != nil {
			return nil, err
		}
		payload, err := plantmesh.Payload(d.Event.GetEvent())
		if err != nil {
			return nil, err
		}
		if rejected, ok := payload.(*manufacturingv1.ErpRejected); ok && rejected.GetDiscarded() {
			gone[odoo.EventKey(rejected.GetEventSource(), rejected.GetEventId())] = true
		}
	}
	return gone, nil
}

func (n *odooNode) Events(ctx context.Context, stream plantmesh.StreamName, since time.Time) iter.Seq2[replay.Item, error] {
	return func(yield func(replay.Item, error) bool) {
		var jumped []replay.Item
		from := plantmesh.From{Stream: stream, Time: since, UntilHead: true, OnJump: func(j plantmesh.Jump) error {
			if j.Incarnation == j.To && j.ToAfter > j.After {
				jumped = append(jumped, replay.Item{Incarnation: j.To, First: j.After + 1, Last: j.ToAfter})
			}
			return nil
		}}
		for d, err := range n.client.Subscribe(ctx, from) {
			for _, item := range jumped {
				if !yield(item, nil) {
					return
				}
			}
			jumped = nil
			if err != nil {
				yield(replay.Item{}, err)
				return
			}
			if !yield(replay.Item{Incarnation: d.Incarnation, Event: d.Event}, nil) {
				return
			}
		}
		for _, item := range jumped {
			if !yield(item, nil) {
				return
			}
		}
	}
}
