package mesh_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// liar is a site with a good certificate and a PeerService that does as it likes.
type liar struct {
	peerv1.UnimplementedPeerServiceServer
	answer func(*peerv1.HelloResponse) // changes a good greeting
	heads  []*peerv1.StreamHead        // offered
	mute   chan struct{}               // once closed, nothing is sent any more
	serve  func(stream string, call peerv1.PeerService_ReplicateServer) error
}

func (l *liar) Hello(context.Context, *peerv1.HelloRequest) (*peerv1.HelloResponse, error) {
	r := &peerv1.HelloResponse{Node: &peerv1.NodeInfo{Mesh: meshName, Site: "plant-a", Region: "eu", Version: "liar", Time: timestamppb.Now()}, Protocol: 1}
	if l.answer != nil {
		l.answer(r)
	}
	return r, nil
}

func (l *liar) WatchStreams(_ *peerv1.WatchStreamsRequest, call grpc.ServerStreamingServer[peerv1.WatchStreamsResponse]) error {
	for {
		if err := call.Send(&peerv1.WatchStreamsResponse{Heads: l.heads, Time: timestamppb.Now()}); err != nil {
			return err
		}
		select {
		case <-time.After(4 * time.Second):
		case <-l.mute:
			<-call.Context().Done()
			return call.Context().Err()
		case <-call.Context().Done():
			return call.Context().Err()
		}
	}
}

func (l *liar) Replicate(call peerv1.PeerService_ReplicateServer) error {
	r, err := call.Recv()
	if err != nil {
		return err
	}
	return l.serve(r.GetStart().GetStream(), call)
}

// offer names streams with a head.
func offer(names ...string) []*peerv1.StreamHead {
	var heads []*peerv1.StreamHead
	for _, name := range names {
		heads = append(heads, &peerv1.StreamHead{Stream: name, Incarnation: 1, Offset: 50, Time: timestamppb.Now()})
	}
	return heads
}

// frames accepts a call, sends frames of blocks, and waits for its end.
func frames(call peerv1.PeerService_ReplicateServer, all ...[][]byte) error {
	for _, blocks := range append([][][]byte{nil}, all...) {
		if err := call.Send(&peerv1.ReplicateResponse{Blocks: blocks, HeadOffset: 50, HeadTime: timestamppb.Now()}); err != nil {
			return err
		}
	}
	<-call.Context().Done()
	return call.Context().Err()
}

// lie starts the liar as plant-a, and hq which links to it.
func lie(t *testing.T, l *liar) (w *world, hq *node) {
	t.Helper()
	w = newWorld(t, meshtest.NewFabric())
	creds := w.credentials(w.ca, siteID("plant-a"))
	listener, err := w.fabric.Listen("plant-a")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(append(mesh.ServerOptions(), grpc.Creds(credentials.NewTLS(creds.ServerConfig())))...)
	peerv1.RegisterPeerServiceServer(server, l)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	hq = w.add("hq", mesh.Config{Peers: []string{meshtest.Address("plant-a")}, Subscriptions: everything}).start()
	t.Cleanup(func() {
		hq.stop()
		server.Stop()
		<-done
	})
	return w, hq
}

