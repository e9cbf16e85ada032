package odootest

import (
	"errors"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh/node/consumer"
)

// RunReadOnly holds a target to what has to come of events while its database takes no changes, as in a failover. set says whether it does.
func RunReadOnly(t *testing.T, target Target, set func(readOnly bool)) {
	p := newPlant(t, target)
	if err := p.applier.Handle(t.Context(), p.record(p.setup(p.name("WO")))); err != nil {
		t.Fatal(err)
	}
	set(true)
	d := p.record(p.setup(p.name("WO")))
	var park *consumer.ParkError
	err := p.applier.Handle(t.Context(), d)
	set(false)
	if err == nil || errors.As(err, &park) {
		t.Errorf("on a read-only database: %v, want a fault that passes", err)
	}
	if err := untilApplied(t.Context(), p.applier, d); err != nil {
		t.Errorf("after it: %v", err)
	}
	p.once(d)
}

// RunRestart holds a target to what has to come of events while the server restarts in the middle of them.
func RunRestart(t *testing.T, target Target, restart func()) {
	const before, all = 5, 30
	p := newPlant(t, target)
	var list []consumer.Delivery
	for range all {
		list = append(list, p.record(p.setup(p.name("WO"))))
	}
	begun := make(chan struct{})
	var group errgroup.Group
	group.Go(func() error {
		for i, d := range list {
			if i == before {
				close(begun)
			}
			if err := untilApplied(t.Context(), p.applier, d); err != nil {
				return err
			}
		}
		return nil
	})
	<-begun
	restart()
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		p.once(d)
	}
}
