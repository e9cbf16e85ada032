package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	catchUpBytes = 1024
	holdsMost    = 5 * time.Minute
	liveRate     = 200 // events a second: what all systems can
	fanOutSites  = 8
	fanOutEvents = 20_000
)

// catchUp is how fast a site that has nothing gets everything, over a line of some round-trip time. It counts from the start of the
// mirror's process, or where JetStream makes its mirror over a line that is up, until it holds all or the limit is over.
func catchUp(roundTrip time.Duration) func(context.Context, *bench, system) ([]float64, error) {
	return func(ctx context.Context, b *bench, s system) (values []float64, err error) {
		dir, err := b.full(ctx, s, content{count: b.events, kind: "large", make: func() (*events, error) { return newEvents(catchUpBytes) }})
		if err != nil {
			return nil, err
		}
		hub, err := s.start(ctx, place{dir: dir, site: origin, label: b.label})
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, hub.stop(), os.RemoveAll(filepath.Join(dir, "hq"))) }() //nolint:gosec // in the folder of this run
		upstream := hub.upstream()
		if roundTrip > 0 {
			line, err := newProxy(upstream, roundTrip)
			if err != nil {
				return nil, err
			}
			defer line.close()
			upstream = line.address()
		}
		mirror, err := s.start(ctx, place{dir: dir, site: "hq", upstream: upstream, label: b.label})
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, mirror.stop()) }()
		began := mirror.process().started
		held, err := holdsBy(ctx, mirror, uint64(b.events), began.Add(b.limit))
		return []float64{float64(held) / time.Since(began).Seconds()}, err
	}
}

// holds waits until a node has all of count events.
func holds(ctx context.Context, n node, count uint64) error {
	held, err := holdsBy(ctx, n, count, time.Now().Add(holdsMost))
	if err == nil && held < count {
		err = fmt.Errorf("it holds %d events of %d after %s", held, count, holdsMost)
	}
	return err
}

// holdsBy waits until a node has all of count events, or until a time, and returns how many it has.
func holdsBy(ctx context.Context, n node, count uint64, deadline time.Time) (uint64, error) {
	for {
		held, err := n.count(ctx)
		switch {
		case held >= count:
			return held, nil
		case ctx.Err() != nil:
			return held, context.Cause(ctx)
		case time.Now().After(deadline):
			return held, err
		}
		pause(ctx, 5*time.Millisecond)
	}
}

// liveReplication is the time from publishing an event at one site to its delivery to a subscriber at another.
func liveReplication(ctx context.Context, b *bench, s system) (values []float64, err error) {
	made, err := newEvents(1024)
	if err != nil {
		return nil, err
	}
	count := max(100, int(liveRate*b.duration.Seconds()))
	var took []time.Duration
	err = b.with(ctx, s, func(hub node, dir string) (err error) {
		mirror, err := s.start(ctx, place{dir: dir, site: "hq", upstream: hub.upstream(), label: b.label})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, mirror.stop()) }()
		took, err = live(ctx, hub, mirror, made, count)
		return err
	})
	if err != nil {
		return nil, err
	}
	return []float64{percentile(took, 0.5), percentile(took, 0.99)}, nil
}

// live publishes events at a steady rate at hub and returns how long each took to the subscriber at mirror.
func live(ctx context.Context, hub, mirror node, made *events, count int) ([]time.Duration, error) {
	const before = 50 // events that get streams, consumers and connections going
	if err := publishMany(ctx, hub, made, before); err != nil {
		return nil, err
	}
	if err := holds(ctx, mirror, before); err != nil {
		return nil, err
	}
	delivering, stop := context.WithCancel(ctx)
	defer stop()
	delivered, ended := make(chan time.Time, before+count), make(chan error, 1)
	go func() { ended <- mirror.deliver(delivering, func() { delivered <- time.Now() }) }()
	wait := func(n int) (list []time.Time, err error) {
		timeout := time.After(time.Minute)
		for len(list) < n {
			select {
			case at := <-delivered:
				list = append(list, at)
			case err := <-ended:
				return nil, errors.Join(errors.New("the subscription ended"), err)
			case <-timeout:
				return nil, fmt.Errorf("%d events of %d were delivered within a minute", len(list), n)
			}
		}
		return list, nil
	}
	if _, err := wait(before); err != nil {
		return nil, err
	}
	sent := make([]time.Time, 0, count)
	began := time.Now()
	err := publish(ctx, hub, 4096, 1, func() []event {
		if len(sent) == count {
			return nil
		}
		due := began.Add(time.Duration(len(sent)) * time.Second / liveRate)
		pause(ctx, time.Until(due))
		sent = append(sent, due)
		return made.take(1)
	}, func() {})
	if err != nil {
		return nil, err
	}
	arrived, err := wait(count)
	took := make([]time.Duration, len(arrived))
	for i := range arrived {
		took[i] = arrived[i].Sub(sent[i])
	}
	return took, err
}

// fanOut is how fast events are published and held by eight more sites.
func fanOut(ctx context.Context, b *bench, s system) (values []float64, err error) {
	made, err := newEvents(1024)
	if err != nil {
		return nil, err
	}
	count := min(fanOutEvents, b.events)
	var rate float64
	err = b.with(ctx, s, func(hub node, dir string) (err error) {
		var sites []node
		defer func() {
			for _, n := range sites {
				err = errors.Join(err, n.stop())
			}
		}()
		if err := publishMany(ctx, hub, made, 1); err != nil {
			return err
		}
		for i := range fanOutSites {
			n, err := s.start(ctx, place{dir: dir, site: fmt.Sprintf("site-%d", i+1), upstream: hub.upstream(), label: b.label})
			if err != nil {
				return err
			}
			sites = append(sites, n)
			if err := holds(ctx, n, 1); err != nil {
				return err
			}
		}
		began := time.Now()
		if err := publishMany(ctx, hub, made, count); err != nil {
			return err
		}
		for _, n := range sites {
			if err := holds(ctx, n, uint64(count)+1); err != nil {
				return err
			}
		}
		rate = float64(count) / time.Since(began).Seconds()
		return nil
	})
	return []float64{rate}, err
}
