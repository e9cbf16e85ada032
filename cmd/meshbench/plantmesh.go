package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

const (
	module = "github.com/plantmesh/plantmesh"
	stream = origin + "/production"
	client = "bench"
)

// build makes the plantmesh binary in a folder, from the source that this module replaces its dependency with.
func build(ctx context.Context, dir string, profile bool) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("find the source of plantmesh: run meshbench in its folder, or give --plantmesh: %w", err)
	}
	root, path := strings.TrimSpace(string(out)), filepath.Join(dir, "plantmesh")
	args := []string{"build", "-C", root, "-o", path}
	if profile {
		file, err := overlay(root, dir)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", file)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/plantmesh")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build plantmesh: %w\n%s", err, out)
	}
	return path, nil
}

// plantmeshSystem runs the plantmesh binary as its users do: over mutual TLS, with its defaults.
type plantmeshSystem struct {
	binary  string
	profile string // folder; empty: none
}

func (plantmeshSystem) name() string { return plantmeshName }

func (s plantmeshSystem) start(ctx context.Context, p place) (node, error) {
	files := plantmesh.TLSFiles{
		Cert: filepath.Join(p.dir, "clients", client+".crt"), Key: filepath.Join(p.dir, "clients", client+".key"), CA: filepath.Join(p.dir, "clients", "ca.crt"),
	}
	path := filepath.Join(p.dir, p.site, "plantmesh.yaml")
	if _, err := os.Stat(path); err != nil {
		if err := s.setUp(ctx, p, path, files); err != nil {
			return nil, err
		}
	}
	address, err := listenOf(path)
	if err != nil {
		return nil, err
	}
	process, err := startProcess(filepath.Join(p.dir, p.site+".log"), s.profileOf(p), s.binary, "run", "--config", path)
	if err != nil {
		return nil, err
	}
	n := &plantmeshNode{proc: process, address: address}
	err = process.until(ctx, func(ctx context.Context) error { return reachable(ctx, address) })
	if err == nil {
		n.client, err = plantmesh.Dial(address, files)
	}
	if err == nil {
		err = process.until(ctx, func(ctx context.Context) error { _, err := n.count(ctx); return err })
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", err, process.stop())
	}
	return n, nil
}

// profileOf is where a site's process writes its profiles, without the ends of the names.
func (s plantmeshSystem) profileOf(p place) string {
	if s.profile == "" {
		return ""
	}
	return filepath.Join(s.profile, fmt.Sprintf("%s-%s-%d", p.label, p.site, time.Now().UnixMilli()))
}

// setUp makes certificates and configuration of a site, and for the first one also those of the client.
func (s plantmeshSystem) setUp(ctx context.Context, p place, path string, files plantmesh.TLSFiles) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	args := []string{"init", "--dir", p.dir, "--mesh", "bench", "--site", p.site, "--listen", address}
	if p.upstream != "" {
		args = append(args, "--peer", p.upstream)
	}
	if err := s.command(ctx, args...); err != nil {
		return err
	}
	if _, err := os.Stat(files.Cert); err != nil {
		if err := s.command(ctx, "init", "--dir", p.dir, "--client", client); err != nil {
			return err
		}
	}
	if p.upstream == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text = append(text, "subscriptions:\n  - from: '*'\n    streams: ['*']\n"...)
	return os.WriteFile(path, text, 0o600) //nolint:gosec // in the folder of this run
}

func (s plantmeshSystem) command(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, s.binary, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", s.binary, strings.Join(args, " "), err, out)
	}
	return nil
}

// listenOf reads the address out of a configuration.
func listenOf(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if address, ok := strings.CutPrefix(line, "listen: "); ok {
			address = strings.Trim(strings.TrimSpace(address), `"'`)
			_, _, err := net.SplitHostPort(address)
			return address, err
		}
	}
	return "", fmt.Errorf("%s names no address to listen on", path)
}

type plantmeshNode struct {
	proc    *process
	address string
	client  *plantmesh.Client
}

func (n *plantmeshNode) process() *process { return n.proc }

func (n *plantmeshNode) upstream() string { return n.address }

func (n *plantmeshNode) count(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	streams, err := n.client.Events().ListStreams(ctx, &eventv1.ListStreamsRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return 0, err
	}
	for _, s := range streams.GetStreams() {
		if s.GetStream() == stream {
			return s.GetHeadOffset(), nil
		}
	}
	return 0, nil
}

// publisher is plantmesh.Publisher, which is what a Go program publishes with.
func (n *plantmeshNode) publisher(ctx context.Context, _ int) (publisher, error) {
	return &plantmeshPublisher{n.client.Publisher(ctx)}, nil
}

func (n *plantmeshNode) deliver(ctx context.Context, fn func()) error {
	for ctx.Err() == nil {
		if held, err := n.count(ctx); err == nil && held > 0 {
			break
		}
		pause(ctx, pollEvery)
	}
	for _, err := range n.client.Subscribe(ctx, plantmesh.From{Stream: stream}) {
		if err != nil {
			return err
		}
		fn()
	}
	return nil
}

func (n *plantmeshNode) stop() error {
	_ = n.client.Close()
	return n.proc.stop()
}

type plantmeshPublisher struct{ *plantmesh.Publisher }

func (p *plantmeshPublisher) send(ctx context.Context, list []event) (answer, error) {
	messages := make([]*eventv1.Event, len(list))
	for i := range list {
		messages[i] = list[i].message
	}
	pending, err := p.Send(ctx, messages...)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := pending.Wait(ctx)
		return err
	}, nil
}

func (p *plantmeshPublisher) close() error { return p.Close() }
