package mesh_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// door starts plant-a with some events and calls it as another site.
func door(t *testing.T, config mesh.Config, as plantmesh.Identity) (*node, peerv1.PeerServiceClient) {
	t.Helper()
	w := newWorld(t, meshtest.NewFabric())
	plant := w.add("plant-a", config).start()
	plant.publish(25)
	plant.publishTo("plant-a/quality", 5, 0)
	return plant, w.client(w.credentials(w.ca, as), "hq", plant.address)
}

// start opens Replicate and returns what the first Recv says.
func start(t *testing.T, c peerv1.PeerServiceClient, s *peerv1.ReplicateStart) (peerv1.PeerService_ReplicateClient, error) {
	t.Helper()
	call, err := c.Replicate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := call.Send(&peerv1.ReplicateRequest{Message: &peerv1.ReplicateRequest_Start{Start: s}}); err != nil && !errors.Is(err, io.EOF) { // that is the call's end, which Recv explains
		t.Fatal(err)
	}
	first, err := call.Recv()
	if err == nil && len(first.GetBlocks()) > 0 {
		t.Error("blocks in the first frame")
	}
	return call, plantmesh.FromStatus(err)
}

func TestClientsCertificateOpensNoPeerCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := door(t, mesh.Config{}, plantmesh.Identity{Mesh: meshName, Client: "mes"})
		_, hello := c.Hello(t.Context(), &peerv1.HelloRequest{Node: &peerv1.NodeInfo{Mesh: meshName, Site: "mes", MinProtocol: 1, MaxProtocol: 1}})
		_, chain := c.GetChain(t.Context(), &peerv1.GetChainRequest{Stream: "plant-a/production", Offset: 10})
		watch, err := c.WatchStreams(t.Context(), &peerv1.WatchStreamsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, streams := watch.Recv()
		_, replicate := start(t, c, &peerv1.ReplicateStart{Stream: "plant-a/production"})
		for call, err := range map[string]error{"Hello": hello, "GetChain": chain, "WatchStreams": streams, "Replicate": replicate} {
			if !errors.Is(plantmesh.FromStatus(err), plantmesh.ErrNotASite) {
				t.Errorf("%s: %v", call, err)
			}
		}
	})
}

func TestHelloRefusesWhatTheCertificateDoesNotVouchFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, c := door(t, mesh.Config{}, siteID("hq"))
		self := plant.client(plant.creds, "hq", plant.address)
		good := func(change func(*peerv1.NodeInfo)) *peerv1.HelloRequest {
			n := &peerv1.NodeInfo{Mesh: meshName, Site: "hq", Region: "eu", Version: "9", MinProtocol: 1, MaxProtocol: 7}
			change(n)
			return &peerv1.HelloRequest{Node: n}
		}
		for name, tc := range map[string]struct {
			client  peerv1.PeerServiceClient
			request *peerv1.HelloRequest
			want    error
		}{
			"well":        {c, good(func(*peerv1.NodeInfo) {}), nil},
			"mesh":        {c, good(func(n *peerv1.NodeInfo) { n.Mesh = "other" }), plantmesh.ErrMeshMismatch},
			"site":        {c, good(func(n *peerv1.NodeInfo) { n.Site = "plant-b" }), plantmesh.ErrSiteMismatch},
			"region":      {c, good(func(n *peerv1.NodeInfo) { n.Region = "us" }), plantmesh.ErrSiteMismatch},
			"newer only":  {c, good(func(n *peerv1.NodeInfo) { n.MinProtocol = mesh.MaxProtocol + 1 }), plantmesh.ErrProtocolUnsupported},
			"no protocol": {c, good(func(n *peerv1.NodeInfo) { n.MinProtocol, n.MaxProtocol = 0, 0 }), plantmesh.ErrProtocolUnsupported},
			"nothing":     {c, &peerv1.HelloRequest{}, plantmesh.ErrInvalidRequest},
			"itself":      {self, good(func(n *peerv1.NodeInfo) { n.Site = "plant-a" }), plantmesh.ErrSelfLink},
		} {
			r, err := tc.client.Hello(t.Context(), tc.request)
			if !errors.Is(plantmesh.FromStatus(err), tc.want) {
				t.Errorf("%s: got %v, want %v", name, err, tc.want)
			}
			if tc.want == nil && (r.GetProtocol() != mesh.MaxProtocol || r.GetNode().GetSite() != "plant-a" || !r.GetNode().GetTime().AsTime().Equal(time.Now())) {
				t.Errorf("%s: %v", name, r)
			}
		}
	})
}

