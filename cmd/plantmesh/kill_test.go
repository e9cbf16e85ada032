package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// killRounds is how often a process is killed. A round costs about half a second.
const killRounds = 12

// TestKillAtAnyMomentLosesAndDoublesNothing publishes to plant-a from several producers while plant-a and hq, which
// replicates it, are killed again and again at moments that a seed chooses. Afterwards every acknowledged event must stand
// at its acknowledged offset, once, at both sites, and nothing else may stand there but what was sent.
func TestKillAtAnyMomentLosesAndDoublesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for several seconds; run without -short")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	sites := startTwoSites(t)
	plant, hq := sites[0], sites[1]
	producers := startProducers(t, plant, 4)
	for range killRounds {
		producers.waitForAcks(t, 1+random.IntN(300))
		victim := sites[random.IntN(2)]
		victim.kill()
		if random.IntN(2) == 0 { // sometimes both are down
			other := sites[0]
			if victim == other {
				other = sites[1]
			}
			other.kill()
			other.start()
		}
		victim.start()
	}
	producers.waitForAcks(t, 100)
	acked := producers.stop()

	origin := plant.readAll(t)
	if len(origin) != len(acked) {
		t.Errorf("%d events acknowledged, %d recorded", len(acked), len(origin))
	}
	for id, offset := range acked {
		if origin[id] != offset {
			t.Errorf("event %s: acknowledged at offset %d, stands at %d", id, offset, origin[id])
		}
	}
	hq.waitForHead(t, plantmesh.Offset(len(origin)))
	replica := hq.readAll(t)
	for id, offset := range origin {
		if replica[id] != offset {
			t.Errorf("event %s: offset %d at the origin, %d at the replica", id, offset, replica[id])
		}
	}
	if len(replica) != len(origin) {
		t.Errorf("%d events at the origin, %d at the replica", len(origin), len(replica))
	}
	hq.verify(t)
	t.Logf("%d events acknowledged over %d rounds of kill -9", len(acked), killRounds)
}

const killStream = "plant-a/production"

// siteProcess is a node that runs as a process of its own.
type siteProcess struct {
	t       *testing.T
	binary  string
	config  string
	conn    *grpc.ClientConn
	command *exec.Cmd
	output  bytes.Buffer
}

func startTwoSites(t *testing.T) []*siteProcess {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "plantmesh")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	authority, err := pki.NewAuthority("acme-test")
	if err != nil {
		t.Fatal(err)
	}
	addresses := []string{freeAddress(t), freeAddress(t)}
	var sites []*siteProcess
	for i, name := range []plantmesh.SiteID{"plant-a", "hq"} {
		dir := t.TempDir()
		files, err := authority.IssueFiles(dir, plantmesh.Identity{Mesh: "acme-test", Region: "eu", Site: name}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		config := fmt.Sprintf("mesh: acme-test\nsite: %s\nregion: eu\ndata_dir: data\nlisten: %s\ntls: {cert: %s, key: %s, ca: %s}\npeers: [%q]\n",
			name, addresses[i], files.Cert, files.Key, files.CA, addresses[1-i])
		if name == "hq" {
			config += "subscriptions: [{from: \"plant-*\", streams: [\"*\"]}]\n"
		}
		path := filepath.Join(dir, "plantmesh.yaml")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		creds, err := plantmesh.LoadCredentials(files)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := grpc.NewClient("passthrough:///"+addresses[i],
			grpc.WithTransportCredentials(credentials.NewTLS(creds.ClientConfig(nil))),
			grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
			grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		s := &siteProcess{t: t, binary: binary, config: path, conn: conn}
		t.Cleanup(func() {
			_ = conn.Close()
			s.kill()
			if t.Failed() {
				t.Logf("output of %s:\n%s", name, s.output.String())
			}
		})
		s.start()
		sites = append(sites, s)
	}
	return sites
}

// freeAddress is a loopback address that was free a moment ago. Its port is below those that systems give to outgoing
// connections, so that none of these takes it while the node is down.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err != nil {
			continue
		}
		defer l.Close()
		return l.Addr().String()
	}
	t.Fatal("no port is free between 20000 and 32000")
	return ""
}

