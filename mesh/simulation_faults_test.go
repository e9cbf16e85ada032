package mesh_test

import (
	"math/rand/v2"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
)

// carryOut has a step happen. One that makes no sense now does nothing.
func (s *simulation) carryOut(step simStep) {
	n := s.nodes[step.a]
	random := rand.New(rand.NewPCG(step.seed, 0))
	switch step.kind {
	case "publish":
		n.do(n.published(step))
		if random.IntN(8) == 0 {
			n.do(n.conflicting(step.seed))
		}
	case "break line":
		s.cutLine(step.a, step.b, meshtest.Break)
	case "hang line":
		s.cutLine(step.a, step.b, meshtest.Hang)
	case "slow line":
		s.shapeLine(step.a, step.b, meshtest.Shape{BytesPerSecond: 20_000 + random.IntN(200_000), Delay: time.Duration(random.IntN(400)) * time.Millisecond})
	case "corrupt line":
		s.fabric.Corrupt(step.a, step.b, 1+random.IntN(100_000))
	case "mend line":
		s.mend(step.a, step.b)
	case "restart":
		s.stopNode(n)
		s.startNode(n)
	case "stop":
		s.stopNode(n)
	case "cut power":
		s.cutPower(n, random.IntN(101), random)
		if random.IntN(3) > 0 {
			s.startNode(n)
		}
	case "lose disk":
		s.loseDisk(n)
		if random.IntN(3) > 0 {
			s.startNode(n)
		}
	case "start":
		s.startNode(n)
	case "disk nearly full":
		n.scarce.Store(true)
	case "disk full":
		n.full.Store(true)
	case "room on disk":
		s.makeRoom(n)
	case "set clock":
		n.ahead.Store(int64(time.Duration(random.IntN(1200)-600) * time.Second))
	case "trim":
		s.trim(n, n.own(random), false, random)
	case "trim hard":
		s.trim(n, n.own(random), true, random)
	case "lie in blocks":
		n.lie.Store(int32(lieBlocks))
	case "lie in forged blocks":
		n.lie.Store(int32(lieForged))
	case "lie in signatures":
		n.lie.Store(int32(lieSignature))
	case "be honest":
		n.lie.Store(int32(honest))
	default:
		s.Fatalf("no step %q", step.kind)
	}
}

func lineOf(a, b plantmesh.SiteID) [2]plantmesh.SiteID {
	return [2]plantmesh.SiteID{min(a, b), max(a, b)}
}

func (s *simulation) cutLine(a, b plantmesh.SiteID, mode meshtest.Mode) {
	s.cut[lineOf(a, b)] = mode
	s.fabric.Cut(a, b, mode)
}

// shapeLine changes a line, for which connections have to be made anew.
func (s *simulation) shapeLine(a, b plantmesh.SiteID, shape meshtest.Shape) {
	s.fabric.Shape(a, b, shape)
	if _, cut := s.cut[lineOf(a, b)]; !cut {
		s.fabric.Cut(a, b, meshtest.Break)
		s.fabric.Heal(a, b)
	}
}

func (s *simulation) mend(a, b plantmesh.SiteID) {
	delete(s.cut, lineOf(a, b))
	s.fabric.Corrupt(a, b, 0)
	s.fabric.Heal(a, b)
	s.shapeLine(a, b, meshtest.Shape{})
}

// startNode starts a site that is down.
func (s *simulation) startNode(n *simNode) {
	if n.running != nil {
		return
	}
	n.full.Store(false) // who starts it has made room
	n.closed = false
	n.start()
	jobs, ended, r := make(chan func(*running), 1000), make(chan struct{}), n.running
	n.jobs, n.ended = jobs, ended
	go func() {
		defer close(ended)
		for job := range jobs {
			job(r)
		}
	}()
}

// stopNode stops a site in order, if it runs.
func (s *simulation) stopNode(n *simNode) {
	if n.running == nil {
		return
	}
	if n.running.log.Err() != nil { // the process ends, and what the disk took stays
		s.cutPower(n, 100, rand.New(rand.NewPCG(0, 0)))
		return
	}
	log := n.running.log
	n.close()
	n.heads = log.AllHeads()
}

// cutPower ends a site at once. Its disk keeps what was synced, and some of the rest. From one moment on nothing leaves the
// site, neither over a line nor to a publisher; the disk is that of a later one.
func (s *simulation) cutPower(n *simNode, unsynced int, random *rand.Rand) {
	if n.running == nil {
		return
	}
	disk := s.unplug(n)
	memory := disk.memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: random})
	s.bury(n)
	n.disk = newSimDisk(memory, &n.full, &n.scarce)
}

// unplug has nothing leave a site any more, and notes what it holds for certain.
func (s *simulation) unplug(n *simNode) *simDisk {
	for _, other := range s.order {
		if other != n {
			s.fabric.Cut(n.site, other.site, meshtest.Break)
		}
	}
	n.mu.Lock()
	n.run++
	n.mu.Unlock()
	if n.running != nil {
		n.heads = n.running.log.AllHeads()
	}
	disk, ok := n.disk.(*simDisk)
	if !ok {
		s.Fatal("another disk")
	}
	return disk
}

// bury ends what is left of a site that was unplugged, and puts the lines back as they were.
func (s *simulation) bury(n *simNode) {
	if n.running != nil {
		n.close()
	}
	for _, other := range s.order {
		if other == n {
			continue
		}
		if mode, cut := s.cut[lineOf(n.site, other.site)]; cut {
			s.fabric.Cut(n.site, other.site, mode)
		} else {
			s.fabric.Heal(n.site, other.site)
		}
	}
}

// loseDisk leaves a site nothing but its certificate.
func (s *simulation) loseDisk(n *simNode) {
	s.unplug(n)
	s.noteLoss(n)
	s.bury(n)
	n.heads, n.readers = nil, map[plantmesh.StreamName]*simReader{}
	n.disk = newSimDisk(vfs.NewCrashableMem(), &n.full, &n.scarce)
	n.config.SigningKey = n.signingKey(n.creds)
	pass(time.Millisecond) // in virtual time no clock tick would tell the new history from the old
}

// makeRoom ends what is wrong with a disk. A log that has failed needs a restart, any other goes on by itself.
func (s *simulation) makeRoom(n *simNode) {
	n.full.Store(false)
	n.scarce.Store(false)
	if n.running != nil && n.running.log.Err() != nil {
		s.stopNode(n)
		s.startNode(n)
	}
}

// trim removes old events of an own stream: those that all subscribers have or, hard, any.
func (s *simulation) trim(n *simNode, stream plantmesh.StreamName, hard bool, random *rand.Rand) {
	if n.running == nil {
		return
	}
	histories, _ := n.running.log.Incarnations(stream) // none, if nothing was recorded yet
	for _, h := range histories {
		before := h.Offset
		if hard {
			before = plantmesh.Offset(random.Int64N(int64(h.Offset) + 1))
			s.trimmedHard[stream] = true
		}
		for _, sub := range s.mesh.subscribers(stream) {
			if !hard {
				before = min(before, s.nodes[sub.name].holdsOf(simPlace{stream, h.Incarnation})+1)
			}
		}
		if before < 2 {
			continue
		}
		place := simPlace{stream, h.Incarnation}
		s.floor[place] = max(s.floor[place], before)
		n.do(func(r *running) {
			if _, err := r.log.Trim(n.Context(), stream, h.Incarnation, before); err != nil && r.log.Err() == nil && !isShuttingDown(err) {
				n.Errorf("%s: trim %s: %v", n.site, stream, err)
			}
		})
	}
}
