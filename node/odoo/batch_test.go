package odoo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// sent records the calls of a batcher, each held open until it is let go.
type sent struct {
	mu    sync.Mutex
	calls [][]string // keys of each call
	open  chan struct{}
	err   error
}

func (s *sent) apply(_ context.Context, jobs []*job) {
	var subjects []string
	for _, j := range jobs {
		subjects = append(subjects, j.effect.Subject)
		j.result, j.err = Result{Status: StatusApplied}, s.err
	}
	s.mu.Lock()
	s.calls = append(s.calls, subjects)
	s.mu.Unlock()
	<-s.open
}

func effectOf(subject string) Effect { return Effect{Origin: Origin{Subject: subject}} }

func TestWaitingEffectsShareACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{open: make(chan struct{})}
		b := newBatcher(1, 3, s.apply)
		var group sync.WaitGroup
		for i := range 6 {
			subject := fmt.Sprint(i)
			group.Go(func() {
				if _, err := b.do(t.Context(), effectOf(subject), []string{subject}, 0); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // one after the other, so that the first goes alone
		}
		close(s.open)
		group.Wait()
		want := [][]string{{"0"}, {"1", "2", "3"}, {"4", "5"}}
		if fmt.Sprint(s.calls) != fmt.Sprint(want) {
			t.Errorf("calls %v, want %v", s.calls, want)
		}
	})
}

func TestCallsInFlightShareNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{open: make(chan struct{})}
		b := newBatcher(4, 1, s.apply)
		var group sync.WaitGroup
		do := func(subject string, keys ...string) {
			group.Go(func() {
				if _, err := b.do(t.Context(), effectOf(subject), keys, 0); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		do("a", "stock X")
		do("b", "stock X") // waits
		do("c", "stock Y")
		if want := [][]string{{"a"}, {"c"}}; fmt.Sprint(s.calls) != fmt.Sprint(want) {
			t.Errorf("in flight %v, want %v", s.calls, want)
		}
		close(s.open)
		group.Wait()
		if len(s.calls) != 3 || len(b.held) != 0 || b.inFlight != 0 {
			t.Errorf("%d calls, keys held %v, %d in flight; want 3, none, 0", len(s.calls), b.held, b.inFlight)
		}
	})
}

func TestCancelledEffectIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{open: make(chan struct{})}
		b := newBatcher(1, 8, s.apply)
		var group sync.WaitGroup
		group.Go(func() { _, _ = b.do(t.Context(), effectOf("first"), nil, 0) })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		group.Go(func() {
			if _, err := b.do(ctx, effectOf("second"), nil, 0); !errors.Is(err, context.Canceled) {
				t.Errorf("withdrawn: %v, want context.Canceled", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(s.open)
		group.Wait()
		if len(s.calls) != 1 {
			t.Errorf("calls %v, want the first only", s.calls)
		}
	})
}

func TestErrorOfACallReachesAllItsEffects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{open: make(chan struct{}), err: errors.New("no answer")}
		b := newBatcher(1, 8, s.apply)
		errs := make([]error, 4)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() { _, errs[i] = b.do(t.Context(), effectOf(fmt.Sprint(i)), nil, 0) })
		}
		synctest.Wait()
		close(s.open)
		group.Wait()
		if slices.Contains(errs, nil) {
			t.Errorf("errors %v, want one for each", errs)
		}
	})
}

func TestOnlyNewNamesAndStockAreKeys(t *testing.T) {
	var n names
	report := Effect{Origin: Origin{Subject: "order/1"}, Kind: EffectReport, Goods: Goods{Item: "A"}, Work: Work{WorkCenter: "W"}}
	if got := n.keys(report); !slices.Equal(got, []string{"order/1", "item A", "work center W"}) {
		t.Errorf("keys %q of the first report", got)
	}
	n.learn(report)
	if got := n.keys(report); !slices.Equal(got, []string{"order/1"}) {
		t.Errorf("keys %q of a report that names nothing new", got)
	}
	completion := Effect{Origin: Origin{Subject: "order/1"}, Kind: EffectComplete, Goods: Goods{Item: "A"}}
	if got := n.keys(completion); !slices.Equal(got, []string{"order/1", "stock A", posting}) {
		t.Errorf("keys %q of a completion", got)
	}
}
