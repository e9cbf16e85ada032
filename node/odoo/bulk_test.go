package odoo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// bulkSent hands jobs over at the same time, some of them collected, and returns the calls that came of it.
func bulkSent(t *testing.T, concurrency, collected, others, batch int, took func(jobs int) time.Duration) (calls []int, kinds []bool) {
	t.Helper()
	var mu sync.Mutex
	b := newBatcher(concurrency, 3, func(_ context.Context, jobs []*job) {
		mu.Lock()
		calls, kinds = append(calls, len(jobs)), append(kinds, jobs[0].bulk > 0)
		mu.Unlock()
		<-time.After(took(len(jobs)))
	})
	var group sync.WaitGroup
	for i := range collected + others {
		bulk := batch
		if i >= collected {
			bulk = 0
		}
		group.Go(func() {
			subject := fmt.Sprint(i)
			if _, err := b.do(t.Context(), Effect{Origin: Origin{Subject: subject}, Kind: EffectPost}, []string{subject}, bulk); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait() // in this order
	}
	group.Wait()
	return calls, kinds
}

func TestCollectedEventsShareLargeCallsAndLeaveOneToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, collected := bulkSent(t, 2, 41, 4, 20, func(int) time.Duration { return time.Second })
		sizes := map[bool][]int{}
		for i, n := range calls {
			sizes[collected[i]] = append(sizes[collected[i]], n)
		}
		if !slices.Equal(sizes[true], []int{1, 20, 20}) || !slices.Equal(sizes[false], []int{1, 3}) || collected[1] {
			t.Errorf("calls of %v events, collected %v", calls, collected)
		}
	})
}

// Odoo ends a call after two minutes: what comes near it is sent in smaller parts, until it is quick again.
func TestCallThatTakesOdooTooLongIsMadeSmaller(t *testing.T) {
	for _, c := range []struct {
		events int
		took   func(call, jobs int) time.Duration
		want   []int
	}{
		{161, func(_, jobs int) time.Duration { return time.Duration(jobs) * time.Second }, []int{1, 80, 40, 40}},
		{71, func(call, _ int) time.Duration { return time.Minute / time.Duration(call*call*call) }, []int{1, 1, 2, 4, 8, 16, 32, 7}},
	} {
		synctest.Test(t, func(t *testing.T) {
			call := 0
			calls, _ := bulkSent(t, 1, c.events, 0, 80, func(jobs int) time.Duration { call++; return c.took(call, jobs) })
			if !slices.Equal(calls, c.want) {
				t.Errorf("calls of %v events, want %v", calls, c.want)
			}
		})
	}
}
