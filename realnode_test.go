package plantmesh_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
	"github.com/plantmesh/plantmesh/node"
	"github.com/plantmesh/plantmesh/node/config"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// plant is the folder of a site with a real node, plant-a, and the certificate of a client, mes.
type plant struct {
	cfg config.Config
	mes plantmesh.TLSFiles

	mu   sync.Mutex // guards what follows
	conn []net.Conn
}

func newPlant(dir string) (*plant, error) {
	authority, err := pki.NewAuthority("test")
	if err != nil {
		return nil, err
	}
	site, err := authority.IssueFiles(dir, plantmesh.Identity{Mesh: "test", Region: "eu", Site: "plant-a"}, time.Hour)
	if err != nil {
		return nil, err
	}
	mes, err := authority.IssueFiles(dir, plantmesh.Identity{Mesh: "test", Client: "mes"}, time.Hour)
	if err != nil {
		return nil, err
	}
	cfg := config.Default()
	cfg.Mesh, cfg.Site, cfg.Region, cfg.Listen = "test", "plant-a", "eu", "127.0.0.1:0"
	cfg.DataDir, cfg.TLS = filepath.Join(dir, "data"), config.TLS{Cert: site.Cert, Key: site.Key, CA: site.CA}
	return &plant{cfg: cfg, mes: mes}, cfg.Validate()
}

// start runs the node until stop is called, which returns how it ended. From then on it has the same address each time.
func (p *plant) start(ctx context.Context) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	ready, done := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		done <- node.Run(ctx, p.cfg, slog.New(slog.DiscardHandler), node.WithReady(func(a net.Addr) { ready <- a }))
	}()
	select {
	case a := <-ready:
		p.cfg.Listen = a.String()
		return func() error { cancel(); return <-done }, nil
	case err := <-done:
		cancel()
		return nil, errors.Join(err, errors.New("the node did not start"))
	}
}

// dial is TCP, but remembers what it opened.
func (p *plant) dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		p.mu.Lock()
		p.conn = append(p.conn, conn)
		p.mu.Unlock()
	}
	return conn, err
}

func (p *plant) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conn {
		_ = conn.Close()
	}
	p.conn = nil
}

func startPlant(t testing.TB) (p *plant, restart func()) {
	t.Helper()
	p, err := newPlant(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var stop func() error
	start := func() {
		if stop, err = p.start(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	end := func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	start()
	t.Cleanup(func() { end() })
	return p, func() { end(); start() }
}

// TestRealNodeKeepsPublisherAndSubscriptionWhole cuts lines and restarts the node while events flow both ways.
func TestRealNodeKeepsPublisherAndSubscriptionWhole(t *testing.T) {
	const count = 3000
	p, restart := startPlant(t)
	client, err := plantmesh.Dial(p.cfg.Listen, p.mes, plantmesh.WithDialer(p.dial), plantmesh.WithSite("plant-a"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Publish(t.Context(), event(t, 1)); err != nil {
		t.Fatal(err)
	}

	published := make(chan error, 1)
	go func() {
		publisher := client.Publisher(t.Context())
		for n := 2; n <= count; n++ {
			if _, err := publisher.Send(t.Context(), event(t, n)); err != nil {
				published <- errors.Join(err, publisher.Close())
				return
			}
		}
		published <- publisher.Close()
	}()
	var got []string
	for d, err := range client.Subscribe(t.Context(), plantmesh.From{Stream: "plant-a/production"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.Event.GetEvent().GetId())
		if len(got) == count {
			break
		}
		switch len(got) {
		case 500, 1500:
			p.cut()
		case 1000, 2000:
			restart()
		}
	}
	if err := <-published; err != nil {
		t.Error(err)
	}
	if !slices.Equal(got, ids(1, count)) {
		t.Error("events are missing, doubled or out of order")
	}
}

func TestRealNodeTakesTheClientsCursorsAndTimes(t *testing.T) {
	p, _ := startPlant(t)
	client, err := plantmesh.Dial(p.cfg.Listen, p.mes)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var events []*eventv1.Event
	for n := 1; n <= 20; n++ {
		events = append(events, event(t, n))
	}
	receipts, err := client.Publish(t.Context(), events...)
	if err != nil {
		t.Fatal(err)
	}
	stream := receipts[0].Stream
	all, err := take(t, client, plantmesh.From{Stream: stream, UntilHead: true}, 0)
	if err != nil || !slices.Equal(idsOf(all), ids(1, 20)) {
		t.Fatalf("%v, %v", idsOf(all), err)
	}
	for i, d := range all {
		rest, err := take(t, client, plantmesh.From{Stream: stream, Cursor: d.Cursor(), UntilHead: true}, 0)
		if err != nil || !slices.Equal(idsOf(rest), ids(i+2, 20)) {
			t.Errorf("behind event %d: %v, %v", i+1, idsOf(rest), err)
		}
	}
	for name, test := range map[string]struct {
		from plantmesh.From
		want []string
	}{
		"after an offset": {plantmesh.From{After: 18}, ids(19, 20)},
		"at a time":       {plantmesh.From{Time: receipts[0].RecordedTime}, ids(1, 20)},
		"by subject":      {plantmesh.From{Subjects: []string{"order/*"}, After: 19}, ids(20, 20)},
		"other subject":   {plantmesh.From{Subjects: []string{"order/WO-2"}}, nil},
		"by type":         {plantmesh.From{Types: []string{"plantmesh.manufacturing.v1.ProductionCompleted"}, After: 19}, ids(20, 20)},
		"latest":          {plantmesh.From{Position: eventv1.Position_POSITION_LATEST}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			test.from.Stream, test.from.UntilHead = stream, true
			got, err := take(t, client, test.from, 0)
			if err != nil || !slices.Equal(idsOf(got), test.want) {
				t.Errorf("got %v, %v", idsOf(got), err)
			}
		})
	}
}

// A subscription from the latest event has its cursor before the first event comes; see the protocol.
func TestRealNodeSendsAFirstFrameAtOnce(t *testing.T) {
	p, _ := startPlant(t)
	client, err := plantmesh.Dial(p.cfg.Listen, p.mes)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	receipts, err := client.Publish(t.Context(), event(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	call, err := client.Events().Subscribe(ctx, &eventv1.SubscribeRequest{
		Stream: string(receipts[0].Stream), Start: &eventv1.SubscribeRequest_Position{Position: eventv1.Position_POSITION_LATEST},
	})
	if err != nil {
		t.Fatal(err)
	}
	if frame, err := call.Recv(); err != nil || len(frame.GetCursor()) == 0 || frame.GetHeartbeat() == nil {
		t.Errorf("first frame %v, %v", frame, err)
	}
}

// exampleNode runs a node for the examples: at an address, for a client's certificate, until stopped.
func exampleNode() (address string, files plantmesh.TLSFiles, stop func()) {
	dir, err := os.MkdirTemp("", "plantmesh-example")
	if err != nil {
		panic(err)
	}
	p, err := newPlant(dir)
	if err != nil {
		panic(err)
	}
	end, err := p.start(context.Background())
	if err != nil {
		panic(err)
	}
	return p.cfg.Listen, p.mes, func() {
		if err := errors.Join(end(), os.RemoveAll(dir)); err != nil {
			fmt.Println(err)
		}
	}
}
