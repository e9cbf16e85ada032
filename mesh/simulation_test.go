package mesh_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

var (
	seeds     = flag.Uint64("mesh.seeds", 4, "how many random histories the simulation plays")
	firstSeed = flag.Uint64("mesh.first", 0, "seed of the first of them")
)

// simulation is one mesh in virtual time, and what has happened to it. One goroutine drives it; each site has a publisher
// besides.
type simulation struct {
	*world
	mesh  *simMesh
	nodes map[plantmesh.SiteID]*simNode
	order []*simNode

	cut         map[[2]plantmesh.SiteID]meshtest.Mode // lines
	floor       map[simPlace]plantmesh.Offset         // below it something was trimmed
	kept        map[simPlace]plantmesh.Offset         // how far it survived each loss of a disk
	trimmedHard map[plantmesh.StreamName]bool         // subscribers may have to stop there
	lostDisk    bool                                  // one at least
	began       time.Time
	history     []string
}

// Meshes of any shape live through cuts, hangs, slow and corrupt lines, power cuts, restarts, full and lost disks, wrong
// clocks, retention and lying holders, all the while recording. In the end every site holds exactly what it has to.
func TestMeshConvergesAfterAnyHistory(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { simulate(t, seed) })
		})
	}
}

func simulate(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 2))
	m := randomMesh(random)
	steps := randomSteps(m, random)
	s := newSimulation(t, m)
	defer s.end()
	defer s.tell(seed)
	for _, step := range steps {
		s.history = append(s.history, fmt.Sprintf("%9.3fs  %s", time.Since(s.began).Seconds(), step))
		s.carryOut(step)
		pass(step.pause)
		s.always()
	}
	s.heal()
	s.converge()
	s.rest()
	last := s.recordLast()
	s.converge()
	s.rest()
	s.always()
	s.whole()
	s.isRead(last)
	s.Log(s.summary(m))
}

// summary tells how much was at stake.
func (s *simulation) summary(m *simMesh) string {
	acked, lost, jumps, histories := 0, 0, 0, 0
	for _, n := range s.order {
		for _, a := range n.acked {
			if acked++; !s.due(simPlace{a.Entry.Stream, a.Incarnation}, a.Offset) {
				lost++
			}
		}
		for _, r := range n.readers {
			jumps += r.jumps
		}
		histories += len(n.running.log.AllHeads())
	}
	return fmt.Sprintf("%s of %d over %s: %d events acknowledged, %d of them lost with disks or trimmed, %d copies of histories, %d jumps told",
		m.shape, len(m.sites), time.Since(s.began).Round(time.Second), acked, lost, histories, jumps)
}

func newSimulation(t *testing.T, m *simMesh) *simulation {
	s := &simulation{
		world: newWorld(t, meshtest.NewFabric()), mesh: m, nodes: map[plantmesh.SiteID]*simNode{}, cut: map[[2]plantmesh.SiteID]meshtest.Mode{},
		floor: map[simPlace]plantmesh.Offset{}, kept: map[simPlace]plantmesh.Offset{}, trimmedHard: map[plantmesh.StreamName]bool{}, began: time.Now(),
	}
	for _, site := range m.sites {
		config := mesh.Config{Subscriptions: site.wants, Export: site.export(), Outbound: site.outbound}
		for _, p := range site.peers {
			config.Peers = append(config.Peers, meshtest.Address(p))
		}
		if site.advertise {
			config.Advertise = meshtest.Address(site.name)
		}
		if site.outbound {
			s.fabric.Firewall(site.name, site.wall)
		}
		n := &simNode{node: s.add(site.name, config), plan: site, readers: map[plantmesh.StreamName]*simReader{}, seen: map[string]*eventv1.Event{}}
		n.ahead.Store(int64(site.ahead))
		n.clock = func() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }
		n.wrap = n.wrapLies()
		n.disk = newSimDisk(vfs.NewCrashableMem(), &n.full, &n.scarce)
		s.nodes[site.name], s.order = n, append(s.order, n)
		s.startNode(n)
	}
	return s
}

// end stops every site.
func (s *simulation) end() {
	for _, n := range s.order {
		s.stopNode(n)
	}
	pass(10 * time.Second) // timers of memberlist, which ends without waiting for them
}

// heal ends all faults, and has every site record once more.
func (s *simulation) heal() {
	s.history = append(s.history, fmt.Sprintf("%9.3fs  everything is mended", time.Since(s.began).Seconds()))
	for _, a := range s.order {
		for _, b := range s.order {
			if a != b {
				s.mend(a.site, b.site)
			}
		}
		a.lie.Store(int32(honest))
		s.makeRoom(a)
		s.startNode(a)
	}
	for _, n := range s.order {
		n.do(n.published(simStep{amount: 5, seed: 1}))
		n.do(n.again)
	}
	for _, n := range s.order {
		if !n.settled() {
			s.Fatalf("%s does not record, though nothing is broken any more: %+v", n.site, n.troubles())
		}
	}
}

// convergeWithin is how long a healed mesh may take: a copy that stalled is tried again after half a minute, at each site of a way.
const convergeWithin = 10 * time.Minute

func (s *simulation) converge() {
	healed := time.Now()
	for why := s.missing(); why != ""; why = s.missing() {
		if time.Since(healed) > convergeWithin {
			s.Errorf("after %s: %s", convergeWithin, why)
			for _, n := range s.order {
				s.Logf("%s: %s", n.site, n.troubles())
			}
			return
		}
		pass(500 * time.Millisecond)
	}
}

// rest waits until nothing comes any more anywhere: also what nobody has to have may be on its way.
func (s *simulation) rest() {
	for range 10 {
		before := s.heads()
		if pass(45 * time.Second); before == s.heads() {
			return
		}
	}
	s.Error("heads go on moving, though nobody records anything")
}

// recordLast has every site record one event in each of its streams, now that all of the past is back. It returns where they are.
func (s *simulation) recordLast() (last []simPlaceOffset) {
	for _, n := range s.order {
		for _, domain := range simDomains {
			stream := plantmesh.StreamOf(n.site, domain)
			e := n.event(0)
			n.seen[e.GetId()] = e
			receipts, err := n.running.log.Append(s.Context(), storage.Write{Entries: []storage.Entry{{Stream: stream, Event: e}}})
			if err != nil {
				s.Fatalf("%s: %v", n.site, err)
			}
			last = append(last, simPlaceOffset{simPlace{stream, receipts[0].Incarnation}, receipts[0].Offset})
		}
	}
	return last
}

// heads are those of all sites.
func (s *simulation) heads() string {
	var text strings.Builder
	for _, n := range s.order {
		fmt.Fprintln(&text, n.site, n.running.log.AllHeads())
	}
	return text.String()
}

// tell shows how a run that failed came about.
func (s *simulation) tell(seed uint64) {
	if s.Failed() {
		s.Logf("seed %d, again by: go test -run TestMeshConvergesAfterAnyHistory ./mesh -mesh.first %d -mesh.seeds 1\n%s\n%s",
			seed, seed, s.mesh, strings.Join(s.history, "\n"))
	}
}

// powerCut restarts a node with what its disk held for certain, and some of the rest.
func (n *node) powerCut(random *rand.Rand) {
	n.Helper()
	disk, ok := n.disk.(*vfs.MemFS)
	if !ok {
		n.Fatal("the disk cannot crash")
	}
	survivor := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(100), RNG: random})
	n.stop()
	n.disk = survivor
	n.start()
}
