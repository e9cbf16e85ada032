//go:build linux

package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/setup"
)

// Site is a machine with a node. Its methods are for the test's own goroutine, except those of its Client.
type Site struct {
	Name plantmesh.SiteID

	lab    *Lab
	t      *testing.T
	net    namespace
	host   string // its address
	port   string // of the switch
	config string
	client *plantmesh.Client
	node   *exec.Cmd // nil: none runs
}

// Address is where other sites find the node.
func (s *Site) Address() string { return net.JoinHostPort(s.host, fmt.Sprint(nodePort)) }

// local is where the machine's own programs find it, whatever happens to its line.
func (s *Site) local() string { return fmt.Sprintf("127.0.0.1:%d", nodePort) }

// SetUp makes the site's certificate and configuration: whom it links to, and what it subscribes to.
func (s *Site) SetUp(peers []string, subscriptions ...config.Subscription) {
	s.t.Helper()
	s.setUp(fmt.Sprintf("0.0.0.0:%d", nodePort), config.ReachDirect, peers, subscriptions)
}

// SetUpOutbound is SetUp for a site that nobody can dial.
func (s *Site) SetUpOutbound(peers []string, subscriptions ...config.Subscription) {
	s.t.Helper()
	s.setUp(s.local(), config.ReachOutbound, peers, subscriptions)
}

func (s *Site) setUp(listen, reach string, peers []string, subscriptions []config.Subscription) {
	s.t.Helper()
	made, err := setup.CreateSite(s.lab.dir, setup.Site{
		Mesh: meshName, Name: string(s.Name), Region: "eu", Listen: listen, Peers: peers,
		Adjust: func(c *config.Config) { c.Reach, c.Subscriptions = reach, subscriptions },
	})
	s.lab.must(err)
	s.config = made.Config
	s.client, err = plantmesh.Dial(s.local(), made.Files, plantmesh.WithDialer(s.net.dial))
	s.lab.must(err)
	s.t.Cleanup(func() { _ = s.client.Close() })
	s.t.Cleanup(func() {
		s.Kill()
		if s.t.Failed() {
			text, _ := os.ReadFile(s.logFile())
			s.t.Logf("log of %s:\n%s", s.Name, last(text))
		}
	})
}

// last is as much of a log as one wants to see.
func last(text []byte) []byte {
	const most = 12 << 10
	return text[max(0, len(text)-most):]
}

func (s *Site) logFile() string { return filepath.Join(filepath.Dir(s.config), "node.log") }

// Start runs the node. It does not wait.
func (s *Site) Start() {
	s.t.Helper()
	if s.node != nil {
		s.t.Fatalf("the node of %s runs", s.Name)
	}
	output, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	s.lab.must(err)
	defer func() { _ = output.Close() }()
	node := s.net.command(context.WithoutCancel(s.t.Context()), s.lab.binary, "run", "--config", s.config)
	node.Stdout, node.Stderr = output, output
	s.lab.must(node.Start())
	s.node = node
}

// Kill is kill -9. It does nothing if no node runs.
func (s *Site) Kill() {
	if s.node == nil {
		return
	}
	_ = s.node.Process.Kill()
	_ = s.node.Wait() // killed
	s.node = nil
}

// Pause stops the process as a debugger or an overcommitted hypervisor does; its machine goes on answering for it.
func (s *Site) Pause() {
	s.t.Helper()
	s.lab.must(s.node.Process.Signal(syscall.SIGSTOP))
}

// Resume ends Pause.
func (s *Site) Resume() {
	s.t.Helper()
	s.lab.must(s.node.Process.Signal(syscall.SIGCONT))
}

// ProxyTo makes a line to another site whose conditions can be set: an address on this site's own machine, to be given
// to it as a peer instead of the other's.
func (s *Site) ProxyTo(other *Site) *Proxy {
	s.t.Helper()
	listener, err := s.net.listen(s.t.Context(), "127.0.0.1:0")
	s.lab.must(err)
	p := StartProxy(listener, func(ctx context.Context) (net.Conn, error) { return s.net.dial(ctx, other.Address()) })
	s.t.Cleanup(p.Close)
	return p
}

// Client talks to the node from its own machine.
func (s *Site) Client() *plantmesh.Client { return s.client }

// Plantmesh runs the command line at the site's machine and returns what it writes to standard output. It fails the test
// if that does not work.
func (s *Site) Plantmesh(args ...string) string {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	c := s.net.command(s.t.Context(), s.lab.binary, append(args, "--config", s.config)...)
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		s.t.Fatal(errors.Join(fmt.Errorf("plantmesh %s at %s: %w: %s%s", strings.Join(args, " "), s.Name, err, last(stdout.Bytes()), last(stderr.Bytes()))))
	}
	return stdout.String()
}

// Logged counts the lines of the node's log that hold a text.
func (s *Site) Logged(text string) int {
	s.t.Helper()
	all, err := os.ReadFile(s.logFile())
	s.lab.must(err)
	return strings.Count(string(all), text)
}
