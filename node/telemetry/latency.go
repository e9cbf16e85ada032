package telemetry

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Every power of two is cut into 32 buckets, so that a bucket's middle is within 1.6 percent of what it holds.
const (
	bucketBits = 5
	perPower   = 1 << bucketBits
	buckets    = (64 - bucketBits) * perPower
)

// Latency sums up a duration measured many times, in 15 KiB however often. The zero value is ready, and safe for
// concurrent use.
type Latency struct {
	counts [buckets]atomic.Uint64 // by nanoseconds
	max    atomic.Int64
}

// Summary is what a Latency has seen. Quantiles are within 4 percent.
type Summary struct {
	Count         uint64
	P50, P99, Max time.Duration
}

// Record adds one measurement. Less than nothing, which clocks that disagree make, counts as nothing.
func (l *Latency) Record(d time.Duration) {
	d = max(d, 0)
	l.counts[bucketOf(uint64(d))].Add(1)
	for {
		most := l.max.Load()
		if int64(d) <= most || l.max.CompareAndSwap(most, int64(d)) {
			return
		}
	}
}

// Summary sums up what was recorded until now.
func (l *Latency) Summary() Summary {
	var counts [buckets]uint64
	s := Summary{Max: time.Duration(l.max.Load())}
	for i := range counts {
		counts[i] = l.counts[i].Load()
		s.Count += counts[i]
	}
	quantile := func(q float64) time.Duration {
		rank, seen := uint64(q*float64(s.Count)), uint64(0)
		for i, n := range counts {
			if seen += n; n > 0 && seen > rank {
				return min(middleOf(i), s.Max)
			}
		}
		return s.Max
	}
	s.P50, s.P99 = quantile(0.5), quantile(0.99)
	return s
}

func bucketOf(v uint64) int {
	if v < perPower {
		return int(v)
	}
	shift := bits.Len64(v) - bucketBits - 1
	return shift*perPower + int(v>>shift)
}

func middleOf(bucket int) time.Duration {
	if bucket < 2*perPower {
		return time.Duration(bucket)
	}
	shift := bucket/perPower - 1
	low := uint64(bucket-shift*perPower) << shift
	return time.Duration(low + 1<<shift/2)
}
