package node

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/api"
	"github.com/plantmesh/plantmesh/node/consumers"
	"github.com/plantmesh/plantmesh/node/exceptions"
	"github.com/plantmesh/plantmesh/node/retention"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// durable are all durable consumers of a node: the Odoo applier, where there is one, and those of clients.
type durable struct {
	*consumers.Registry
	erp *erp
}

// Consumer finds one by its full name.
func (d durable) Consumer(name string) (api.Consumer, bool) {
	if d.erp != nil && name == odooOwner {
		return d.erp.consumer, true
	}
	n, ok := d.Get(name)
	return n, ok
}

// List describes all, by name.
func (d durable) List() []*adminv1.Consumer {
	all := d.Registry.List()
	if d.erp != nil {
		own := &adminv1.Consumer{Name: odooOwner}
		consumers.Describe(own, d.erp.consumer.Status())
		own.Problem = joinProblems(d.erp.applier.Status().Problem, own.GetProblem())
		all = append(all, own)
	}
	slices.SortFunc(all, func(a, b *adminv1.Consumer) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return all
}

// Delete removes a client's.
func (d durable) Delete(name string) error {
	if d.erp != nil && name == odooOwner {
		return fmt.Errorf("%w: %s is the node's own consumer: take `odoo` out of its configuration instead", plantmesh.ErrInvalidRequest, name)
	}
	return d.Registry.Delete(name)
}

// readers are the places up to which they need their streams no more.
func (d durable) readers() []retention.Reader { return append(d.Readers(), d.erp.readers()...) }

// parkedFor is how long a subject is parked before somebody has to look: what it waits for may be on its way.
const parkedFor = 30 * time.Second

// parked are the subjects that all have set aside for so long.
func (d durable) parked() (all []exceptions.ParkedSubject) {
	for _, about := range d.List() {
		c, ok := d.Consumer(about.GetName())
		if !ok || about.GetParkedSubjects() == 0 {
			continue
		}
		for _, p := range c.ParkedSubjects() {
			if time.Since(p.GetSince().AsTime()) < parkedFor {
				continue
			}
			all = append(all, exceptions.ParkedSubject{
				Consumer: about.GetName(), Stream: plantmesh.StreamName(p.GetStream()), Subject: p.GetSubject(),
				Event: fmt.Sprintf("%s@%d (%s)", p.GetEventType(), p.GetOffset(), p.GetEventId()), Reason: p.GetReason(),
			})
		}
	}
	return all
}
