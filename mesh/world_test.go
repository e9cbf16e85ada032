package mesh_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	"github.com/plantmesh/plantmesh/mesh/pki"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func TestMain(m *testing.M) {
	warmUp()
	goleak.VerifyTestMain(m)
}

// warmUp makes what storage shares between logs outside of any synctest bubble, to which it would belong otherwise.
func warmUp() {
	ctx := context.Background()
	log, err := storage.Open("log", storage.Options{Mesh: meshName, Site: "warm", FS: vfs.NewMem()})
	if err != nil {
		panic(err)
	}
	defer log.Close()
	e, err := plantmesh.NewEvent("//warm", "1", time.Now(), &manufacturingv1.ProductionOrderClosed{
		OrderId: strings.Repeat("1", 100), Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED,
	})
	if err != nil {
		panic(err)
	}
	if _, err := log.Append(ctx, storage.Write{Entries: []storage.Entry{{Stream: "warm/production", Event: e}}}); err != nil {
		panic(err)
	}
	if _, err := log.Verify(ctx, "warm/production"); err != nil {
		panic(err)
	}
}

const meshName = "acme"

// everything subscribes to whatever any site has.
var everything = []mesh.Subscription{{From: "*", Streams: []string{"*"}}}

// world is a mesh of sites on one machine, with real certificates, logs in memory, and real gRPC.
type world struct {
	testing.TB
	fabric *meshtest.Fabric // nil: loopback TCP
	ca     *pki.Authority
}

func newWorld(t testing.TB, fabric *meshtest.Fabric) *world {
	t.Helper()
	ca, err := pki.NewAuthority(meshName)
	if err != nil {
		t.Fatal(err)
	}
	return &world{TB: t, fabric: fabric, ca: ca}
}

func (w *world) credentials(ca *pki.Authority, id plantmesh.Identity) *plantmesh.Credentials {
	w.Helper()
	files, err := ca.IssueFiles(w.TempDir(), id, time.Hour*24)
	if err != nil {
		w.Fatal(err)
	}
	creds, err := plantmesh.LoadCredentials(files)
	if err != nil {
		w.Fatal(err)
	}
	return creds
}

// signingKey makes one for a site.
func (w *world) signingKey(creds *plantmesh.Credentials) *plantmesh.SigningKey {
	w.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		w.Fatal(err)
	}
	key, err := plantmesh.NewSigningKey(private, creds, time.Now())
	if err != nil {
		w.Fatal(err)
	}
	return key
}

// caFile is the root certificate of the mesh on disk.
func (w *world) caFile() string {
	w.Helper()
	dir := w.TempDir()
	if err := w.ca.Save(dir); err != nil {
		w.Fatal(err)
	}
	return filepath.Join(dir, pki.CertificateFile)
}

func siteID(site plantmesh.SiteID) plantmesh.Identity {
	return plantmesh.Identity{Mesh: meshName, Region: "eu", Site: site}
}

// node is a site of the world: what of it outlives a restart.
type node struct {
	*world
	site    plantmesh.SiteID
	creds   *plantmesh.Credentials
	config  mesh.Config
	disk    vfs.FS
	dir     string                      // of the log on it
	wrap    func(*storage.Log) mesh.Log // nil: as it is
	observe mesh.Observer
	clock   func() time.Time // nil: the system's

	transport credentials.TransportCredentials // of its server; nil: the mesh's
	address   string
	serial    int

	running *running
}

// running is what does not.
type running struct {
	log  *storage.Log
	mesh *mesh.Mesh
	stop func()
}

// add makes a site that is not started yet.
func (w *world) add(site plantmesh.SiteID, config mesh.Config) *node {
	w.Helper()
	n := &node{world: w, site: site, creds: w.credentials(w.ca, siteID(site)), config: config, disk: vfs.NewMem(), dir: "log"}
	n.config.SigningKey = w.signingKey(n.creds)
	if w.fabric != nil {
		n.address = meshtest.Address(site)
		n.config.Dial = w.fabric.Dialer(site)
	}
	return n
}

func (n *node) listen() net.Listener {
	n.Helper()
	listener, err := n.tryListen()
	if err != nil {
		n.Fatal(err)
	}
	n.address = listener.Addr().String()
	return listener
}

