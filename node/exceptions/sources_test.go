package exceptions_test

import (
	"fmt"
	"testing"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/gossip"
	"github.com/plantmesh/plantmesh/node/exceptions"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// found is what a source says holds, in short.
func found(s exceptions.Source) string {
	var all []string
	for _, c := range s.Conditions() {
		all = append(all, c.Kind+" "+c.About)
	}
	return fmt.Sprint(all)
}

func ended(s exceptions.Source, about string) bool {
	ok, _ := s.Ended(exceptions.Open{Condition: exceptions.Condition{Kind: s.Kinds()[0], About: about}})
	return ok
}

const (
	stalled      = adminv1.ReplicaState_REPLICA_STATE_STALLED
	disconnected = adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED
	current      = adminv1.ReplicaState_REPLICA_STATE_CURRENT
)

func TestStalledReplicaIsAConditionUntilItGoesOn(t *testing.T) {
	var now []mesh.Replica
	s := exceptions.Streams(func() []mesh.Replica { return now })
	for _, c := range []struct {
		replica mesh.Replica
		holds   string
		ended   bool
	}{
		{mesh.Replica{Stream: "a/x", State: stalled, Err: fmt.Errorf("at 7: %w", plantmesh.ErrChainDiverged)}, "[stream-diverged a/x]", false},
		{mesh.Replica{Stream: "a/x", State: stalled, Err: &plantmesh.OffsetError{Err: plantmesh.ErrOffsetBeyondHead}}, "[stream-diverged a/x]", false},
		{mesh.Replica{Stream: "a/x", State: stalled, Err: &plantmesh.OffsetError{Err: plantmesh.ErrOffsetTrimmed}}, "[stream-gap a/x]", false},
		{mesh.Replica{Stream: "a/exceptions", State: stalled, Err: plantmesh.ErrChainDiverged}, "[stream-diverged a/exceptions]", true},
		{mesh.Replica{Stream: "a/x", State: stalled, Err: plantmesh.ErrExportDenied}, "[]", false}, // refused: the audit stream has it
		{mesh.Replica{Stream: "a/x", State: disconnected}, "[]", false},                            // it may come back with the same
		{mesh.Replica{Stream: "a/x", State: current}, "[]", true},
	} {
		now = []mesh.Replica{c.replica}
		if got := found(s); got != c.holds || ended(s, "a/x") != c.ended {
			t.Errorf("%+v: %s, ended %v", c.replica, got, ended(s, "a/x"))
		}
	}
	if now = nil; !ended(s, "a/x") {
		t.Error("a stream that is not replicated any more stays a condition")
	}
}

func TestClockIsAConditionUntilItWasMeasuredWithin(t *testing.T) {
	b := mesh.Member{Member: gossip.Member{Site: "plant-b"}, Measured: true, ClockSkewed: true}
	s := exceptions.Members(func() []mesh.Member { return []mesh.Member{b} })
	if found(s) != "[clock-skew plant-b]" || ended(s, "plant-b") {
		t.Errorf("skewed: %s", found(s))
	}
	b.Measured = false // the link is down
	if found(s) != "[]" || ended(s, "plant-b") {
		t.Errorf("not measured: %s", found(s))
	}
	b.Measured, b.ClockSkewed = true, false
	if found(s) != "[]" || !ended(s, "plant-b") {
		t.Errorf("within the limit: %s", found(s))
	}
}

type damages []storage.Damage

func (d *damages) Damages() []storage.Damage { return *d }

func TestLostRangeIsAConditionUntilTheWholeLogWasReadWithoutIt(t *testing.T) {
	lost := storage.Damage{Stream: "a/x", Incarnation: 3, First: 7, Last: 9, Lost: true}
	d, passes := damages{lost}, uint64(0)
	s := exceptions.Lost(&d, func() uint64 { return passes })
	const about = "a/x@7-9 of incarnation 3"
	if found(s) != "[range-lost "+about+"]" {
		t.Errorf("lost: %s", found(s))
	}
	d = nil // a restart: nothing was read yet
	if ended(s, about) {
		t.Error("ended before anything was read")
	}
	lost.Lost = false
	d, passes = damages{lost}, 1 // found again, and not given up yet
	if ended(s, about) || found(s) != "[]" {
		t.Error("ended though it is damaged")
	}
	if d = nil; !ended(s, about) {
		t.Error("not ended though the whole log was read")
	}
}

func TestParkedSubjectIsAConditionButOfTheNodesOwnStreams(t *testing.T) {
	list := []exceptions.ParkedSubject{
		{Consumer: "odoo", Stream: "a/x", Subject: "order/1", Event: "Released@4 (id)", Reason: "no such item"},
		{Consumer: "odoo", Stream: "a/exceptions", Subject: "exception/1"}, // an exception of this would be parked next
		{Consumer: "odoo", Stream: "a/audit", Subject: "peer/hq"},
	}
	s := exceptions.Parked(func() []exceptions.ParkedSubject { return list })
	if found(s) != "[subject-parked odoo a/x order/1]" || s.Conditions()[0].Summary != "Released@4 (id) cannot be applied: no such item" {
		t.Errorf("%+v", s.Conditions())
	}
	if !ended(s, "odoo a/x order/1") {
		t.Error("not ended once it is not parked")
	}
}
