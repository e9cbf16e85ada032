package mesh_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh"
)

// simStep is one thing that happens in a simulation. All of it is drawn before the run, so that a seed gives the same
// history whatever the run does.
type simStep struct {
	kind   string
	a, b   plantmesh.SiteID // b where two sites have part in it
	amount int
	seed   uint64        // of what is drawn while it is carried out
	pause  time.Duration // afterwards
}

// simKinds are what can happen, and how often.
var simKinds = []struct {
	kind   string
	weight int
}{
	{"publish", 12},
	{"break line", 2}, {"hang line", 2}, {"slow line", 1}, {"corrupt line", 2}, {"mend line", 4},
	{"restart", 1}, {"stop", 1}, {"cut power", 3}, {"lose disk", 1}, {"start", 3},
	{"disk nearly full", 1}, {"disk full", 1}, {"room on disk", 2},
	{"set clock", 1}, {"trim", 2}, {"trim hard", 1},
	{"lie in blocks", 1}, {"lie in forged blocks", 1}, {"lie in signatures", 1}, {"be honest", 2},
}

// simSteps is how many steps a history has.
const simSteps = 60

func randomSteps(m *simMesh, random *rand.Rand) (steps []simStep) {
	weights := 0
	for _, k := range simKinds {
		weights += k.weight
	}
	for range simSteps {
		at := random.IntN(weights)
		i := 0
		for ; at >= simKinds[i].weight; i++ {
			at -= simKinds[i].weight
		}
		s := simStep{kind: simKinds[i].kind, a: m.sites[random.IntN(len(m.sites))].name, amount: 1 + random.IntN(40), seed: random.Uint64()}
		if strings.HasSuffix(s.kind, " line") {
			e := m.edges[random.IntN(len(m.edges))]
			s.a, s.b = e[0], e[1]
		}
		s.pause = time.Duration(random.Int64N(int64([]time.Duration{300 * time.Millisecond, 5 * time.Second, 40 * time.Second}[random.IntN(3)])))
		steps = append(steps, s)
	}
	return steps
}

func (s simStep) String() string {
	text := fmt.Sprintf("%s: %s", s.kind, s.a)
	if s.b != "" {
		text += " and " + string(s.b)
	}
	return fmt.Sprintf("%s (%d)", text, s.amount)
}
