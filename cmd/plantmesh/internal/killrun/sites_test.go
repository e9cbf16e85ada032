package killrun_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/odootest"
	"github.com/plantmesh/plantmesh/node/setup"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

const (
	// stopTimeout bounds how long a node may take to go down.
	stopTimeout = 30 * time.Second
	// patience is how long Odoo may be busy without one more event applied.
	patience = 3 * time.Minute
	// together is how many events one call publishes.
	together = 100
)

// sites are two plants and hq, processes of one mesh.
type sites struct {
	t       *testing.T
	nodes   map[plantmesh.SiteID]*node
	clients map[plantmesh.SiteID]*plantmesh.Client
	tag     string
	told    int
}

// newSites builds plantmesh, and starts a node for each site; hq's way to Odoo is the line.
func newSites(t *testing.T, target odootest.Target, l *line, m *model, warehouses map[plantmesh.SiteID]string) *sites {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "plantmesh")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/plantmesh/plantmesh/cmd/plantmesh").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	s := &sites{t: t, nodes: map[plantmesh.SiteID]*node{}, clients: map[plantmesh.SiteID]*plantmesh.Client{}, tag: m.tag}
	all := append(slices.Clone(plants), hq)
	addresses := map[plantmesh.SiteID]string{}
	for _, site := range all {
		addresses[site] = freeAddress(t)
	}
	for _, site := range all {
		var peers []string
		for _, other := range all {
			if other != site {
				peers = append(peers, addresses[other])
			}
		}
		made, err := setup.CreateSite(dir, setup.Site{Mesh: "acme-kill", Name: string(site), Region: "eu", Listen: addresses[site], Peers: peers, Adjust: func(c *config.Config) {
			c.Export = []config.ExportRule{{Streams: []string{"*"}, To: []string{"*"}}}
			if site != hq {
				return
			}
			c.Subscriptions = []config.Subscription{{From: "plant-*", Streams: []string{"*"}}}
			o := odoo.Default()
			o.Code = target.Config().Code
			o.URL, o.Database, o.APIKey, o.CreateMissing, o.Sites = l.URL, target.Database, cmp.Or(target.Connector, target.Key), odoo.CreateAll(), map[string]odoo.Site{}
			for plant, code := range warehouses {
				o.Sites[string(plant)] = odoo.Site{Warehouse: code}
			}
			c.Odoo = &o
		}})
		if err != nil {
			t.Fatal(err)
		}
		n := &node{name: string(site), binary: binary, config: made.Config}
		if err := n.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.stop(t) })
		client, err := plantmesh.Dial(addresses[site], made.Files)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		s.nodes[site], s.clients[site] = n, client
	}
	return s
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

// tell publishes events at their plants; each plant's in this order.
func (s *sites) tell(all []told) {
	s.t.Helper()
	events := map[plantmesh.SiteID][]*eventv1.Event{}
	for _, one := range all {
		s.told++
		at := time.Date(2026, 1, 5, 6, 0, s.told, 0, time.UTC)
		e, err := plantmesh.NewEvent("//"+string(one.site)+"/mes", fmt.Sprintf("%s-%d", s.tag, s.told), at, one.payload)
		if err != nil {
			s.t.Fatal(err)
		}
		events[one.site] = append(events[one.site], e)
	}
	for site, list := range events {
		for batch := range slices.Chunk(list, together) {
			if _, err := s.clients[site].Publish(s.t.Context(), batch...); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// await returns when Odoo's journal has every event that was told. Subjects that hq has set aside meanwhile are tried again: a receipt may be
// there before its dispatch.
func (s *sites) await(b *books, failed func() error) {
	s.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	before, since, retried := -1, time.Now(), time.Now()
	for {
		if err := failed(); err != nil {
			s.t.Fatal(err)
		}
		for _, n := range s.nodes {
			if err := n.died(); err != nil {
				s.t.Fatal(err)
			}
		}
		applied := b.count(odoo.ModelApplied, is("x_event", "like", " "+s.tag+"-"))
		if applied >= s.told {
			return
		}
		if applied != before {
			before, since = applied, time.Now()
		}
		if time.Since(since) > patience {
			s.t.Fatalf("%d of %d events are applied, and no more for %s; hq: %s", applied, s.told, patience, s.hears())
		}
		if time.Since(retried) > time.Second {
			retried = time.Now()
			ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
			_, _ = s.clients[hq].Admin().RetryParked(ctx, &adminv1.RetryParkedRequest{Consumer: "odoo"}) // hq may be down just now
			cancel()
		}
		select {
		case <-tick.C:
		case <-s.t.Context().Done():
			s.t.Fatal(s.t.Context().Err())
		}
	}
}

// hears is what hq says of itself.
func (s *sites) hears() string {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	status, err := s.clients[hq].Admin().GetStatus(ctx, &adminv1.GetStatusRequest{})
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(status.GetOdoo())
}