// history makes plant-a's blocks of a stream, as a real one does: five blocks of ten events.
func history(t *testing.T, w *world, stream plantmesh.StreamName) [][]byte {
	t.Helper()
	log, err := storage.Open("log", storage.Options{Mesh: meshName, Site: "plant-a", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	n := &node{world: w, site: "plant-a", running: &running{log: log}}
	n.publishTo(stream, 50, 0)
	blocks, err := log.RawBlocks(t.Context(), stream, 0, 1<<20)
	if err != nil || len(blocks) != 5 {
		t.Fatalf("%d blocks, %v", len(blocks), err)
	}
	return blocks
}

func TestBlocksThatAreNotTheOriginsHistoryAreRefused(t *testing.T) {
	changed := func(block []byte, at int) []byte {
		b := slices.Clone(block)
		b[(at+len(b))%len(b)] ^= 1
		return b
	}
	cases := map[string]struct {
		send  func(good, other [][]byte) [][]byte
		words []string
		held  plantmesh.Offset // what the good blocks before leave behind
	}{
		"a flipped bit in the payload":  {func(g, _ [][]byte) [][]byte { return [][]byte{changed(g[0], -1)} }, []string{"corrupt block", "checksum", "check its disk"}, 0},
		"a flipped bit in the header":   {func(g, _ [][]byte) [][]byte { return [][]byte{changed(g[0], 30)} }, []string{"corrupt block"}, 0},
		"a block cut short":             {func(g, _ [][]byte) [][]byte { return [][]byte{g[0][:len(g[0])-1]} }, []string{"corrupt block"}, 0},
		"no bytes at all":               {func(_, _ [][]byte) [][]byte { return [][]byte{{}} }, []string{"corrupt block"}, 0},
		"a block left out":              {func(g, _ [][]byte) [][]byte { return [][]byte{g[0], g[2]} }, []string{"chain diverged", "does not follow"}, 10},
		"a block twice":                 {func(g, _ [][]byte) [][]byte { return [][]byte{g[0], g[0]} }, []string{"chain diverged"}, 10},
		"no beginning":                  {func(g, _ [][]byte) [][]byte { return g[1:] }, []string{"chain diverged"}, 0},
		"another history in the middle": {func(g, o [][]byte) [][]byte { return [][]byte{g[0], o[1]} }, []string{"another incarnation"}, 10},
		"a newer format":                {func(g, _ [][]byte) [][]byte { b := slices.Clone(g[0]); b[4] = 2; return [][]byte{b} }, []string{"upgrade this node"}, 0},
		"a frame beyond the limit":      {func(_, _ [][]byte) [][]byte { return [][]byte{make([]byte, 6<<20)} }, []string{"larger than the protocol allows"}, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &liar{heads: offer("plant-a/production", "plant-a/quality")}
				ready := make(chan struct{})
				var bad, good [][]byte
				l.serve = func(stream string, call peerv1.PeerService_ReplicateServer) error {
					<-ready
					if stream == "plant-a/production" {
						return frames(call, bad)
					}
					return frames(call, good)
				}
				w, hq := lie(t, l)
				one := history(t, w, "plant-a/production")
				pass(time.Second)
				bad = c.send(one, history(t, w, "plant-a/production"))
				good = history(t, w, "plant-a/quality")
				close(ready)
				hq.stalled("plant-a/production", c.words...)
				if _, err := hq.running.log.WaitHead(t.Context(), "plant-a/quality", 49); err != nil {
					t.Error(err)
				}
				if head, _ := hq.running.log.Head("plant-a/production"); head.Offset != c.held {
					t.Errorf("it took up to %d, want %d", head.Offset, c.held)
				}
			})
		})
	}
}

func TestBlocksOfAnotherStreamAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &liar{heads: offer("plant-a/production")}
		ready := make(chan struct{})
		var blocks [][]byte
		l.serve = func(_ string, call peerv1.PeerService_ReplicateServer) error {
			<-ready
			return frames(call, blocks)
		}
		w, hq := lie(t, l)
		blocks = history(t, w, "plant-a/quality")
		close(ready)
		hq.stalled("plant-a/production", "chain diverged")
	})
}

func TestReplicaRecoversOnceTheOriginSendsItsHistoryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &liar{heads: offer("plant-a/production")}
		ready := make(chan struct{})
		var good [][]byte
		var before atomic.Bool
		l.serve = func(_ string, call peerv1.PeerService_ReplicateServer) error {
			<-ready
			if !before.Swap(true) {
				return frames(call, good[:2], [][]byte{good[2][1:]})
			}
			return frames(call, good[2:])
		}
		w, hq := lie(t, l)
		good = history(t, w, "plant-a/production")
		close(ready)
		hq.stalled("plant-a/production", "corrupt block")
		if _, err := hq.running.log.WaitHead(t.Context(), "plant-a/production", 49); err != nil {
			t.Error(err)
		}
		hq.eventually("current", func(s mesh.Status) bool { return s.Replicas[0].State == adminv1.ReplicaState_REPLICA_STATE_CURRENT })
	})
}

