package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// allCases are the cases, in the order of the table.
func allCases() []caseGroup {
	var list []caseGroup
	for _, size := range []struct {
		name  string
		bytes int
	}{{"1k", 1024}, {"256b", 256}} {
		for _, publishers := range []int{1, 16, 256} {
			list = append(list, caseGroup{[]string{fmt.Sprintf("durable_publish_%s_%d", size.name, publishers)}, "events/s", publishing(size.bytes, publishers, 1)})
		}
		list = append(list, caseGroup{[]string{"durable_publish_stream_" + size.name}, "events/s", publishing(size.bytes, requestsStream, requestEvents)})
	}
	list = append(list,
		caseGroup{[]string{"publish_latency_p50", "publish_latency_p99"}, "ms", publishLatency},
		caseGroup{[]string{"live_replication_p50", "live_replication_p99"}, "ms", liveReplication})
	for _, roundTrip := range []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond} {
		list = append(list, caseGroup{[]string{fmt.Sprintf("catchup_%dms", roundTrip.Milliseconds())}, "events/s", catchUp(roundTrip)})
	}
	return append(list,
		caseGroup{[]string{"fanout_8"}, "events/s", fanOut},
		caseGroup{[]string{"restart_10m"}, "ms", restart},
		caseGroup{[]string{"disk_bytes_per_event"}, "of payload", disk},
		caseGroup{[]string{"memory_idle"}, "MiB", memoryIdle},
		caseGroup{[]string{"memory_load"}, "MiB", memoryLoad})
}

func publishing(size, window, perRequest int) func(context.Context, *bench, system) ([]float64, error) {
	return func(ctx context.Context, b *bench, s system) ([]float64, error) {
		made, err := newEvents(size)
		if err != nil {
			return nil, err
		}
		var rate float64
		err = b.with(ctx, s, false, func(n node, _ string) (err error) {
			rate, err = publishFor(ctx, n, made, window, perRequest, b.duration)
			return err
		})
		return []float64{rate}, err
	}
}

// publishLatency publishes at half of what 16 publishers reached just before.
func publishLatency(ctx context.Context, b *bench, s system) ([]float64, error) {
	made, err := newEvents(1024)
	if err != nil {
		return nil, err
	}
	var took []time.Duration
	err = b.with(ctx, s, false, func(n node, _ string) error {
		rate, err := publishFor(ctx, n, made, 16, 1, b.duration)
		if err != nil {
			return err
		}
		took, err = paced(ctx, n, made, rate/2, b.duration)
		return err
	})
	if err != nil {
		return nil, err
	}
	return []float64{percentile(took, 0.5), percentile(took, 0.99)}, nil
}

func memoryIdle(ctx context.Context, b *bench, s system) ([]float64, error) {
	var bytes float64
	err := b.with(ctx, s, false, func(n node, _ string) (err error) {
		pause(ctx, b.duration)
		bytes, err = n.process().memory("VmRSS")
		return err
	})
	return []float64{bytes / (1 << 20)}, err
}

// memoryLoad is the most that a server had while it was published to as fast as it takes it.
func memoryLoad(ctx context.Context, b *bench, s system) ([]float64, error) {
	made, err := newEvents(1024)
	if err != nil {
		return nil, err
	}
	var bytes float64
	err = b.with(ctx, s, false, func(n node, _ string) error {
		if _, err := publishFor(ctx, n, made, requestsStream, requestEvents, b.duration); err != nil {
			return err
		}
		bytes, err = n.process().memory("VmHWM")
		return err
	})
	return []float64{bytes / (1 << 20)}, err
}

// diskEvents is enough that what a server takes beforehand does not count.
const diskEvents = 300_000

func disk(ctx context.Context, b *bench, s system) ([]float64, error) {
	made, err := newRepetitive()
	if err != nil {
		return nil, err
	}
	count := min(diskEvents, b.events)
	dir, done, err := b.fresh()
	if err != nil {
		return nil, err
	}
	n, err := s.start(ctx, place{dir: dir, site: origin, compress: true})
	if err != nil {
		return nil, err
	}
	err = errors.Join(publishMany(ctx, n, made, count), n.stop())
	if err != nil {
		return nil, err
	}
	bytes, err := diskBytes(filepath.Join(dir, origin, "data"))
	return []float64{bytes / made.wireBytes() / float64(count)}, errors.Join(err, done())
}

// restartBytes keeps ten million events within a few gigabytes.
const restartBytes = 256

// restart is from the start of the process until it says how many events it holds.
func restart(ctx context.Context, b *bench, s system) ([]float64, error) {
	dir, err := b.full(ctx, s, b.restartEvents, restartBytes)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	n, err := s.start(ctx, place{dir: dir, site: origin})
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	held, err := n.count(ctx)
	if err == nil && held != uint64(b.restartEvents) {
		err = fmt.Errorf("it holds %d events, not %d", held, b.restartEvents)
	}
	return []float64{float64(took) / float64(time.Millisecond)}, errors.Join(err, n.stop())
}
