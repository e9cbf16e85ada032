package meshtest

import (
	"math/rand/v2"
	"sync"

	"github.com/plantmesh/plantmesh"
)

// Corrupt has the line between two sites change one byte in so many that it carries, on average, also on connections that
// stand; 0 ends it. Which bytes is the same in every run that carries the same.
func (f *Fabric) Corrupt(a, b plantmesh.SiteID, every int) {
	f.mu.Lock()
	l := f.line(pairOf(a, b))
	f.mu.Unlock()
	l.noise.set(every)
}

// noise is what a line does to the bytes it carries. The zero value does nothing.
type noise struct {
	mu     sync.Mutex // guards what follows
	every  int
	left   int // bytes until the next one that is changed
	random *rand.Rand
}

func (n *noise) set(every int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.random == nil {
		n.random = rand.New(rand.NewPCG(1, 2))
	}
	if n.every = every; every > 0 {
		n.left = n.random.IntN(2 * every)
	}
}

// damage changes some bytes.
func (n *noise) damage(p []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.every == 0 {
		return
	}
	for ; n.left < len(p); n.left += 1 + n.random.IntN(2*n.every) {
		p[n.left] ^= byte(1 + n.random.IntN(255))
	}
	n.left -= len(p)
}
