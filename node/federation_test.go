package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

func (r *running) status() *adminv1.GetStatusResponse {
	s, err := r.admin().GetStatus(r.cluster.t.Context(), &adminv1.GetStatusRequest{})
	if err != nil {
		r.cluster.t.Fatal(err)
	}
	return s
}

// What three plants record, two by API and one by file, is applied in Odoo once, also across restarts of hq in the middle.
func TestEveryPlantsEventsAreAppliedOnceAcrossRestarts(t *testing.T) {
	c := newCluster(t)
	inbox := t.TempDir()
	mapping, err := filepath.Abs("../deploy/examples/production-log.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fileConfig := c.config("plant-a")
	fileConfig.Adapters = []config.Adapter{{Name: "mes", Kind: config.KindFile, Dir: inbox, Pattern: "*.csv", Mapping: mapping, SettleSeconds: 0.05}}
	plants := []*running{c.start(fileConfig), c.start(c.config("plant-b")), c.start(c.config("plant-c"))}
	hqConfig := withOdoo(t, c.config("hq"))
	hqConfig.Subscriptions = []config.Subscription{{From: "plant-*", Streams: []string{"*"}}}
	for _, p := range plants {
		hqConfig.Peers = append(hqConfig.Peers, p.address)
	}
	hq := c.start(hqConfig)

	publish := func(round int) {
		for i, p := range plants[1:] {
			var events []*eventv1.Event
			for n := range 40 {
				events = append(events, released(t, fmt.Sprintf("%d-%d-%d", round, i, n)))
			}
			if _, err := p.events().Publish(t.Context(), &eventv1.PublishRequest{Events: events}); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(1)
	if err := os.WriteFile(filepath.Join(inbox, "shift.csv"), []byte("not,the,columns\n1,2,3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "hq applies", func() bool { return hq.status().GetOdoo().GetCounts().GetApplied() > 0 })
	hq.end()
	publish(2)
	hq = c.start(hqConfig)
	until(t, "hq has applied all", func() bool { return hq.status().GetOdoo().GetCounts().GetApplied() == 160 })

	s := hq.status()
	counts := s.GetOdoo().GetCounts()
	if counts.GetParked() != 0 || counts.GetIgnored() != 0 || s.GetOdoo().GetProblem() != "" || s.GetOdoo().GetServerVersion() == "" {
		t.Errorf("odoo %v", s.GetOdoo())
	}
	for _, p := range s.GetOdoo().GetPositions() {
		if p.GetLagEvents() != 0 || p.GetOffset() != 80 {
			t.Errorf("position %v", p)
		}
	}
	if s.GetNode().GetSite() != "hq" || s.GetNode().GetResidentBytes() == 0 || len(s.GetLinks()) != 3 || len(s.GetReplicas()) != 2 {
		t.Errorf("status %v", s)
	}
	if f := plants[1].status().GetFollowers(); len(f) != 1 || f[0].GetSite() != "hq" {
		t.Errorf("followers %v", f)
	}
	until(t, "the file without the columns is reported", func() bool {
		adapters := plants[0].status().GetAdapters()
		return len(adapters) == 1 && strings.Contains(fmt.Sprint(adapters[0]), "shift.csv")
	})
}

func TestOdooThatIsDownStopsNothing(t *testing.T) {
	c := newCluster(t)
	cfg := withOdoo(t, c.config("hq"))
	facing := *cfg.Odoo
	facing.URL = "http://127.0.0.1:1"
	cfg.Odoo = &facing
	cfg.Adapters = []config.Adapter{}
	hq := c.start(cfg)
	if _, err := hq.events().Publish(t.Context(), &eventv1.PublishRequest{Events: batch(t, "e", 3)}); err != nil {
		t.Fatal(err)
	}
	until(t, "the status says why", func() bool { return strings.Contains(hq.status().GetOdoo().GetProblem(), "127.0.0.1:1") })
	started := time.Now()
	hq.end()
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
}
