package mesh_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	"github.com/plantmesh/plantmesh/storage"
)

// growingLog grows behind every read of blocks, as a relay's log does under load.
type growingLog struct {
	*storage.Log
	grow func()
}

func (l growingLog) RawBlocksOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) ([][]byte, error) {
	blocks, err := l.Log.RawBlocksOf(ctx, s, i, after, maxBytes)
	l.grow()
	return blocks, err
}

// The newest checkpoint moves on while a relay reads what it signs: the relay must not take that for blocks that nobody
// signed, and the stream must not pause.
func TestRelayServesAStreamThatGrowsWhileItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		var left atomic.Int64
		var origin *node
		sites := w.build(topology{"a": {}, "hub": {"a"}, "c": {"hub"}}, func(n *node) {
			switch n.site {
			case "a":
				origin = n
			case "hub":
				n.wrap = func(l *storage.Log) mesh.Log {
					return growingLog{l, func() {
						if left.Add(-1) < 0 {
							return
						}
						before, _ := l.Head("a/production")
						origin.publish(1)
						for head := before; head.Offset == before.Offset; head, _ = l.Head("a/production") {
							pass(time.Millisecond)
						}
					}}
				}
			}
		})
		sites["a"].publish(1)
		sites["c"].holds(sites["a"], "a/production")
		left.Store(30)
		began := time.Now()
		sites["a"].publish(1)
		sites["c"].eventually("31 more events", func(mesh.Status) bool {
			head, err := sites["c"].running.log.Head("a/production")
			return err == nil && head.Offset == 32
		})
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the stream paused: it took %s", took)
		}
	})
}
