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

// muteLog never comes back with blocks.
type muteLog struct{ *storage.Log }

func (muteLog) RawBlocksOf(ctx context.Context, _ plantmesh.StreamName, _ plantmesh.Incarnation, _ plantmesh.Offset, _ int) ([][]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestNewReplicaMovesToAnotherSourceWhenTheFirstStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {}, "r1": {"a"}, "r2": {"a"}}, func(n *node) {
			if n.site == "r1" { // is asked first: all else is equal
				n.wrap = func(l *storage.Log) mesh.Log { return muteLog{l} }
			}
		})
		a := sites["a"]
		a.publish(20)
		sites["r1"].holds(a, a.stream())
		sites["r2"].holds(a, a.stream())
		pass(time.Minute)
		c := w.add("c", mesh.Config{Peers: []string{meshtest.Address("r1"), meshtest.Address("r2")}, Subscriptions: everything}).start()
		// What a new connection begins with keeps it busy for a second or two. The source is quiet from then on.
		c.holdsWithin(a, a.stream(), 10*time.Second)
	})
}

// Who failed once is asked again when its time has come, also while the stream waits at another site that has nothing new.
func TestSourceThatFailedIsAskedAgainThoughNobodyHasNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		var lie atomic.Int32
		sites := w.build(topology{"a": {}, "r": {"a"}, "c": {"a", "r"}}, func(n *node) {
			if n.site == "a" {
				n.wrap = func(l *storage.Log) mesh.Log { return lyingLog{l, &lie} }
			}
		})
		a, c := sites["a"], sites["c"]
		a.publish(10)
		c.holds(a, a.stream())
		sites["r"].holds(a, a.stream())
		w.fabric.Cut("r", "a", meshtest.Break)
		lie.Store(int32(lieBlocks))
		a.publish(10)
		pass(5 * time.Second)
		lie.Store(int32(honest))
		c.holdsWithin(a, a.stream(), time.Minute)
	})
}
