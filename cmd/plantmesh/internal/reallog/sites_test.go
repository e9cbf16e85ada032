package reallog_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/setup"
)

const (
	shop = plantmesh.SiteID("shop")
	hq   = plantmesh.SiteID("hq")
	// outcomes is where hq says what became of each event in Odoo.
	outcomes = plantmesh.StreamName("hq/mesh")
	meshName = "acme-log"
	keyFile  = "odoo.key"
	// stopTimeout bounds how long a node may take to go down.
	stopTimeout = 30 * time.Second
)

// target is the Odoo that the log goes to: ODOO_URL, ODOO_API_KEY, an administrator's, and ODOO_LOG_DB, a database of its own that has
// nothing but the apps. It skips the test where they are not set.
func target(t *testing.T) (url, database, key string) {
	t.Helper()
	url, database, key = os.Getenv("ODOO_URL"), os.Getenv("ODOO_LOG_DB"), os.Getenv("ODOO_API_KEY")
	if url == "" || database == "" || key == "" {
		t.Skip("NOT RUN against a real Odoo: set ODOO_URL, ODOO_API_KEY and, to a fresh database, ODOO_LOG_DB; `make test-odoo-log` does")
	}
	return url, database, key
}

// sites are two processes with certificates of one mesh.
type sites struct {
	t       *testing.T
	binary  string
	folders map[plantmesh.SiteID]setup.Result
	shop    *plantmesh.Client
	hq      *plantmesh.Client
}

// newSites builds plantmesh, makes both sites' folders, has Odoo provisioned from the command line, and starts the nodes.
func newSites(t *testing.T, url, database, key string) *sites {
	t.Helper()
	dir := t.TempDir()
	s := &sites{t: t, binary: filepath.Join(dir, "plantmesh"), folders: map[plantmesh.SiteID]setup.Result{}}
	s.command("go", "build", "-o", s.binary, "github.com/plantmesh/plantmesh/cmd/plantmesh")
	atShop, atHQ := freeAddress(t), freeAddress(t)
	s.folders[shop] = s.site(dir, shop, atShop, atHQ, func(c *config.Config) {
		c.Subscriptions = []config.Subscription{{From: string(hq), Streams: []string{"mesh"}}}
	})
	s.folders[hq] = s.site(dir, hq, atHQ, atShop, func(c *config.Config) {
		c.Subscriptions = []config.Subscription{{From: string(shop), Streams: []string{"*"}}}
		o := odoo.Default()
		o.URL, o.Database, o.APIKeyFile = url, database, keyFile
		o.CreateMissing = []string{odoo.CreateLots} // all else has to be set up by events
		c.Odoo = &o
	})
	at := s.folders[hq].Config
	t.Setenv("ODOO_ADMIN_KEY", key)
	s.command(s.binary, "odoo", "provision", "--config", at, "--admin-key-env", "ODOO_ADMIN_KEY", "--write-key", filepath.Join(filepath.Dir(at), keyFile), "--yes")
	s.command(s.binary, "odoo", "check", "--config", at)
	s.start(shop)
	s.start(hq)
	s.shop, s.hq = s.dial(shop, atShop), s.dial(hq, atHQ)
	return s
}

// command runs a program to its end.
func (s *sites) command(name string, args ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s %v: %v\n%s", filepath.Base(name), args, err, out)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (s *sites) site(dir string, name plantmesh.SiteID, listen, peer string, adjust func(*config.Config)) setup.Result {
	s.t.Helper()
	made, err := setup.CreateSite(dir, setup.Site{Mesh: meshName, Name: string(name), Region: "eu", Listen: listen, Peers: []string{peer}, Adjust: adjust})
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

// start runs a site's node until the test ends.
func (s *sites) start(name plantmesh.SiteID) {
	s.t.Helper()
	folder := filepath.Dir(s.folders[name].Config)
	path := filepath.Join(folder, "node.log")
	output, err := os.Create(path)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	node := exec.CommandContext(ctx, s.binary, "run", "--config", s.folders[name].Config)
	node.Dir, node.Stdout, node.Stderr, node.WaitDelay = folder, output, output, stopTimeout
	node.Cancel = func() error { return node.Process.Signal(syscall.SIGTERM) }
	if err := node.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cancel()
		_ = node.Wait() // interrupted
		_ = output.Close()
		if s.t.Failed() {
			text, _ := os.ReadFile(path)
			s.t.Logf("log of %s:\n%s", name, text[max(0, len(text)-6<<10):])
		}
	})
}

func (s *sites) dial(name plantmesh.SiteID, address string) *plantmesh.Client {
	s.t.Helper()
	client, err := plantmesh.Dial(address, s.folders[name].Files)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}
