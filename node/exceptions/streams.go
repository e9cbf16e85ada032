package exceptions

import (
	"errors"
	"fmt"
	"strings"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// Streams looks for replicas that cannot go on: of another history than their origin's, or behind what any site retains.
func Streams(status func() []mesh.Replica) Source { return streams{status} }

type streams struct{ status func() []mesh.Replica }

func (streams) Kinds() []string { return []string{KindDiverged, KindGap} }

func (s streams) Conditions() (all []Condition) {
	for _, r := range s.status() {
		if kind := kindOf(r.Err); kind != "" {
			all = append(all, Condition{
				Kind: kind, About: string(r.Stream), Summary: r.Reason, Owner: Operations,
				Action: "Look at plantmesh status and plantmesh verify on both sites. Keep both data folders until it is clear which history counts.",
			})
		}
	}
	return all
}

// kindOf is empty for what is neither a diverged stream nor a gap.
func kindOf(err error) string {
	switch {
	case errors.Is(err, plantmesh.ErrChainDiverged), errors.Is(err, plantmesh.ErrOffsetBeyondHead), errors.Is(err, plantmesh.ErrIncarnationChanged):
		return KindDiverged
	case errors.Is(err, plantmesh.ErrOffsetTrimmed):
		return KindGap
	}
	return ""
}

// Ended needs a source that serves the stream: one that is away may come back with the same.
func (s streams) Ended(o Open) (bool, string) {
	for _, r := range s.status() {
		if string(r.Stream) == o.About {
			goesOn := r.State == adminv1.ReplicaState_REPLICA_STATE_CURRENT || r.State == adminv1.ReplicaState_REPLICA_STATE_CATCHING_UP
			return goesOn, fmt.Sprintf("The replica goes on from %s, at offset %d.", r.Link, r.Offset)
		}
	}
	return true, "The stream is not replicated any more."
}

// Members looks for clocks of linked sites that are off by more than the limit.
func Members(status func() []mesh.Member) Source { return clocks{status} }

type clocks struct{ status func() []mesh.Member }

func (clocks) Kinds() []string { return []string{KindClockSkew} }

func (c clocks) Conditions() (all []Condition) {
	for _, m := range c.status() {
		if m.Measured && m.ClockSkewed {
			all = append(all, Condition{
				Kind: KindClockSkew, About: string(m.Site), Owner: Operations,
				Summary: fmt.Sprintf("The clock of %s differs from this site's by more than limits.clock_skew.", m.Site),
				Action:  "Set the clocks of both by a time server. The times of events of one of them are wrong.",
			})
		}
	}
	return all
}

func (c clocks) Ended(o Open) (bool, string) {
	for _, m := range c.status() {
		if string(m.Site) == o.About && m.Measured && !m.ClockSkewed {
			return true, "The clocks agree again."
		}
	}
	return false, ""
}

// Damage is what a log knows of its disk.
type Damage interface{ Damages() []storage.Damage }

// Lost looks for runs of events that the disk damaged and that nobody has. passes is how often the whole log was read again
// since the node started: damage that is not known may only not have been found yet.
func Lost(log Damage, passes func() uint64) Source { return lost{log, passes} }

type lost struct {
	log    Damage
	passes func() uint64
}

func (lost) Kinds() []string { return []string{KindLost} }

func (l lost) Conditions() (all []Condition) {
	for _, d := range l.log.Damages() {
		if d.Lost {
			all = append(all, Condition{
				Kind: KindLost, About: aboutDamage(d), Summary: "Stored events are damaged, and nobody who could be asked has had them for a day: " + d.Cause, Owner: Operations,
				Action: "Check the disk. Link a site that has the events, and they are repaired; readers are led past them by a gap meanwhile.",
			})
		}
	}
	return all
}

func (l lost) Ended(o Open) (bool, string) {
	for _, d := range l.log.Damages() {
		if aboutDamage(d) == o.About {
			return false, ""
		}
	}
	return l.passes() > 0, "The events are readable again, or not kept any more."
}

func aboutDamage(d storage.Damage) string {
	return fmt.Sprintf("%s@%d-%d of incarnation %d", d.Stream, d.First, d.Last, d.Incarnation)
}

// Parked looks for subjects that a consumer set aside.
func Parked(list func() []ParkedSubject) Source { return parked{list} }

// ParkedSubject is a subject that a consumer set aside.
type ParkedSubject struct {
	Consumer string
	Stream   plantmesh.StreamName
	Subject  string
	Event    string // what holds it up, for people
	Reason   string
}

type parked struct{ list func() []ParkedSubject }

func (parked) Kinds() []string { return []string{KindParked} }

func (p ParkedSubject) about() string {
	return strings.Join([]string{p.Consumer, string(p.Stream), p.Subject}, " ")
}

func (p parked) Conditions() (all []Condition) {
	for _, one := range p.list() {
		if ownStream(one.Stream) {
			continue
		}
		all = append(all, Condition{
			Kind: KindParked, About: one.about(), Owner: Operations, Summary: one.Event + " cannot be applied: " + one.Reason,
			Action: "Mend the cause; it is tried again by itself, or at once by plantmesh parked retry. Or give it up with plantmesh parked discard.",
		})
	}
	return all
}

// Ended: a consumer knows what is parked from its start on.
func (parked) Ended(Open) (bool, string) {
	return true, "The subject goes on: its event was applied, or discarded."
}