func TestNothingLeavesAgainstPolicy(t *testing.T) {
	rules := []mesh.ExportRule{
		{Streams: []string{"production"}, To: []string{"*"}},
		{Streams: []string{"quality"}, To: []string{"hq", "lab-*"}, Regions: []string{"eu"}},
	}
	for name, tc := range map[string]struct {
		rules []mesh.ExportRule
		as    plantmesh.Identity
		may   []string
	}{
		"named":          {rules, siteID("hq"), []string{"plant-a/production", "plant-a/quality"}},
		"by pattern":     {rules, siteID("lab-3"), []string{"plant-a/production", "plant-a/quality"}},
		"not named":      {rules, siteID("plant-b"), []string{"plant-a/production"}},
		"other region":   {rules, plantmesh.Identity{Mesh: meshName, Region: "us", Site: "hq"}, []string{"plant-a/production"}},
		"default":        {nil, siteID("plant-b"), []string{"plant-a/production", "plant-a/quality"}},
		"nothing at all": {[]mesh.ExportRule{}, siteID("hq"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plant, c := door(t, mesh.Config{Export: tc.rules}, tc.as)
				watch, err := c.WatchStreams(t.Context(), &peerv1.WatchStreamsRequest{})
				if err != nil {
					t.Fatal(err)
				}
				frame, err := watch.Recv()
				if err != nil {
					t.Fatal(err)
				}
				var offered []string
				for _, h := range frame.GetHeads() {
					offered = append(offered, h.GetStream())
				}
				if !slices.Equal(offered, tc.may) {
					t.Errorf("offered %v, want %v", offered, tc.may)
				}
				for _, stream := range []string{"plant-a/production", "plant-a/quality", "plant-a/unheard-of"} {
					var want error = plantmesh.ErrExportDenied
					if slices.Contains(tc.may, stream) {
						want = nil
					} else if stream == "plant-a/unheard-of" && (tc.rules == nil) {
						want = plantmesh.ErrUnknownStream
					}
					if _, err := start(t, c, &peerv1.ReplicateStart{Stream: stream}); !errors.Is(err, want) {
						t.Errorf("Replicate %s: %v, want %v", stream, err, want)
					}
					if _, err := c.GetChain(t.Context(), &peerv1.GetChainRequest{Stream: stream}); !errors.Is(plantmesh.FromStatus(err), want) && want != nil {
						t.Errorf("GetChain %s: %v, want %v", stream, err, want)
					}
				}
				for _, f := range plant.running.mesh.Status().Followers {
					if denied := !slices.Contains(tc.may, string(f.Stream)); denied != strings.Contains(f.Reason, "no export rule") {
						t.Errorf("follower %+v", f)
					}
				}
			})
		})
	}
}

func TestNodeRelaysNothingToWhoCannotCheckSignatures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := pair(t)
		plant.publish(10)
		hq.holds(plant, plant.stream())
		c := plant.client(plant.credentials(plant.ca, siteID("lab")), "lab", hq.address)
		if _, err := start(t, c, &peerv1.ReplicateStart{Stream: string(plant.stream())}); !errors.Is(err, plantmesh.ErrExportDenied) || !strings.Contains(err.Error(), "link to plant-a") {
			t.Errorf("got %v", err)
		}
	})
}

func TestReplicateStartsOnlyOnAPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, c := door(t, mesh.Config{}, siteID("hq"))
		head, err := plant.running.log.Head(plant.stream())
		if err != nil {
			t.Fatal(err)
		}
		at10, err := plant.running.log.ChainAt(t.Context(), plant.stream(), 10)
		if err != nil {
			t.Fatal(err)
		}
		at := func(inc plantmesh.Incarnation, after plantmesh.Offset, chain []byte) *peerv1.ReplicateStart {
			return &peerv1.ReplicateStart{Stream: string(plant.stream()), Incarnation: uint64(inc), AfterOffset: uint64(after), Chain: chain}
		}
		for name, tc := range map[string]struct {
			start *peerv1.ReplicateStart
			want  error
		}{
			"from nothing":      {at(0, 0, nil), nil},
			"behind a block":    {at(head.Incarnation, 10, at10[:]), nil},
			"at the head":       {at(head.Incarnation, 25, head.Chain[:]), nil},
			"other incarnation": {at(head.Incarnation+1, 10, at10[:]), plantmesh.ErrIncarnationChanged},
			"no incarnation":    {at(0, 10, at10[:]), plantmesh.ErrIncarnationChanged},
			"other chain":       {at(head.Incarnation, 10, head.Chain[:]), plantmesh.ErrChainDiverged},
			"no chain":          {at(head.Incarnation, 10, nil), plantmesh.ErrChainDiverged},
			"inside a block":    {at(head.Incarnation, 7, at10[:]), plantmesh.ErrChainDiverged},
			"beyond the head":   {at(head.Incarnation, 26, head.Chain[:]), plantmesh.ErrOffsetBeyondHead},
			"long chain":        {at(head.Incarnation, 10, make([]byte, 33)), plantmesh.ErrInvalidRequest},
			"unknown":           {&peerv1.ReplicateStart{Stream: "plant-a/finance"}, plantmesh.ErrUnknownStream},
			"no name":           {&peerv1.ReplicateStart{}, plantmesh.ErrInvalidRequest},
			"bad name":          {&peerv1.ReplicateStart{Stream: "Plant A"}, plantmesh.ErrInvalidRequest},
		} {
			if _, err := start(t, c, tc.start); !errors.Is(err, tc.want) {
				t.Errorf("%s: got %v, want %v", name, err, tc.want)
			}
		}
	})
}

