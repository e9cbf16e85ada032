package storage

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// TestReplicaIsAnsweredWhileTheStorageEngineHangs lets a sync never come back, and fails the log meanwhile.
func TestReplicaIsAnsweredWhileTheStorageEngineHangs(t *testing.T) {
	const s = plantmesh.StreamName("plant-a/production")
	o, err := Open("log", Options{Mesh: "acme", Site: "plant-a", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	e := &eventv1.Event{Id: "1", Source: "//plant-a/mes", Type: "a.B", Time: timestamppb.New(time.Unix(1, 0))}
	if _, err := o.Append(t.Context(), Write{Entries: []Entry{{Stream: s, Event: e}}}); err != nil {
		t.Fatal(err)
	}
	blocks, err := o.RawBlocks(t.Context(), s, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	var hangs atomic.Bool
	stuck, free := make(chan struct{}, 10), make(chan struct{})
	disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if hangs.Load() && sync && filepath.Ext(op.Path) == ".log" {
			stuck <- struct{}{}
			<-free
		}
		return nil
	}))
	r, err := Open("log", Options{Mesh: "acme", Site: "hq", FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	hangs.Store(true)
	answered := make(chan error, 1)
	go func() {
		_, err := r.AppendBlocks(t.Context(), s, blocks)
		answered <- err
	}()
	<-stuck
	r.fail(&failure{dir: "log", cause: errFrozen})
	if err := <-answered; !errors.Is(err, plantmesh.ErrStorageFailed) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Head(s); !errors.Is(err, plantmesh.ErrUnknownStream) {
		t.Errorf("what may not be durable is visible: %v", err)
	}
	close(free)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