func (n *node) tryListen() (net.Listener, error) {
	if n.fabric != nil {
		return n.fabric.Listen(n.site)
	}
	if n.address == "" {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	return net.Listen("tcp", n.address)
}

// start opens the log, serves and links. The test's end stops it.
func (n *node) start() *node {
	n.Helper()
	n.config.Now = n.clock
	log, err := storage.Open(n.dir, storage.Options{Mesh: meshName, Site: n.site, FS: n.disk, Now: n.clock})
	if err != nil {
		n.Fatal(err)
	}
	log.Hold() // until the mesh has looked for what is lost
	var held mesh.Log = log
	if n.wrap != nil {
		held = n.wrap(log)
	}
	m, err := mesh.New(n.config, n.creds, held, n.observe, slog.New(slog.DiscardHandler))
	if err != nil {
		n.Fatal(err)
	}
	transport := n.transport
	if transport == nil {
		transport = m.ServerCredentials()
	}
	server := grpc.NewServer(append(mesh.ServerOptions(), grpc.Creds(transport))...)
	m.Register(server)
	ctx, cancel := context.WithCancel(n.Context())
	done := make(chan struct{}, 3)
	for _, listener := range []net.Listener{n.listen(), m.ReverseListener()} {
		go func() {
			if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
				n.Error(err)
			}
			done <- struct{}{}
		}()
	}
	go func() {
		if err := m.Run(ctx); err != nil {
			n.Error(err)
		}
		server.GracefulStop()
		done <- struct{}{}
	}()
	r := &running{log: log, mesh: m}
	r.stop = func() {
		cancel()
		for range cap(done) {
			<-done
		}
		if err := log.Close(); err != nil {
			n.Error(err)
		}
	}
	n.running = r
	n.Cleanup(n.stop)
	return n
}

func (n *node) stop() {
	if n.running != nil {
		n.running.stop()
		n.running = nil
	}
}

func (n *node) stream() plantmesh.StreamName { return plantmesh.StreamOf(n.site, "production") }

// client calls another node as this site, or as whoever the credentials are of.
func (w *world) client(as *plantmesh.Credentials, from plantmesh.SiteID, address string) peerv1.PeerServiceClient {
	w.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(credentials.NewTLS(as.ClientConfig(nil))),
		grpc.WithContextDialer(w.fabric.Dialer(from)))
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = conn.Close() })
	return peerv1.NewPeerServiceClient(conn)
}

// event is valid and different from all others of the node.
func (n *node) event(padding int) *eventv1.Event {
	n.Helper()
	n.serial++
	e, err := plantmesh.NewEvent("//"+string(n.site)+"/test", strconv.Itoa(n.serial), time.Now(),
		&manufacturingv1.ProductionOrderClosed{OrderId: fmt.Sprintf("WO-%d", n.serial), Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED})
	if err != nil {
		n.Fatal(err)
	}
	for i := 0; padding > 0; i++ { // in attributes: an event's payload has no room for padding
		size := min(padding, 1024)
		if e.Attributes == nil {
			e.Attributes = map[string]string{}
		}
		e.Attributes[fmt.Sprintf("pad%d", i)] = noise(n.serial*31+i, size)
		padding -= size
	}
	return e
}

// publish records events, in several blocks.
func (n *node) publish(count int) {
	n.Helper()
	n.publishTo(n.stream(), count, 0)
}

func (n *node) publishTo(stream plantmesh.StreamName, count, padding int) {
	n.Helper()
	for count > 0 {
		var w storage.Write
		for range min(count, 10) {
			w.Entries = append(w.Entries, storage.Entry{Stream: stream, Event: n.event(padding)})
			count--
		}
		if _, err := n.running.log.Append(n.Context(), w); err != nil {
			n.Fatal(err)
		}
	}
}

// holds waits until a node holds exactly what the origin does.
func (n *node) holds(origin *node, stream plantmesh.StreamName) {
	n.Helper()
	n.holdsWithin(origin, stream, 5*time.Minute)
}

func (n *node) holdsWithin(origin *node, stream plantmesh.StreamName, patience time.Duration) {
	n.Helper()
	want, err := origin.running.log.Head(stream)
	if err != nil {
		n.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(n.Context(), patience)
	defer cancel()
	var got plantmesh.Head
	for got.Incarnation != want.Incarnation || got.Offset < want.Offset {
		changed := n.running.log.Changed()
		if got, _ = n.running.log.Head(stream); got.Incarnation == want.Incarnation && got.Offset >= want.Offset {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			n.Fatalf("%s holds %+v, want %+v; status %+v", n.site, got, want, n.running.mesh.Status())
		}
	}
	if got.Offset == want.Offset && (got.Chain != want.Chain || got.Incarnation != want.Incarnation || !got.Time.Equal(want.Time)) {
		n.Fatalf("got %+v, the origin has %+v", got, want)
	}
	report, err := n.running.log.Verify(n.Context(), stream)
	if err != nil || report.Events != uint64(report.Head.Offset) {
		n.Fatalf("verify: %+v, %v", report, err)
	}
}

// eventually waits for a condition on a node's status.
func (n *node) eventually(what string, ok func(mesh.Status) bool) mesh.Status {
	n.Helper()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		status := n.running.mesh.Status()
		if ok(status) {
			return status
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			n.Fatalf("%s: not reached: %+v", what, status)
		}
	}
}

// noise is text that does not compress well.
func noise(seed, size int) string {
	b := make([]byte, size)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[x%64]
	}
	return string(b)
}

// pass lets time go by, which inside a bubble costs none.
func pass(d time.Duration) { <-time.After(d) }
