package node_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node"
	"github.com/plantmesh/plantmesh/node/config"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// childConfig names the configuration in the environment of a process that is a node and nothing else: memory and
// start-up are a process's.
const childConfig = "PLANTMESH_TEST_NODE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childConfig); path != "" {
		os.Exit(runChild(path))
	}
	goleak.VerifyTestMain(m)
}

func runChild(path string) (status int) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := config.Load(path)
	if err == nil {
		err = node.Run(ctx, cfg, slog.New(slog.DiscardHandler), node.WithReady(func(a net.Addr) { fmt.Println(a) }))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startProcess runs a node in a process of its own, and returns it when it serves, with how long that took.
func (c *cluster) startProcess(cfg config.Config) (*running, time.Duration, func()) {
	c.t.Helper()
	text, err := cfg.Marshal()
	if err != nil {
		c.t.Fatal(err)
	}
	path := filepath.Join(c.dir, cfg.Site, "node.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.CommandContext(c.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childConfig+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	started := time.Now()
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	took := time.Since(started)
	if err != nil {
		c.t.Fatal(err, cmd.Wait())
	}
	stop := func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			c.t.Error(err)
		}
	}
	return &running{cluster: c, cfg: cfg, address: strings.TrimSpace(line)}, took, stop
}

// recordMany fills a site's log without the way through gRPC.
func recordMany(b *testing.B, cfg config.Config, count int) {
	b.Helper()
	log, err := storage.Open(filepath.Join(cfg.DataDir, "log"), storage.Options{Mesh: cfg.Mesh, Site: plantmesh.SiteID(cfg.Site)})
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < count; {
		var w storage.Write
		for range min(1000, count-n) {
			n++
			w.Entries = append(w.Entries, storage.Entry{Stream: "plant-a/production", Event: &eventv1.Event{
				Id: fmt.Sprint(n), Source: "//plant-a/mes", Type: "plantmesh.manufacturing.v1.OperationReported", Subject: fmt.Sprint("order/", n%1000), Data: []byte(comment(uint64(n))[:200]),
			}})
		}
		if _, err := log.Append(b.Context(), w); err != nil {
			b.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkStart measures how long a node takes to serve, and the memory that it then holds when nothing happens.
func BenchmarkStart(b *testing.B) {
	for _, events := range []int{0, 1_000_000} {
		b.Run(fmt.Sprintf("events=%d", events), func(b *testing.B) {
			c := newCluster(b)
			cfg := c.config("plant-a")
			recordMany(b, cfg, events)
			var serving time.Duration
			var resident uint64
			for b.Loop() {
				plant, took, stop := c.startProcess(cfg)
				serving += took
				resident = max(resident, plant.status().GetNode().GetResidentBytes())
				stop()
			}
			b.ReportMetric(float64(serving.Milliseconds())/float64(b.N), "start-ms")
			b.ReportMetric(float64(resident)/(1<<20), "idle-MiB")
		})
	}
}
