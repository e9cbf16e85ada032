package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	warmUp = 500 * time.Millisecond
	// requestEvents is how many events a request holds where requests are large; JetStream gets as many unanswered.
	requestEvents  = 100
	requestsStream = 16
)

// publishFor publishes without a pause, window requests at a time, and returns the events acknowledged a second.
func publishFor(ctx context.Context, n node, made *events, window, perRequest int, d time.Duration) (float64, error) {
	var acknowledged atomic.Int64
	var rate float64
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		pause(ctx, warmUp)
		before, began := acknowledged.Load(), time.Now()
		pause(ctx, d)
		rate = float64(acknowledged.Load()-before) / time.Since(began).Seconds()
	}()
	err := publish(ctx, n, window, perRequest, func() []event {
		select {
		case <-stop:
			return nil
		default:
			return made.take(perRequest)
		}
	}, func() { acknowledged.Add(int64(perRequest)) })
	<-stop
	return rate, err
}

// publishMany publishes count events, quickly.
func publishMany(ctx context.Context, n node, made *events, count int) error {
	left := count
	return publish(ctx, n, requestsStream, requestEvents, func() []event {
		list := made.take(min(left, requestEvents))
		left -= len(list)
		return list
	}, func() {})
}

// publish publishes what next returns until that is nothing, and calls done for each request when it is acknowledged.
func publish(ctx context.Context, n node, window, perRequest int, next func() []event, done func()) (err error) {
	p, err := n.publisher(ctx, window*perRequest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots, sent := make(chan struct{}, window), make(chan answer, window)
	var group sync.WaitGroup
	group.Go(func() {
		for a := range sent {
			if err := a(ctx); err != nil {
				cancel(err)
				return
			}
			done()
			<-slots
		}
	})
	for list := next(); len(list) > 0; list = next() {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		a, err := p.send(ctx, list)
		if err != nil {
			return err
		}
		sent <- a
	}
	close(sent)
	group.Wait()
	return context.Cause(ctx)
}

// paced publishes at a rate for a time and returns how long each event took, counted from when it was due, so that waiting
// behind a slow one counts.
func paced(ctx context.Context, n node, made *events, rate float64, d time.Duration) ([]time.Duration, error) {
	count := max(1, int(rate*d.Seconds()))
	began := time.Now()
	due := func(i int) time.Time { return began.Add(time.Duration(float64(i) / rate * float64(time.Second))) }
	took := make([]time.Duration, 0, count)
	i := 0
	err := publish(ctx, n, 4096, 1, func() []event {
		if i == count {
			return nil
		}
		pause(ctx, time.Until(due(i)))
		i++
		return made.take(1)
	}, func() { took = append(took, time.Since(due(len(took)))) })
	return took, err
}

func percentile(took []time.Duration, p float64) float64 {
	slices.Sort(took)
	return float64(took[min(len(took)-1, int(p*float64(len(took))))]) / float64(time.Millisecond)
}
