package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// stalled waits until a replica stalls for a reason that holds every one of some words.
func (n *node) stalled(stream plantmesh.StreamName, words ...string) {
	n.Helper()
	var r mesh.Replica
	n.eventually("stalled", func(s mesh.Status) bool {
		for _, r = range s.Replicas {
			if r.Stream == stream && r.State == adminv1.ReplicaState_REPLICA_STATE_STALLED {
				return true
			}
		}
		return false
	})
	for _, word := range words {
		if !strings.Contains(r.Reason, word) {
			n.Errorf("reason %q does not say %q", r.Reason, word)
		}
	}
}

func TestOriginRestoredFromABackupStallsTheReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		disk := vfs.NewCrashableMem()
		plant := w.add("plant-a", mesh.Config{})
		plant.disk = disk
		plant.start().publish(50)
		backup := disk.CrashClone(vfs.CrashCloneCfg{})
		plant.publish(50)
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything}).start()
		hq.holds(plant, plant.stream())

		plant.stop()
		plant.disk = backup
		plant.start()
		hq.stalled(plant.stream(), "it holds 1 to 50", "this copy holds more than the origin")
		// It goes on with other events under the same offsets: a second history.
		plant.publish(50)
		pass(2 * mesh.DefaultStallRetry)
		hq.stalled(plant.stream(), "chain diverged", "plantmesh verify")
		plant.publish(50)
		pass(2 * mesh.DefaultStallRetry)
		hq.stalled(plant.stream(), "chain diverged")
		if head, err := hq.running.log.Head(plant.stream()); err != nil || head.Offset != 100 {
			t.Errorf("the replica moved: %+v, %v", head, err)
		}
	})
}

// failingLog fails appends to one stream while told to.
type failingLog struct {
	*storage.Log
	fail *atomic.Bool
}

func (l failingLog) AppendBlocks(ctx context.Context, s plantmesh.StreamName, blocks [][]byte, checkpoints ...plantmesh.Checkpoint) (plantmesh.Head, error) {
	if l.fail.Load() && s != quality {
		return plantmesh.Head{}, fmt.Errorf("append to replica %s: %w: %w", s, plantmesh.ErrStorageFailed, errors.New("no space left on device"))
	}
	return l.Log.AppendBlocks(ctx, s, blocks, checkpoints...)
}

func TestStorageFailureStallsTheStreamUntilItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		plant.publish(20)
		plant.publishTo(quality, 20, 0)
		var fail atomic.Bool
		fail.Store(true)
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything})
		hq.wrap = func(l *storage.Log) mesh.Log { return failingLog{l, &fail} }
		hq.start().stalled(plant.stream(), "no space left on device", "check the disk of this node")
		hq.holds(plant, quality)
		if !connected(hq.running.mesh.Status()) {
			t.Error("the link went down with the stream")
		}
		fail.Store(false)
		hq.holds(plant, plant.stream())
		r := hq.running.mesh.Status().Replicas[0]
		if r.State != adminv1.ReplicaState_REPLICA_STATE_CURRENT || r.Reason != "" {
			t.Errorf("replica %+v", r)
		}
	})
}
