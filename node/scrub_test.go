package node_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// A bit turns in what a plant's disk holds of the plant's own stream. The node finds it and gets the blocks back from hq.
func TestDamagedBlocksAreFetchedBackFromAnotherSite(t *testing.T) {
	c := newCluster(t)
	plantConfig, hqConfig := c.config("plant-a"), c.config("hq")
	plantConfig.Listen, hqConfig.Listen = freePort(t), freePort(t)
	plantConfig.Peers, hqConfig.Peers = []string{hqConfig.Listen}, []string{plantConfig.Listen}
	plantConfig.Limits.ScrubBytesPerSecond = 1 << 30
	hqConfig.Subscriptions = []config.Subscription{{From: "*", Streams: []string{"*"}}}
	plant, hq := c.start(plantConfig), c.start(hqConfig)
	for i := range 400 {
		plant.publishReleases(t, fmt.Sprintf("%d-%s", i, strings.Repeat("x", 60)), 1)
	}
	hq.holdsWhole(t, "plant-a/production", 400)
	plant.end()
	c.start(plantConfig).end() // what was in the write-ahead log goes into a table
	turnBit(t, filepath.Join(plantConfig.DataDir, "log"))

	plant = c.start(plantConfig)
	until(t, "the damage is repaired", func() bool {
		return strings.Contains(plant.logs.String(), "damaged blocks are repaired from another site")
	})
	plant.holdsWhole(t, "plant-a/production", 400)
	for _, s := range plant.status().GetStreams() {
		if len(s.GetDamaged()) > 0 {
			t.Errorf("still damaged: %v", s)
		}
	}
	if got := offline(t, hqConfigEnded(hq), &adminv1.VerifyRequest{}); len(got) != 1 || got[0].GetResult() != adminv1.VerifyResult_VERIFY_RESULT_VERIFIED {
		t.Errorf("at hq: %v", got)
	}
}

func hqConfigEnded(hq *running) config.Config {
	hq.end()
	return hq.cfg
}

// turnBit turns a bit in the middle of the largest table.
func turnBit(t *testing.T, dir string) {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	var name string
	var content []byte
	for _, table := range tables {
		b, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > len(content) {
			name, content = table, b
		}
	}
	content[len(content)/3] ^= 4
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