func TestOnlyStreamsOfThePeerItselfAreTakenFromIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &liar{heads: offer("plant-b/production", "hq/production", "no stream", "")}
		asked := make(chan string, 10)
		l.serve = func(stream string, call peerv1.PeerService_ReplicateServer) error {
			asked <- stream
			return frames(call)
		}
		_, hq := lie(t, l)
		hq.eventually("connected", connected)
		pass(time.Minute)
		select {
		case stream := <-asked:
			t.Errorf("%s was asked for", stream)
		default:
		}
	})
}

func TestGreetingThatDoesNotFitTheCertificateIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*peerv1.HelloResponse)
		words  []string
	}{
		"site":         {func(r *peerv1.HelloResponse) { r.Node.Site = "plant-b" }, []string{"it answers as plant-b", "make them agree"}},
		"mesh":         {func(r *peerv1.HelloResponse) { r.Node.Mesh = "other" }, []string{"of mesh other"}},
		"no node":      {func(r *peerv1.HelloResponse) { r.Node = nil }, []string{"other site than the certificate says"}},
		"new protocol": {func(r *peerv1.HelloResponse) { r.Protocol = mesh.MaxProtocol + 1 }, []string{"chose 3, this node speaks 1 to 2", "upgrade the older"}},
		"no protocol":  {func(r *peerv1.HelloResponse) { r.Protocol = 0 }, []string{"upgrade the older"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, hq := lie(t, &liar{answer: c.change})
				hq.down(refused, c.words...)
			})
		})
	}
}

func TestClockOffsetIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, hq := lie(t, &liar{answer: func(r *peerv1.HelloResponse) { r.Node.Time = timestamppb.New(time.Now().Add(-90 * time.Second)) }})
		l := hq.eventually("connected", connected).Links[0]
		if l.ClockOffset != -90*time.Second || l.Site != "plant-a" || l.Version != "liar" || l.Protocol != 1 || l.Reason != "" {
			t.Errorf("link %+v", l)
		}
	})
}

func TestPeerThatFallsSilentIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &liar{mute: make(chan struct{})}
		_, hq := lie(t, l)
		hq.eventually("connected", connected)
		began := time.Now()
		close(l.mute)
		hq.down(backoff, "silent for 15s", "whether the peer hangs")
		if took := time.Since(began); took > mesh.DefaultSilence+5*time.Second {
			t.Errorf("noticed after %s", took)
		}
	})
}

func TestPeerThatDoesNotAcceptIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &liar{heads: offer("plant-a/production")}
		var calls atomic.Int32
		l.serve = func(_ string, call peerv1.PeerService_ReplicateServer) error {
			calls.Add(1)
			<-call.Context().Done()
			return call.Context().Err()
		}
		_, hq := lie(t, l)
		pass(time.Minute)
		r := hq.running.mesh.Status().Replicas[0]
		if calls.Load() < 3 || r.State != adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED || r.Reason == "" || r.LagEvents != 50 {
			t.Errorf("%d calls, replica %+v", calls.Load(), r)
		}
		hq.stop()
	})
}

func TestReplicaThatGetsNothingSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &liar{heads: offer("plant-a/production")}
		l.serve = func(_ string, call peerv1.PeerService_ReplicateServer) error { return frames(call) }
		_, hq := lie(t, l)
		pass(time.Minute)
		r := hq.running.mesh.Status().Replicas[0]
		if r.State != adminv1.ReplicaState_REPLICA_STATE_CATCHING_UP || r.Reason == "" || r.LagEvents != 50 {
			t.Errorf("replica %+v", r)
		}
	})
}
