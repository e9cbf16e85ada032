package mesh_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// refusals is what a site was told that it refused.
type refusals struct {
	mu  sync.Mutex
	all []mesh.Refusal
}

func (r *refusals) note(one mesh.Refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
}

func (r *refusals) list() []mesh.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

func TestWithheldStreamIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := pair(t)
		plant.publish(10)
		hq.holds(plant, plant.stream())
		plant.stop()
		plant.config.Export = []mesh.ExportRule{{Streams: []string{"quality"}, To: []string{"*"}}}
		plant.start().publish(10)
		hq.stalled(plant.stream(), "no export rule at plant-a allows plant-a/production to hq", "ask for an export rule at the origin")
	})
}

// Who subscribes to a stream by its name, and may not have it, is told so, though the stream is not named to it; who refuses
// knows whom, and what. A rule mends it without a restart.
func TestRefusalIsVisibleOnBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		var told refusals
		plant := w.add("plant-a", mesh.Config{Export: []mesh.ExportRule{{Streams: []string{"quality"}, To: []string{"*"}}}})
		plant.config.Refused = told.note
		plant.start().publish(10)
		hq := w.add("hq", mesh.Config{
			Peers: []string{plant.address}, Subscriptions: []mesh.Subscription{{From: "plant-*", Streams: []string{"production", "unheard-of", "qual*"}}},
		}).start()
		hq.stalled(plant.stream(), "no export rule at plant-a allows plant-a/production to hq")
		hq.stalled("plant-a/unheard-of", "no export rule at plant-a allows plant-a/unheard-of to hq") // withheld, and it does not exist
		for _, r := range hq.running.mesh.Status().Replicas {
			if !errors.Is(r.Err, plantmesh.ErrExportDenied) {
				t.Errorf("replica %+v", r)
			}
		}
		if all := told.list(); len(all) != 2 || !all[0].Known || all[1].Known || all[1].Stream != "plant-a/unheard-of" || all[1].Peer != siteID("hq") ||
			all[1].Action != mesh.ActionReadChain || !errors.Is(all[1].Err, plantmesh.ErrExportDenied) {
			t.Errorf("told %+v", all)
		}
		pass(10 * time.Minute)
		if count := len(told.list()); count > 2*45 {
			t.Errorf("it was asked %d times in ten minutes", count)
		}
		if err := hq.replicate("plant-a", plant.stream()); !errors.Is(err, plantmesh.ErrExportDenied) {
			t.Fatal(err)
		}
		all := told.list()
		if one := all[len(all)-1]; one.Action != mesh.ActionReplicate || one.Stream != plant.stream() || !one.Known {
			t.Errorf("asked to replicate: %+v", one)
		}
		plant.stop()
		plant.config.Export = nil
		plant.start()
		hq.holds(plant, plant.stream())
		hq.eventually("only what there is", func(s mesh.Status) bool {
			return len(s.Replicas) == 1 && s.Replicas[0].State == adminv1.ReplicaState_REPLICA_STATE_CURRENT && s.Replicas[0].Err == nil
		})
		hq.running.mesh.SetSubscriptions(nil)
		for _, r := range hq.running.mesh.Status().Replicas {
			if strings.Contains(string(r.Stream), "unheard") {
				t.Errorf("still %+v", r)
			}
		}
	})
}
