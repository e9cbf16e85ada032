package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"time"
)

// measured is a case: its name, and the unit of its values.
type measured struct{ name, unit string }

// caseGroup are cases that are measured together.
type caseGroup struct {
	cases   []measured
	measure func(ctx context.Context, b *bench, s system) ([]float64, error) // one value for each case
}

// Units. Of rate more is better, of the others less.
const (
	rate         = "events/s"
	milliseconds = "ms"
	mebibytes    = "MiB"
	bytesUnit    = "bytes"
	share        = "of payload"
)

// allCases are the cases, in the order of the table.
func allCases() []caseGroup {
	var list []caseGroup
	for _, size := range []struct {
		name  string
		bytes int
	}{{"1k", 1024}, {"256b", 256}} {
		for _, publishers := range []int{1, 16, 256} {
			list = append(list, caseGroup{[]measured{{fmt.Sprintf("durable_publish_%s_%d", size.name, publishers), rate}}, publishing(size.bytes, publishers, 1)})
		}
		list = append(list, caseGroup{[]measured{{"durable_publish_stream_" + size.name, rate}}, publishing(size.bytes, requestsStream, requestEvents)})
	}
	list = append(list,
		caseGroup{[]measured{{"publish_latency_p50", milliseconds}, {"publish_latency_p99", milliseconds}}, publishLatency},
		caseGroup{[]measured{{"live_replication_p50", milliseconds}, {"live_replication_p99", milliseconds}}, liveReplication})
	for _, roundTrip := range []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond} {
		list = append(list, caseGroup{[]measured{{fmt.Sprintf("catchup_%dms", roundTrip.Milliseconds()), rate}}, catchUp(roundTrip)})
	}
	return append(list,
		caseGroup{[]measured{{"fanout_8", rate}}, fanOut},
		caseGroup{[]measured{{"restart_10m", milliseconds}}, restart},
		caseGroup{[]measured{{"disk_bytes_per_event", bytesUnit}, {"disk_of_payload", share}}, disk},
		caseGroup{[]measured{{"memory_idle", mebibytes}}, memoryIdle},
		caseGroup{[]measured{{"memory_load", mebibytes}}, memoryLoad})
}

// selectCases are the groups of which a case is wanted.
func selectCases(only *regexp.Regexp) (list []caseGroup) {
	for _, g := range allCases() {
		for _, m := range g.cases {
			if only.MatchString(m.name) {
				list = append(list, g)
				break
			}
		}
	}
	return list
}

func caseNames(groups []caseGroup) (names []string) {
	for _, g := range groups {
		for _, m := range g.cases {
			names = append(names, m.name)
		}
	}
	return names
}

func publishing(size, window, perRequest int) func(context.Context, *bench, system) ([]float64, error) {
	return func(ctx context.Context, b *bench, s system) ([]float64, error) {
		made, err := newEvents(size)
		if err != nil {
			return nil, err
		}
		var rate float64
		err = b.with(ctx, s, func(n node, _ string) (err error) {
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
	err = b.with(ctx, s, func(n node, _ string) error {
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
	err := b.with(ctx, s, func(n node, _ string) (err error) {
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
	err = b.with(ctx, s, func(n node, _ string) error {
		if _, err := publishFor(ctx, n, made, requestsStream, requestEvents, b.duration); err != nil {
			return err
		}
		bytes, err = n.process().memory("VmHWM")
		return err
	})
	return []float64{bytes / (1 << 20)}, err
}

// disk is what repetitive events take when the server has stopped, JetStream's with its compression. What is measured does not
// vary, so all rounds share one folder.
func disk(ctx context.Context, b *bench, s system) ([]float64, error) {
	dir, err := b.full(ctx, s, content{count: b.events, kind: "repetitive", make: newRepetitive, compress: true})
	if err != nil {
		return nil, err
	}
	bytes, err := diskBytes(filepath.Join(dir, origin, "data"))
	if err != nil {
		return nil, err
	}
	made, err := newRepetitive()
	if err != nil {
		return nil, err
	}
	each := bytes / float64(b.events)
	return []float64{each, each / made.wireBytes()}, nil
}

// restartBytes keeps ten million events within a few gigabytes.
const restartBytes = 256

// restart is from the start of the process until it says how many events it holds.
func restart(ctx context.Context, b *bench, s system) ([]float64, error) {
	dir, err := b.full(ctx, s, content{count: b.restartEvents, kind: "small", make: func() (*events, error) { return newEvents(restartBytes) }})
	if err != nil {
		return nil, err
	}
	n, err := s.start(ctx, place{dir: dir, site: origin, label: b.label})
	if err != nil {
		return nil, err
	}
	held, err := n.count(ctx)
	took := time.Since(n.process().started)
	if err == nil && held != uint64(b.restartEvents) {
		err = fmt.Errorf("it holds %d events, not %d", held, b.restartEvents)
	}
	return []float64{float64(took) / float64(time.Millisecond)}, errors.Join(err, n.stop())
}
