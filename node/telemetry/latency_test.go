package telemetry

import (
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestQuantilesAreWithinFourPercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		durations := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(0, 1<<rapid.IntRange(0, 62).Draw(t, "bits")).Draw(t, "ns"))
		}), 1, 300).Draw(t, "durations")
		var l Latency
		for _, d := range durations {
			l.Record(d)
		}
		slices.Sort(durations)
		s := l.Summary()
		if s.Count != uint64(len(durations)) || s.Max != durations[len(durations)-1] {
			t.Fatalf("summary %+v", s)
		}
		for _, q := range []struct {
			got  time.Duration
			rank int
		}{{s.P50, len(durations) / 2}, {s.P99, len(durations) * 99 / 100}} {
			want := float64(durations[q.rank])
			if float64(q.got) < want*0.96 || float64(q.got) > want*1.04 {
				t.Fatalf("quantile %s, want %s", q.got, time.Duration(want))
			}
		}
	})
}

func TestBucketsAreContiguous(t *testing.T) {
	last := -1
	for v := uint64(0); v < 1<<20; v++ {
		b := bucketOf(v)
		if b != last && b != last+1 {
			t.Fatalf("%d is in bucket %d, the one before in %d", v, b, last)
		}
		last = b
	}
	if got := bucketOf(1<<63 - 1); got >= buckets {
		t.Errorf("the longest is in bucket %d of %d", got, buckets)
	}
}

func TestLatencyWithoutMeasurementsIsZero(t *testing.T) {
	if s := new(Latency).Summary(); s != (Summary{}) {
		t.Errorf("summary %+v", s)
	}
}

func TestClocksThatDisagreeCountAsNothing(t *testing.T) {
	var l Latency
	l.Record(-time.Hour)
	if s := l.Summary(); s.Count != 1 || s.P99 != 0 {
		t.Errorf("summary %+v", s)
	}
}

func TestLatencyCountsEveryMeasurementOfManyGoroutines(t *testing.T) {
	var l Latency
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 1000 {
				l.Record(time.Duration(i))
			}
		})
	}
	group.Wait()
	if s := l.Summary(); s.Count != 8000 || s.Max != 999 {
		t.Errorf("summary %+v", s)
	}
}
