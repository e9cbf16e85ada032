//go:build linux

package netlab_test

import (
	"os"
	"testing"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/cmd/plantmesh/internal/netlab"
	"github.com/plantmesh/plantmesh/node/config"
)

func TestMain(m *testing.M) { os.Exit(netlab.Run(m)) }

const production = plantmesh.StreamName("plant-a/production")

// everything subscribes to all streams of all other sites.
func everything() config.Subscription { return config.Subscription{From: "*", Streams: []string{"*"}} }

// two are plant-a under load and hq, which replicates it, with a link that stands and events that arrive.
func two(t *testing.T) (lab *netlab.Lab, plant, hq *netlab.Site, load *netlab.Load) {
	t.Helper()
	t.Parallel()
	lab = netlab.New(t, "plant-a", "hq")
	plant, hq = lab.Site("plant-a"), lab.Site("hq")
	plant.SetUp([]string{hq.Address()})
	hq.SetUp([]string{plant.Address()}, everything())
	plant.Start()
	hq.Start()
	hq.AwaitLink(plant.Address())
	plant.AwaitLink(hq.Address())
	load = netlab.StartLoad(plant)
	hq.AwaitHead(production, 50)
	return lab, plant, hq, load
}

// recovers waits until both links stand and new events arrive again.
func recovers(plant, hq *netlab.Site) {
	hq.AwaitLink(plant.Address())
	plant.AwaitLink(hq.Address())
	hq.AwaitMore(production, 20)
}
