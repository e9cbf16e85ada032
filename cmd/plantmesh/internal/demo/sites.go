package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/setup"
)

// The sites. Four plants, and the one that faces Odoo.
const siteHQ = plantmesh.SiteID("hq")

var plants = []plantmesh.SiteID{"plant-a", "plant-b", "plant-c", "plant-d"}

const (
	meshName    = "acme-demo"
	adapterName = "mes"
	bulkDomain  = "production"
	dataFolder  = "data"
	// settleSeconds is short: the demo drops files by renaming complete ones.
	settleSeconds = 0.1
	// stopTimeout bounds how long a node may take to go down before it is killed.
	stopTimeout = 15 * time.Second
)

// site is one node, as a process.
type site struct {
	name    plantmesh.SiteID
	dir     string
	config  string
	inbox   string
	address string
	client  *plantmesh.Client
	command *exec.Cmd
	exited  chan error
}

// cluster is all of them, and the wires between them.
type cluster struct {
	binary string
	dir    string
	sites  map[plantmesh.SiteID]*site
	wires  map[[2]plantmesh.SiteID]*wire // from, to
	lines  map[plantmesh.SiteID]*line
}

// newCluster makes certificates, configurations and wires. It starts nothing.
func newCluster(dir, mapping string, erp odoo.Config) (*cluster, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &cluster{binary: binary, dir: dir, sites: map[plantmesh.SiteID]*site{}, wires: map[[2]plantmesh.SiteID]*wire{}, lines: map[plantmesh.SiteID]*line{}}
	all := append([]plantmesh.SiteID{siteHQ}, plants...)
	for _, name := range all {
		address, err := freeAddress()
		if err != nil {
			return c, err
		}
		c.lines[name] = new(line)
		folder := filepath.Join(dir, string(name))
		c.sites[name] = &site{name: name, dir: folder, address: address, inbox: filepath.Join(folder, "inbox")}
	}
	for _, from := range all {
		for _, to := range all {
			if from == to {
				continue
			}
			if c.wires[[2]plantmesh.SiteID{from, to}], err = newWire(c.sites[to].address, c.lines[from], c.lines[to]); err != nil {
				return c, err
			}
		}
	}
	for _, name := range all {
		if err := c.setUp(c.sites[name], mapping, erp); err != nil {
			return c, err
		}
	}
	return c, nil
}

// freeAddress is a loopback address that was free a moment ago. Its port is below those that systems give to outgoing
// connections, so that none of these takes it while a node is down.
func freeAddress() (string, error) {
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
	}
	return "", errors.New("no port is free between 20000 and 32000")
}

// setUp makes a site's folder. All plants see each other's quality events, hq sees everything.
func (c *cluster) setUp(s *site, mapping string, erp odoo.Config) error {
	var peers []string
	for pair, w := range c.wires {
		if pair[0] == s.name {
			peers = append(peers, w.address())
		}
	}
	made, err := setup.CreateSite(c.dir, setup.Site{
		Mesh: meshName, Name: string(s.name), Region: "eu", Listen: s.address, Peers: peers,
		Adjust: func(cfg *config.Config) {
			cfg.DataDir = dataFolder
			if s.name == siteHQ {
				cfg.Subscriptions = []config.Subscription{{From: "plant-*", Streams: []string{"*"}}}
				cfg.Odoo = &erp
				return
			}
			cfg.Subscriptions = []config.Subscription{{From: "*", Streams: []string{sharedDomain}}}
			cfg.Streams = map[string]config.Stream{bulkDomain: {Class: "bulk"}} // the catalog has it as standard
			cfg.Adapters = []config.Adapter{{
				Name: adapterName, Kind: config.KindFile, Dir: "inbox", Pattern: "*.csv", Mapping: mapping, SettleSeconds: settleSeconds,
			}}
		},
	})
	if err != nil {
		return err
	}
	s.config = made.Config
	s.client, err = plantmesh.Dial(s.address, made.Files)
	return err
}

// start runs a site's node.
func (c *cluster) start(name plantmesh.SiteID) error {
	s := c.sites[name]
	output, err := os.OpenFile(filepath.Join(s.dir, "node.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = output.Close() }()
	s.command = exec.Command(c.binary, "run", "--config", s.config)
	s.command.Stdout, s.command.Stderr = output, output
	s.command.SysProcAttr = childAttributes()
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	s.exited = make(chan error, 1)
	go func(command *exec.Cmd, exited chan<- error) { exited <- command.Wait() }(s.command, s.exited)
	return nil
}

// kill is kill -9.
func (s *site) kill() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Kill()
	_ = <-s.exited // killed: it has nothing more to say
	s.command = nil
}

// stop asks a node to end, and kills it if it does not.
func (s *site) stop() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Signal(os.Interrupt)
	select {
	case _ = <-s.exited:
		s.command = nil
	case <-time.After(stopTimeout):
		s.kill()
	}
}

// died tells whether a node ended by itself, and what it said last.
func (s *site) died() error {
	if s.command == nil {
		return nil
	}
	select {
	case err := <-s.exited:
		s.command = nil
		text, _ := os.ReadFile(filepath.Join(s.dir, "node.log"))
		return fmt.Errorf("the node of %s ended by itself: %w: %s", s.name, errors.Join(err, errors.New("see its node.log")), tailOf(text))
	default:
		return nil
	}
}

func tailOf(text []byte) string {
	const most = 600
	return string(text[max(0, len(text)-most):])
}

// cutOff cuts all wires from and to a site, or mends them.
func (c *cluster) cutOff(name plantmesh.SiteID, cut bool) {
	for pair, w := range c.wires {
		if pair[0] == name || pair[1] == name {
			w.setCut(cut)
		}
	}
}

// mendBetween mends the wires between two sites only.
func (c *cluster) mendBetween(a, b plantmesh.SiteID) {
	c.wires[[2]plantmesh.SiteID{a, b}].setCut(false)
	c.wires[[2]plantmesh.SiteID{b, a}].setCut(false)
}

// carried counts the bytes that went over the wires from one site to another.
func (c *cluster) carried(from, to plantmesh.SiteID) int64 {
	return c.wires[[2]plantmesh.SiteID{from, to}].forth.Load() + c.wires[[2]plantmesh.SiteID{to, from}].back.Load()
}

func (c *cluster) startAll(ctx context.Context) error {
	for name := range c.sites {
		if err := c.start(name); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (c *cluster) close() {
	for _, s := range c.sites {
		s.stop()
		if s.client != nil {
			_ = s.client.Close()
		}
	}
	for _, w := range c.wires {
		if w != nil {
			w.close()
		}
	}
}
