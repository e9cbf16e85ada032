package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	// warmUp gets connections, buffers and files going.
	warmUp = 500 * time.Millisecond
	// requestEvents is how many events a request holds where requests are large; JetStream gets as many unanswered.
	requestEvents  = 100
	requestsStream = 16
)

// publishFor publishes without a pause, window requests at a time, and returns the events acknowledged a second. It counts from the
// first event sent to the last answer, for a system may answer in bursts.
func publishFor(ctx context.Context, n node, made *events, window, perRequest int, d time.Duration) (float64, error) {
	var acknowledged int
	phase := func(d time.Duration) error {
		acknowledged = 0
		end := time.Now().Add(d)
		return publish(ctx, n, window, perRequest, func() []event {
			if time.Now().After(end) {
				return nil
			}
			return made.take(perRequest)
		}, func() { acknowledged += perRequest })
	}
	if err := phase(min(warmUp, d)); err != nil {
		return 0, err
	}
	began := time.Now()
	err := phase(d)
	return float64(acknowledged) / time.Since(began).Seconds(), err
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

// publish publishes what next returns until that is nothing, and calls done for each request when it is acknowledged. When it
// returns, done is not called any more.
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
	err = sendAll(ctx, p, next, slots, sent)
	if err != nil {
		cancel(err)
	}
	close(sent)
	group.Wait()
	return context.Cause(ctx)
}

// sendAll sends what next returns, each when there is a slot for it.
func sendAll(ctx context.Context, p publisher, next func() []event, slots chan<- struct{}, sent chan<- answer) error {
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
	return nil
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

// percentile is in milliseconds: the shortest time within which a share of all were through. It sorts took.
func percentile(took []time.Duration, share float64) float64 {
	slices.Sort(took)
	rank := int(math.Ceil(share*float64(len(took)))) - 1
	return float64(took[max(rank, 0)]) / float64(time.Millisecond)
}

// median of values, of which there is at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
