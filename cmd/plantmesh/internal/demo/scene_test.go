package demo

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// played is what a scene has published and found again, when all goes well: two orders at a plant that lost its data after
// the first three events.
type played struct {
	facts     []*fact
	before    history // at the plant, before the loss
	after     history // at the plant, afterwards
	atHQ      history
	journal   []odoo.Applied
	overtaken uint64
}

const (
	oldOne = plantmesh.Incarnation(7)
	newOne = plantmesh.Incarnation(9)
)

func newPlayed(t *testing.T) *played {
	t.Helper()
	one, two := order{"WO-1", "gearbox"}, order{"WO-2", "gearbox"}
	p := &played{overtaken: 5}
	for i, payload := range []proto.Message{one.released(), two.released(), one.reported(), one.completed(), two.reported(), two.completed()} {
		e, err := plantmesh.NewEvent("//plant-a/scenes", fmt.Sprint(i), scenesBegin, payload)
		if err != nil {
			t.Fatal(err)
		}
		incarnation, offset := oldOne, plantmesh.Offset(i+1)
		if i >= 3 {
			incarnation, offset = newOne, plantmesh.Offset(i-2)
		}
		p.facts = append(p.facts, &fact{event: e, receipt: plantmesh.Receipt{Stream: streamA, Incarnation: incarnation, Offset: offset}})
		p.after = append(p.after, placed{incarnation, &eventv1.RecordedEvent{Offset: uint64(offset), Site: "plant-a", Event: e}})
		p.journal = append(p.journal, odoo.Applied{Event: p.facts[i].odooKey(), Stream: streamA, Offset: offset, Subject: e.GetSubject()})
	}
	p.before, p.atHQ = slices.Clone(p.after[:3]), slices.Clone(p.after)
	return p
}

// judged is the scene, as all parts of the demo that look at it judge it.
func (p *played) judged() *Scene {
	r := newScene(sceneRecovery, "plant-a")
	r.Recovery, r.ThinLine = &Recovery{}, &ThinLine{}
	r.checkRecovered(streamA, p.before, p.after)
	r.checkAnew(p.facts, map[plantmesh.StreamName]history{streamA: p.before})
	r.checkRecorded(p.facts, p.after)
	r.compare("hq", p.after, p.atHQ)
	r.checkEffects(p.facts, p.journal)
	r.overtook(time.Second, p.overtaken)
	r.judge()
	return r
}

func TestSceneInWhichAllGoesWellHolds(t *testing.T) {
	if r := newPlayed(t).judged(); !r.OK || r.failed() || r.Recovered != 3 {
		t.Errorf("%+v %v, %d recovered", r.Tally, r.Faults, r.Recovered)
	}
}

// Whatever goes wrong in a scene, it does not hold, and says why.
func TestSceneSeesEveryFault(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(p *played)
		sees  func(r *Scene) bool
	}{
		"acknowledged, and not recovered": {
			func(p *played) { p.after = slices.Delete(slices.Clone(p.after), 1, 2) },
			func(r *Scene) bool { return r.Lost >= 1 },
		},
		"recovered in another order": {
			func(p *played) { p.after[0], p.after[1] = p.after[1], p.after[0] },
			func(r *Scene) bool { return r.OutOfOrder >= 1 },
		},
		"recovered with other content": {
			func(p *played) {
				other := proto.CloneOf(p.after[0].recorded)
				other.Event.Data = nil
				p.after[0].recorded = other
			},
			func(r *Scene) bool { return len(r.Faults) >= 1 },
		},
		"an offset given again": {
			func(p *played) {
				for i := 3; i < 6; i++ {
					p.after[i].incarnation, p.facts[i].receipt.Incarnation = oldOne, oldOne
				}
			},
			func(r *Scene) bool { return len(r.Faults) >= 3 },
		},
		"recorded elsewhere than acknowledged": {
			func(p *played) { p.facts[4].receipt.Offset++ },
			func(r *Scene) bool { return r.OutOfOrder == 1 },
		},
		"lost on the way to hq": {
			func(p *played) { p.atHQ = p.atHQ[:5] },
			func(r *Scene) bool { return r.Lost == 1 },
		},
		"doubled on the way to hq": {
			func(p *played) { p.atHQ = append(p.atHQ, p.atHQ[5]) },
			func(r *Scene) bool { return r.Doubled == 1 },
		},
		"of another incarnation at hq": {
			func(p *played) { p.atHQ[5].incarnation = oldOne },
			func(r *Scene) bool { return r.OutOfOrder == 1 },
		},
		"at hq, and published by nobody": {
			func(p *played) { p.after = p.after[:5]; p.facts = p.facts[:5] },
			func(r *Scene) bool { return len(r.Faults) == 1 },
		},
		"lost in Odoo": {
			func(p *played) { p.journal = p.journal[:5] },
			func(r *Scene) bool { return r.Lost == 1 },
		},
		"doubled in Odoo": {
			func(p *played) { p.journal = append(p.journal, p.journal[5]) },
			func(r *Scene) bool { return r.Doubled == 1 },
		},
		"past its subject's order in Odoo": {
			func(p *played) { p.journal[2], p.journal[3] = p.journal[3], p.journal[2] },
			func(r *Scene) bool { return r.OutOfOrder == 1 },
		},
		"discarded, and in Odoo": {
			func(p *played) { p.facts[2].discarded = true },
			func(r *Scene) bool { return len(r.Faults) == 1 },
		},
		"a hold behind the whole backlog": {
			func(p *played) { p.overtaken = 0 },
			func(r *Scene) bool { return len(r.Faults) == 1 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlayed(t)
			c.spoil(p)
			if r := p.judged(); r.OK || !r.failed() || !c.sees(r) {
				t.Errorf("%+v %q", r.Tally, r.Faults)
			}
		})
	}
}

// Subjects flow past one another: only the order within one counts.
func TestSubjectsMayPassOneAnotherInOdoo(t *testing.T) {
	p := newPlayed(t)
	p.journal[3], p.journal[4] = p.journal[4], p.journal[3]
	if r := p.judged(); !r.OK {
		t.Errorf("%+v %q", r.Tally, r.Faults)
	}
}

func TestVerdictFailsWithASceneAndNotWithOneThatIsLeftOut(t *testing.T) {
	bad, left := newScene(scenePartition, siteCut), newScene(scenePartition, siteCut)
	bad.fault("gone")
	left.LeftOut = "there was nothing to show"
	for _, c := range []struct {
		scene    *Scene
		verified bool
		says     string
	}{{bad, false, "scene partition FAILED"}, {left, true, "scene partition is left out: there was nothing to show"}} {
		c.scene.judge()
		r := judge(whole(t))
		r.addScenes([]*Scene{c.scene})
		var out strings.Builder
		if err := r.print(Options{Out: &out, Err: io.Discard}, ""); err != nil {
			t.Fatal(err)
		}
		if r.Verified != c.verified || !strings.Contains(out.String(), c.says) || strings.Contains(out.String(), "VERIFIED:") != c.verified {
			t.Errorf("verified %v:\n%s", r.Verified, &out)
		}
	}
}

func TestUnknownSceneIsRefusedWithThoseThereAre(t *testing.T) {
	o := Options{Orders: 1, Scenes: []string{scenePartition, "nope"}}
	if err := o.validate(); err == nil || !strings.Contains(err.Error(), `--scenes "nope": there is no such scene; there are: partition, recovery, parking, thin-line`) {
		t.Errorf("%v", err)
	}
}
