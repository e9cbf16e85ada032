//go:build linux

package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/plantmesh/plantmesh"
)

const (
	meshName = "acme-lab"
	// nodePort is where every node listens.
	nodePort = 7443
	// enableVariable has to be set: the tests take minutes and change the machine's namespaces.
	enableVariable = "PLANTMESH_NETLAB"
)

// Lab is a number of sites, each with its own network, on one switch. It lives as long as its test.
type Lab struct {
	t      *testing.T
	binary string
	dir    string
	bridge namespace
	sites  map[plantmesh.SiteID]*Site
}

// labs counts the labs of this process, which names their namespaces.
var labs atomic.Int64

// New makes the networks of some sites. Nothing runs yet. It skips the test, saying why, where that cannot be done.
func New(t *testing.T, names ...plantmesh.SiteID) *Lab {
	t.Helper()
	if fault := missing(); fault != "" {
		t.Skip("network namespaces: " + fault)
	}
	id := fmt.Sprintf("%s%d-%d-", namespacePrefix, os.Getpid(), labs.Add(1))
	l := &Lab{t: t, binary: build(t), dir: t.TempDir(), bridge: namespace(id + "switch"), sites: map[plantmesh.SiteID]*Site{}}
	l.must(l.bridge.create())
	t.Cleanup(func() { _ = l.bridge.remove() })
	l.must(l.bridge.ip("link", "add", "br0", "type", "bridge"))
	l.must(l.bridge.ip("link", "set", "br0", "up"))
	for i, name := range names {
		s := &Site{lab: l, t: t, Name: name, net: namespace(id + string(name)), host: fmt.Sprintf("10.77.0.%d", i+1), port: fmt.Sprintf("port%d", i+1)}
		l.sites[name] = s
		l.must(s.net.create())
		t.Cleanup(func() { _ = s.net.remove() })
		l.must(command("ip", "link", "add", "eth0", "netns", string(s.net), "type", "veth", "peer", "name", s.port, "netns", string(l.bridge)))
		l.must(s.net.ip("addr", "add", s.host+"/24", "dev", "eth0"))
		l.must(s.net.ip("link", "set", "lo", "up"))
		l.must(s.net.ip("link", "set", "eth0", "gso_max_segs", "1")) // so that every frame has the size it has on a wire
		l.must(s.net.ip("link", "set", "eth0", "up"))
		l.must(l.bridge.ip("link", "set", s.port, "master", "br0", "up"))
	}
	return l
}

// Site is one of the lab's.
func (l *Lab) Site(name plantmesh.SiteID) *Site {
	l.t.Helper()
	s := l.sites[name]
	if s == nil {
		l.t.Fatalf("no site %q in this lab", name)
	}
	return s
}

func (l *Lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// missing says what a lab lacks here; empty if nothing.
var missing = sync.OnceValue(func() string {
	if os.Getenv(enableVariable) == "" {
		return "not asked for: run `make test-net`"
	}
	if os.Geteuid() != 0 {
		return "only root can make them"
	}
	for _, program := range []string{"ip", "tc"} {
		if _, err := exec.LookPath(program); err != nil {
			return program + " is not installed: it is in iproute2"
		}
	}
	trial := namespace(fmt.Sprintf("%s%d-trial", namespacePrefix, os.Getpid()))
	if err := trial.create(); err != nil {
		return err.Error()
	}
	if err := trial.remove(); err != nil {
		return err.Error()
	}
	return ""
})

// program is what is tested.
type program struct {
	once   sync.Once
	dir    string
	binary string
	err    error
}

// built is for all labs of this process.
var built program

func build(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		sweep()
		built.err = built.make()
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.binary
}

func (p *program) make() (err error) {
	if p.dir, err = os.MkdirTemp("", "plantmesh-netlab-"); err != nil {
		return err
	}
	p.binary = filepath.Join(p.dir, "plantmesh")
	return command("go", "build", "-o", p.binary, "github.com/plantmesh/plantmesh/cmd/plantmesh")
}

// Run runs a package's tests and removes what all labs share. It is for TestMain.
func Run(m *testing.M) int {
	status := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	return status
}

// sweep removes the namespaces of test processes that were killed.
func sweep() {
	entries, _ := os.ReadDir("/run/netns")
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), namespacePrefix)
		number, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(number)
		if ours && err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = namespace(e.Name()).remove()
		}
	}
}
