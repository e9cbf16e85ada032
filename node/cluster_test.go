package node_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
	"github.com/plantmesh/plantmesh/node"
	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// cluster is a mesh with real certificates on loopback.
type cluster struct {
	t         testing.TB
	dir       string
	authority *pki.Authority
	clients   map[string]*plantmesh.Credentials
}

func newCluster(t testing.TB) *cluster {
	authority, err := pki.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t: t, dir: t.TempDir(), authority: authority, clients: map[string]*plantmesh.Credentials{}}
}

// config is that of a site that listens anywhere. Its certificate is issued at the first call.
func (c *cluster) config(site string) config.Config {
	c.t.Helper()
	folder := filepath.Join(c.dir, site)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		c.t.Fatal(err)
	}
	files, err := c.authority.IssueFiles(folder, plantmesh.Identity{Mesh: "test", Region: "eu", Site: plantmesh.SiteID(site)}, time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Mesh, cfg.Site, cfg.Region, cfg.Listen = "test", site, "eu", "127.0.0.1:0"
	cfg.DataDir, cfg.TLS = filepath.Join(folder, "data"), config.TLS{Cert: files.Cert, Key: files.Key, CA: files.CA}
	cfg.Admins = []string{"ops"}
	if err := cfg.Validate(); err != nil {
		c.t.Fatal(err)
	}
	return cfg
}

// client has the credentials of a client of the mesh.
func (c *cluster) client(name string) *plantmesh.Credentials {
	c.t.Helper()
	if c.clients[name] == nil {
		c.clients[name] = issue(c.t, c.authority, plantmesh.Identity{Mesh: "test", Client: name})
	}
	return c.clients[name]
}

func issue(t testing.TB, a *pki.Authority, id plantmesh.Identity) *plantmesh.Credentials {
	t.Helper()
	files, err := a.IssueFiles(t.TempDir(), id, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := plantmesh.LoadCredentials(files)
	if err != nil {
		t.Fatal(err)
	}
	return creds
}

// running is a node that runs in this process.
type running struct {
	cluster *cluster
	cfg     config.Config
	address string
	stop    context.CancelFunc
	done    chan error
	logs    *logs
}

// start runs a node and waits until it serves.
func (c *cluster) start(cfg config.Config, opts ...node.Option) *running {
	c.t.Helper()
	ctx, stop := context.WithCancel(c.t.Context())
	r := &running{cluster: c, cfg: cfg, stop: stop, done: make(chan error, 1), logs: &logs{}}
	ready := make(chan string, 1)
	opts = append(opts, node.WithReady(func(a net.Addr) { ready <- a.String() }))
	go func() { r.done <- node.Run(ctx, cfg, slog.New(slog.NewTextHandler(r.logs, nil)), opts...) }()
	select {
	case r.address = <-ready:
	case err := <-r.done:
		stop()
		c.t.Fatal(err)
	}
	c.t.Cleanup(r.end)
	return r
}

// end stops a node; it may be called twice.
func (r *running) end() {
	r.stop()
	if err, ok := <-r.done; ok && err != nil {
		r.cluster.t.Errorf("%s: %v\n%s", r.cfg.Site, err, r.logs)
	}
	select {
	case <-r.done:
	default:
		close(r.done)
	}
}

// dial connects to a node with some credentials.
func (r *running) dial(creds *plantmesh.Credentials, opts ...grpc.DialOption) *grpc.ClientConn {
	r.cluster.t.Helper()
	opts = append(opts, grpc.WithTransportCredentials(credentials.NewTLS(creds.ClientConfig(nil))))
	conn, err := grpc.NewClient(r.address, opts...)
	if err != nil {
		r.cluster.t.Fatal(err)
	}
	r.cluster.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (r *running) events() eventv1.EventServiceClient {
	return eventv1.NewEventServiceClient(r.dial(r.cluster.client("mes")))
}

func (r *running) admin() adminv1.AdminServiceClient {
	return adminv1.NewAdminServiceClient(r.dial(r.cluster.client("ops")))
}

// event is one about an order.
func event(t testing.TB, id, order string) *eventv1.Event {
	t.Helper()
	e, err := plantmesh.NewEvent("//plant-a/mes", id, time.Unix(1_750_000_000, 0), &manufacturingv1.ProductionCompleted{
		OrderId: order, ItemId: "valve", Quantity: &manufacturingv1.Quantity{Value: "12", Unit: "C62"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func batch(t testing.TB, prefix string, count int) []*eventv1.Event {
	list := make([]*eventv1.Event, count)
	for i := range list {
		list[i] = event(t, fmt.Sprintf("%s-%d", prefix, i), fmt.Sprintf("WO-%d", i%7))
	}
	return list
}

// until waits for a condition that a node reaches by itself.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not reached: %s", what)
		}
	}
}

// logs is what a node logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
