package exceptions

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

const (
	// jumpShown is how long a jump's exception stays open: the jump itself is over at once, and somebody has to hear of it.
	jumpShown = 24 * time.Hour
	// maxJumps bounds the readers and streams that are remembered as having jumped.
	maxJumps = 1000
)

// Kinds of readers that can jump.
const (
	ReaderSubscription = "subscription"
	ReaderConsumer     = "consumer"
	ReaderReplica      = "replica"
)

// Heads are the histories that a log holds.
type Heads interface{ AllHeads() []plantmesh.Head }

// Jumps notes where readers could not read on right behind what they had read. A replica's jumps it finds itself: its origin
// went on in a new incarnation. Jumped may be called by any number of goroutines, and blocks on nothing.
type Jumps struct {
	site    plantmesh.SiteID
	log     Heads
	counted func(reader, kind, stream string)
	look    func()

	newest map[plantmesh.StreamName]plantmesh.Incarnation // of replicas; owned by the keeper

	mu   sync.Mutex
	last map[string]jump // guarded by mu, by what it is about
}

type jump struct {
	condition Condition
	at        time.Time
}

// NewJumps makes the source. counted is told of each jump, for metrics.
func NewJumps(site plantmesh.SiteID, log Heads, counted func(reader, kind, stream string)) *Jumps {
	j := &Jumps{site: site, log: log, counted: counted, look: func() {}, last: map[string]jump{}}
	j.newest = j.newestOf(log.AllHeads())
	return j
}

// Wake has a keeper look as soon as something jumped. It is called before anything else runs.
func (j *Jumps) Wake(look func()) { j.look = look }

// Jumped notes a jump of a kind of reader, and which one of them it was if they have names.
func (j *Jumps) Jumped(reader, named string, s plantmesh.StreamName, to storage.Jump) {
	j.counted(reader, to.Kind.String(), string(s))
	if ownStream(s) {
		return
	}
	about := reader + " " + string(s)
	if named != "" {
		about = reader + " " + named + " " + string(s)
	}
	c := Condition{Kind: KindJump, About: about, Summary: summary(to), Owner: Operations, Action: actions[to.Kind]}
	j.mu.Lock()
	if _, known := j.last[about]; known || len(j.last) < maxJumps {
		j.last[about] = jump{c, time.Now()}
	}
	j.mu.Unlock()
	j.look()
}

func summary(j storage.Jump) string {
	if j.Kind == storage.JumpRecreated {
		return fmt.Sprintf("The origin began a new history: incarnation %d follows on incarnation %d, which was read up to offset %d.", j.To.Incarnation, j.From.Incarnation, j.From.Offset)
	}
	return fmt.Sprintf("Offsets %d to %d of incarnation %d could not be read: %s.", j.From.Offset+1, j.To.Offset, j.From.Incarnation, j.Kind)
}

var actions = map[storage.JumpKind]string{
	storage.JumpTrimmed:   "Check what the reader missed; keep events for longer, or have the reader follow more closely.",
	storage.JumpRecreated: "Check with the origin why it lost its log, and whether events of the old history are missing.",
	storage.JumpLost:      "Check the disk, and what the reader missed.",
}

// Kinds is that of jumps.
func (j *Jumps) Kinds() []string { return []string{KindJump} }

// Conditions are the jumps of the last day.
func (j *Jumps) Conditions() (all []Condition) {
	j.watchReplicas()
	j.mu.Lock()
	defer j.mu.Unlock()
	for about, one := range j.last {
		if time.Since(one.at) >= jumpShown {
			delete(j.last, about)
			continue
		}
		all = append(all, one.condition)
	}
	slices.SortFunc(all, func(a, b Condition) int { return cmp.Compare(a.About, b.About) })
	return all
}

// Ended is a day after the jump, also over a restart.
func (j *Jumps) Ended(o Open) (bool, string) {
	return time.Since(o.Raised) >= jumpShown, "The reader has gone on for a day without another jump."
}

// watchReplicas finds the replicas whose origin has gone on in a new incarnation.
func (j *Jumps) watchReplicas() {
	heads := j.log.AllHeads()
	now := j.newestOf(heads)
	for _, head := range heads { // of a stream the oldest incarnation first
		s, before := head.Stream, j.newest[head.Stream]
		if before == 0 {
			before = head.Incarnation
		}
		if head.Incarnation != before || now[s] <= before {
			continue
		}
		from, to := storage.Position{Incarnation: before, Offset: head.Offset}, storage.Position{Incarnation: now[s]}
		j.newest[s] = now[s]
		j.Jumped(ReaderReplica, "", s, storage.Jump{Kind: storage.JumpRecreated, From: from, To: to})
	}
	j.newest = now
}

// newestOf are the newest incarnations of the replicas.
func (j *Jumps) newestOf(heads []plantmesh.Head) map[plantmesh.StreamName]plantmesh.Incarnation {
	newest := map[plantmesh.StreamName]plantmesh.Incarnation{}
	for _, head := range heads {
		if head.Stream.Origin() != j.site {
			newest[head.Stream] = max(newest[head.Stream], head.Incarnation)
		}
	}
	return newest
}
