package mesh

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
)

const (
	urgent = catalogv1.Class_CLASS_URGENT
	bulk   = catalogv1.Class_CLASS_BULK
)

func (t *turn) mustTake(tb testing.TB, bytes int, mark uint64) {
	tb.Helper()
	if err := t.take(tb.Context(), bytes, mark); err != nil {
		tb.Fatal(err)
	}
}

func TestUrgentDoesNotWaitForWhatBulkHasUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lanes
		low, high := l.enter("hq", bulk), l.enter("hq", urgent)
		low.mustTake(t, firstWindow, 1)
		began := time.Now()
		high.mustTake(t, 1000, 1)
		if time.Since(began) > 0 {
			t.Errorf("it waited %s", time.Since(began))
		}
		low.leave()
		high.leave()
		if len(l.table) != 0 {
			t.Error("the lane stays")
		}
	})
}

func TestBulkGoesBehindUrgentThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lanes
		low, high := l.enter("hq", bulk), l.enter("hq", urgent)
		high.mustTake(t, firstWindow, 1)
		var mu sync.Mutex
		var order []catalogv1.Class
		var group sync.WaitGroup
		for _, waiting := range []*turn{low, high} {
			group.Go(func() {
				waiting.mustTake(t, firstWindow, 2)
				mu.Lock()
				order = append(order, waiting.class)
				mu.Unlock()
				<-time.After(time.Second)
				waiting.reported(2)
			})
			synctest.Wait()
		}
		high.reported(1)
		group.Wait()
		if len(order) != 2 || order[0] != urgent {
			t.Errorf("%v", order)
		}
	})
}

func TestFollowerThatTakesNothingHoldsUpNoOtherStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lanes
		stuck, other := l.enter("hq", bulk), l.enter("hq", bulk)
		stuck.mustTake(t, firstWindow, 1)
		began := time.Now()
		for mark := range uint64(20) {
			other.mustTake(t, firstWindow/2, mark)
			other.reported(mark)
		}
		if waited := time.Since(began); waited > 10*time.Second {
			t.Errorf("it waited %s", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := stuck.take(ctx, maxWindow, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a follower that reports nothing gets more: %v", err)
		}
	})
}