func (s *siteProcess) start() {
	s.t.Helper()
	s.command = exec.Command(s.binary, "run", "--config", s.config)
	s.command.Stdout, s.command.Stderr = &s.output, &s.output
	s.command.SysProcAttr = dieWithParent()
	if err := s.command.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// kill is kill -9.
func (s *siteProcess) kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

// readAll reads the stream to its head: event id to offset. It fails the test on a gap, a repetition or a wrong order.
func (s *siteProcess) readAll(t *testing.T) map[string]plantmesh.Offset {
	t.Helper()
	stream, err := eventv1.NewEventServiceClient(s.conn).Subscribe(t.Context(), &eventv1.SubscribeRequest{Stream: killStream, UntilHead: true})
	if err != nil {
		t.Fatal(err)
	}
	events := map[string]plantmesh.Offset{}
	next := plantmesh.Offset(1)
	for {
		frame, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return events
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range frame.GetEvents().GetEvents() {
			offset := plantmesh.Offset(e.GetOffset())
			if offset != next {
				t.Fatalf("offset %d where %d is due", offset, next)
			}
			if before, ok := events[e.GetEvent().GetId()]; ok {
				t.Fatalf("event %s stands at offset %d and at %d", e.GetEvent().GetId(), before, offset)
			}
			events[e.GetEvent().GetId()] = offset
			next++
		}
	}
}

// waitForHead waits until the site holds the stream up to an offset: it subscribes to that one event.
func (s *siteProcess) waitForHead(t *testing.T, offset plantmesh.Offset) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		stream, err := eventv1.NewEventServiceClient(s.conn).Subscribe(ctx, &eventv1.SubscribeRequest{Stream: killStream})
		for err == nil {
			var frame *eventv1.SubscribeResponse
			if frame, err = stream.Recv(); err == nil && frame.GetHeadOffset() >= uint64(offset) {
				return
			}
		}
	}
	t.Fatalf("the replica did not reach offset %d: %v", offset, ctx.Err())
}

func (s *siteProcess) verify(t *testing.T) {
	t.Helper()
	stream, err := adminv1.NewAdminServiceClient(s.conn).Verify(t.Context(), &adminv1.VerifyRequest{})
	if err != nil {
		t.Fatal(err)
	}
	verified := 0
	for {
		result, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if result.GetResult() != adminv1.VerifyResult_VERIFY_RESULT_VERIFIED {
			t.Errorf("%s: %s %s", result.GetStream(), result.GetResult(), result.GetDetail())
		}
		verified++
	}
	if verified == 0 {
		t.Error("no stream was verified")
	}
}

// producers publish one event after the other, each again until it is acknowledged.
type producers struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	acks   chan struct{}

	mu    sync.Mutex // guards acked
	acked map[string]plantmesh.Offset
}

func startProducers(t *testing.T, s *siteProcess, n int) *producers {
	ctx, cancel := context.WithCancel(t.Context())
	p := &producers{cancel: cancel, acks: make(chan struct{}, 1<<20), acked: map[string]plantmesh.Offset{}}
	t.Cleanup(cancel)
	client := eventv1.NewEventServiceClient(s.conn)
	for producer := range n {
		p.done.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				p.publish(t, client, fmt.Sprintf("%d-%06d", producer, i))
				select {
				case p.acks <- struct{}{}:
				case <-ctx.Done():
				}
			}
		})
	}
	return p
}

// publish repeats one event until it is acknowledged. It does not end before: an event that was sent must be accounted
// for.
func (p *producers) publish(t *testing.T, client eventv1.EventServiceClient, id string) {
	event, err := plantmesh.NewEvent("//plant-a/test", id, time.Unix(0, 0), &manufacturingv1.ProductionCompleted{
		OrderId: "WO-" + id, ItemId: "bearing", Quantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"},
	})
	if err != nil {
		t.Error(err)
		return
	}
	for t.Context().Err() == nil {
		response, err := client.Publish(t.Context(), &eventv1.PublishRequest{Events: []*eventv1.Event{event}})
		if err == nil {
			p.mu.Lock()
			p.acked[id] = plantmesh.Offset(response.GetReceipts()[0].GetOffset())
			p.mu.Unlock()
			return
		}
		if !plantmesh.IsRetryable(plantmesh.FromStatus(err)) {
			t.Errorf("publish %s: %v", id, err)
			return
		}
	}
}

func (p *producers) waitForAcks(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case <-p.acks:
		case <-t.Context().Done():
			t.Fatal("the test ended before enough events were acknowledged")
		}
	}
}

// stop ends the producers and returns what was acknowledged.
func (p *producers) stop() map[string]plantmesh.Offset {
	p.cancel()
	p.done.Wait()
	return p.acked
}
