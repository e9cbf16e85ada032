package killrun_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// pace is how the killer works.
type pace struct {
	least, most time.Duration // between two strikes
	effect      time.Duration // about how long a call of an action takes
	outage      time.Duration // how long the line is cut at most
}

// idle is how long the killer waits for a call to kill hq in.
const idle = 5 * time.Second

// withCall counts the kills of all kinds that left a call in Odoo behind.
const withCall = "with a call in Odoo"

// killer kills hq and breaks its line to Odoo, until it is stopped.
type killer struct {
	*rand.Rand
	hq     *node
	line   *line
	pace   pace
	struck chan struct{} // holds a token after each strike
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex // guards what follows
	counts map[string]int
	err    error
}

// unleash starts a killer.
func unleash(ctx context.Context, seed uint64, hq *node, l *line, p pace) *killer {
	ctx, cancel := context.WithCancel(ctx)
	k := &killer{Rand: rand.New(rand.NewPCG(seed, 1)), hq: hq, line: l, pace: p, struck: make(chan struct{}, 1), cancel: cancel, counts: map[string]int{}}
	k.done.Go(func() {
		for k.wait(ctx, k.between(p.least, p.most)) && k.failure() == nil {
			k.strike(ctx)
			select {
			case k.struck <- struct{}{}:
			default:
			}
		}
	})
	return k
}

func (k *killer) between(least, most time.Duration) time.Duration {
	return least + time.Duration(k.Int64N(int64(most-least)+1))
}

func (k *killer) wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (k *killer) strike(ctx context.Context) {
	switch n := k.IntN(100); {
	case n < 30:
		k.kill("at a random moment")
	case n < 55:
		k.within(ctx, k.between(0, k.pace.effect))
	case n < 70:
		k.unanswered(ctx)
	case n < 80: // several within one effect, and while the node starts
		for range 2 + k.IntN(3) {
			k.kill("soon after another")
			if !k.wait(ctx, k.between(0, 4*k.pace.effect)) {
				return
			}
		}
	case n < 92:
		var faults []fault
		for range 1 + k.IntN(3) {
			faults = append(faults, breaks[k.IntN(len(breaks))])
		}
		k.line.arm(faults...)
		k.count("the line breaks calls")
	default:
		k.line.setCut(true)
		k.count("the line is cut")
		k.wait(ctx, k.between(0, k.pace.outage))
		k.line.setCut(false)
	}
}

// within kills hq in the middle of its next call of an action, so long after that began.
func (k *killer) within(ctx context.Context, after time.Duration) {
	k.trap(ctx, fault{during: func() {
		if k.wait(ctx, after) {
			k.kill("while a call is under way")
		}
	}})
}

// unanswered kills hq when Odoo has carried out its next call of an action, and has the reply get lost.
func (k *killer) unanswered(ctx context.Context) {
	k.trap(ctx, fault{reaches: true, answer: func(w http.ResponseWriter) {
		k.kill("after the commit, before the reply")
		reset(w)
	}})
}

// trap arms the line with what kills, and waits for it; not for ever, as hq may have nothing to do. A call that is in the trap already is
// waited for in any case: no kill comes after the killer has stopped.
func (k *killer) trap(ctx context.Context, f fault) {
	sprung := make(chan struct{})
	f.over = func() { close(sprung) }
	k.line.arm(f)
	select {
	case <-sprung:
	case <-ctx.Done():
	case <-time.After(idle):
	}
	if k.line.arm() == 0 {
		<-sprung
	}
}

func (k *killer) kill(when string) {
	if k.line.underWay.Load() > 0 {
		k.count(withCall)
	}
	k.count("kills " + when)
	if err := k.hq.strike(); err != nil {
		k.fail(err)
	}
}

func (k *killer) count(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counts[what]++
}

// stop ends the killing, with hq running and its line whole.
func (k *killer) stop() error {
	k.cancel()
	k.done.Wait()
	k.line.arm()
	k.line.setCut(false)
	return k.failure()
}

// kills are all of them; report says of which kind.
func (k *killer) kills() (n int, report string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(k.counts)) {
		if strings.HasPrefix(what, "kills ") {
			n += k.counts[what]
		}
		parts = append(parts, fmt.Sprintf("%d %s", k.counts[what], what))
	}
	return n, strings.Join(parts, ", ")
}

func (k *killer) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

func (k *killer) failure() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}