func TestFollowerThatBreaksTheProtocolIsCut(t *testing.T) {
	progress := func(offset uint64) *peerv1.ReplicateRequest {
		return &peerv1.ReplicateRequest{Message: &peerv1.ReplicateRequest_Progress{Progress: &peerv1.ReplicateProgress{DurableOffset: offset}}}
	}
	again := &peerv1.ReplicateRequest{Message: &peerv1.ReplicateRequest_Start{Start: &peerv1.ReplicateStart{Stream: "plant-a/production"}}}
	for name, message := range map[string]*peerv1.ReplicateRequest{"claims too much": progress(1000), "starts twice": again, "says nothing": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				plant, c := door(t, mesh.Config{}, siteID("hq"))
				call, err := start(t, c, &peerv1.ReplicateStart{Stream: string(plant.stream())})
				if err != nil {
					t.Fatal(err)
				}
				if err := call.Send(message); err != nil {
					t.Fatal(err)
				}
				for err == nil {
					_, err = call.Recv()
				}
				if !errors.Is(plantmesh.FromStatus(err), plantmesh.ErrInvalidRequest) {
					t.Errorf("got %v", err)
				}
				if f := plant.running.mesh.Status().Followers[0]; f.Connected || f.Reason == "" || f.DurableOffset != 0 {
					t.Errorf("follower %+v", f)
				}
			})
		})
	}
}

func TestFirstMessageHasToBeAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := door(t, mesh.Config{}, siteID("hq"))
		call, err := c.Replicate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = call.Send(&peerv1.ReplicateRequest{Message: &peerv1.ReplicateRequest_Progress{Progress: &peerv1.ReplicateProgress{}}})
		if _, err := call.Recv(); !errors.Is(plantmesh.FromStatus(err), plantmesh.ErrInvalidRequest) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSecondCallOfASiteReplacesTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, c := door(t, mesh.Config{}, siteID("hq"))
		first, err := start(t, c, &peerv1.ReplicateStart{Stream: string(plant.stream())})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := start(t, c, &peerv1.ReplicateStart{Stream: string(plant.stream())}); err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = first.Recv()
		}
		if status.Code(err) != codes.Aborted || !strings.Contains(err.Error(), "give each its own") {
			t.Errorf("got %v", err)
		}
		if f := plant.running.mesh.Status().Followers; len(f) != 1 || !f[0].Connected {
			t.Errorf("followers %+v", f)
		}
	})
}

func TestChainIsComparedWithoutMovingBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := pair(t)
		plant.publish(25)
		hq.holds(plant, plant.stream())
		head, err := plant.running.log.Head(plant.stream())
		if err != nil {
			t.Fatal(err)
		}
		chain, offset, err := hq.running.mesh.OriginChain(t.Context(), plant.stream(), head.Incarnation, 25)
		if err != nil || chain != head.Chain || offset != 25 {
			t.Errorf("got %s, %d, %v", chain, offset, err)
		}
		for off, want := range map[plantmesh.Offset]error{7: plantmesh.ErrNotBlockBoundary, 26: plantmesh.ErrOffsetBeyondHead} {
			if _, _, err := hq.running.mesh.OriginChain(t.Context(), plant.stream(), head.Incarnation, off); !errors.Is(err, want) {
				t.Errorf("at %d: %v, want %v", off, err, want)
			}
		}
		if _, _, err := hq.running.mesh.OriginChain(t.Context(), "plant-z/production", 1, 1); !errors.Is(err, mesh.ErrNoLink) || !strings.Contains(err.Error(), "peers") {
			t.Errorf("no such site: %v", err)
		}
		plant.stop()
		hq.eventually("link down", func(s mesh.Status) bool { return !connected(s) })
		if _, _, err := hq.running.mesh.OriginChain(t.Context(), plant.stream(), head.Incarnation, 25); !errors.Is(err, mesh.ErrNoLink) {
			t.Errorf("link down: %v", err)
		}
	})
}

// countingLog counts the bytes that the mesh reads to send.
type countingLog struct {
	*storage.Log
	read *atomic.Int64
}

func (l countingLog) RawBlocksOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) ([][]byte, error) {
	blocks, err := l.Log.RawBlocksOf(ctx, s, i, after, maxBytes)
	for _, b := range blocks {
		l.read.Add(int64(len(b)))
	}
	return blocks, err
}

func TestMemoryIsBoundedWhateverAFollowerLeavesUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		var read atomic.Int64
		plant := w.add("plant-a", mesh.Config{})
		plant.wrap = func(l *storage.Log) mesh.Log { return countingLog{l, &read} }
		plant.start()
		plant.publishTo(plant.stream(), 800, 10<<10) // 8 MB that do not compress well
		c := w.client(w.credentials(w.ca, siteID("hq")), "hq", plant.address)
		if _, err := start(t, c, &peerv1.ReplicateStart{Stream: string(plant.stream())}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if n := read.Load(); n == 0 || n > 1<<20 {
			t.Errorf("%d bytes were read for a follower that takes none", n)
		}
	})
}
