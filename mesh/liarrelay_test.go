package mesh_test

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// forgingLog is a relay's log whose word of what the origin signed is another.
type forgingLog struct {
	*storage.Log
	forging *atomic.Bool
	forge   func(plantmesh.Checkpoint) plantmesh.Checkpoint
	keys    func() [][]byte // given out as the origin's; nil: as they are
}

func (l forgingLog) forged(c plantmesh.Checkpoint) plantmesh.Checkpoint {
	if c.Signed == nil || !l.forging.Load() {
		return c
	}
	return l.forge(c)
}

func (l forgingLog) Checkpoint(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Checkpoint, error) {
	c, err := l.Log.Checkpoint(s, i)
	return l.forged(c), err
}

func (l forgingLog) Checkpoints(s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, limit int) ([]plantmesh.Checkpoint, error) {
	all, err := l.Log.Checkpoints(s, i, after, limit)
	for at := range all {
		all[at] = l.forged(all[at])
	}
	return all, err
}

func (l forgingLog) Vouchers(site plantmesh.SiteID) ([][]byte, error) {
	if l.keys != nil && l.forging.Load() {
		return l.keys(), nil
	}
	return l.Log.Vouchers(site)
}

// resigned is a checkpoint that another site's key signed.
func resigned(key *plantmesh.SigningKey, c plantmesh.Checkpoint) plantmesh.Checkpoint {
	signed, err := key.Sign(c)
	if err != nil {
		panic(err)
	}
	return signed
}

// rewritten is a checkpoint whose text is another under the same signature.
func rewritten(c plantmesh.Checkpoint, change func(*peerv1.Checkpoint)) plantmesh.Checkpoint {
	var outer peerv1.SignedCheckpoint
	var inner peerv1.Checkpoint
	err := errors.Join(proto.Unmarshal(c.Signed, &outer), proto.Unmarshal(outer.GetCheckpoint(), &inner))
	change(&inner)
	body, bodyErr := proto.Marshal(&inner)
	outer.Checkpoint = body
	signed, signErr := proto.Marshal(&outer)
	if err := errors.Join(err, bodyErr, signErr); err != nil {
		panic(err)
	}
	c.Signed = signed
	return c
}

// A relay cannot pass on anything that the origin did not sign, nor under other rules, and once it is honest the stream goes on.
func TestRelayThatForgesIsNotBelieved(t *testing.T) {
	type forgery struct {
		forge func(hub *node, c plantmesh.Checkpoint) plantmesh.Checkpoint
		keys  bool // the relay says its own key is the origin's
		words []string
	}
	for name, c := range map[string]forgery{
		"a signature that is not the origin's": {func(_ *node, c plantmesh.Checkpoint) plantmesh.Checkpoint {
			c.Signed = slices.Clone(c.Signed)
			c.Signed[len(c.Signed)-1] ^= 1
			return c
		}, false, []string{"the signature is not that of a"}},
		"a signature of its own": {func(hub *node, c plantmesh.Checkpoint) plantmesh.Checkpoint {
			return resigned(hub.config.SigningKey, c)
		}, false, []string{"no voucher of a for its key"}},
		"a signature of its own, and its key as the origin's": {func(hub *node, c plantmesh.Checkpoint) plantmesh.Checkpoint {
			return resigned(hub.config.SigningKey, c)
		}, true, []string{"no voucher of a for its key"}},
		"wider rules": {func(_ *node, c plantmesh.Checkpoint) plantmesh.Checkpoint {
			return rewritten(c, func(m *peerv1.Checkpoint) { m.Export = append(m.Export, &peerv1.ExportRule{To: []string{"evil-*"}}) })
		}, false, []string{"the signature is not that of a"}},
		"another history": {func(_ *node, c plantmesh.Checkpoint) plantmesh.Checkpoint {
			return rewritten(c, func(m *peerv1.Checkpoint) { m.Chain[0] ^= 1 })
		}, false, []string{"the signature is not that of a"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var forging atomic.Bool
				forging.Store(true)
				w := newWorld(t, meshtest.NewFabric())
				sites := w.build(topology{"a": {}, "hub": {"a"}, "c": {"hub"}}, func(n *node) {
					if n.site != "hub" {
						return
					}
					n.wrap = func(l *storage.Log) mesh.Log {
						log := forgingLog{Log: l, forging: &forging, forge: func(cp plantmesh.Checkpoint) plantmesh.Checkpoint { return c.forge(n, cp) }}
						if c.keys {
							log.keys = func() [][]byte { return [][]byte{n.config.SigningKey.Voucher()} }
						}
						return log
					}
				})
				a, reader := sites["a"], sites["c"]
				a.publish(20)
				sites["hub"].holds(a, a.stream())
				reader.stalled(a.stream(), c.words...)
				if head, err := reader.running.log.Head(a.stream()); !errors.Is(err, plantmesh.ErrUnknownStream) {
					t.Errorf("it took %+v, %v", head, err)
				}
				forging.Store(false)
				reader.holdsWithin(a, a.stream(), 2*time.Minute)
			})
		})
	}
}

// A block that the relay altered, with a checksum that fits, is not what the origin signed.
func TestRelayThatAltersABlockIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lie atomic.Int32
		lie.Store(int32(lieForged))
		w := newWorld(t, meshtest.NewFabric())
		sites := w.build(topology{"a": {}, "hub": {"a"}, "c": {"hub"}}, func(n *node) {
			if n.site == "hub" {
				n.wrap = func(l *storage.Log) mesh.Log { return lyingLog{l, &lie} }
			}
		})
		a, c := sites["a"], sites["c"]
		a.publish(10)
		sites["hub"].holds(a, a.stream())
		pass(20 * time.Second)
		if head, err := c.running.log.Head(a.stream()); !errors.Is(err, plantmesh.ErrUnknownStream) {
			t.Errorf("it took %+v, %v", head, err)
		}
		c.stalled(a.stream())
		lie.Store(int32(honest))
		c.holdsWithin(a, a.stream(), 2*time.Minute)
	})
}
