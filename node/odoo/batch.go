package odoo

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// batcher joins effects that wait at the same time into one call, as a log joins appends into one commit: nothing lingers,
// and while calls are slow they carry more. Two calls in flight never touch the same row: a job waits while another call
// holds one of its keys, since Odoo would answer with a serialization failure, and repeat the call after seconds.
//
// Jobs that were collected are bulk: their calls carry more, and leave one of the calls that may run to the others, if there are several. What takes
// Odoo too long is sent in smaller parts from then on.
type batcher struct {
	concurrency, most int
	apply             func(ctx context.Context, jobs []*job)

	mu       sync.Mutex
	waiting  []*job
	inFlight int
	bulk     int            // of these, calls with bulk
	ceiling  int            // of a call with bulk, since a larger one took too long; 0: none
	held     map[string]int // keys of the calls in flight
}

// job is one effect on its way.
type job struct {
	effect Effect
	action int // index of the server action that makes the effect
	keys   []string
	bulk   int               // how many of its kind a call carries; 0: it was not collected
	span   trace.SpanContext // of the event, for the trace of the call that takes it along
	lead   chan []*job       // hands its owner a call to make, for itself and others
	done   chan struct{}     // closed by another owner after result and err are set
	result Result
	err    error
}

func newBatcher(concurrency, most int, apply func(ctx context.Context, jobs []*job)) *batcher {
	return &batcher{concurrency: concurrency, most: most, apply: apply, held: map[string]int{}}
}

// do returns when the effect was applied, alone or with others. A call made for several ends with the context of the one
// who makes it: the others then get its error, and have to try again.
func (b *batcher) do(ctx context.Context, e Effect, keys []string, bulk int) (Result, error) {
	j := &job{effect: e, action: actionOf(e.Kind), keys: keys, bulk: bulk, span: trace.SpanContextFromContext(ctx), lead: make(chan []*job, 1), done: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, j)
	b.dispatch()
	b.mu.Unlock()
	select {
	case <-j.done:
	case jobs := <-j.lead:
		b.run(ctx, jobs)
	case <-ctx.Done():
		if b.withdraw(j) {
			return Result{}, ctx.Err()
		}
		select { // it is in a call already, and only that knows the outcome
		case <-j.done:
		case jobs := <-j.lead:
			b.run(ctx, jobs)
		}
	}
	return j.result, j.err
}

// run makes one call and lets the next ones begin.
func (b *batcher) run(ctx context.Context, jobs []*job) {
	began := time.Now()
	b.apply(ctx, jobs)
	took := time.Since(began)
	for _, j := range jobs[1:] {
		close(j.done)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inFlight--
	if jobs[0].bulk > 0 {
		b.bulk--
		b.measure(len(jobs), took)
	}
	for _, j := range jobs {
		for _, key := range j.keys {
			if b.held[key]--; b.held[key] == 0 {
				delete(b.held, key)
			}
		}
	}
	b.dispatch()
}

const (
	// slowCall is a third of Odoo's limit_time_real. Work that takes longer could be ended there, and begin anew for ever.
	slowCall = 40 * time.Second
	// quickCall is so quick that twice as much is not slow.
	quickCall = slowCall / 4
)

// measure has bulk sent in smaller parts if it took long, and in larger ones again if it did not; mu is held.
func (b *batcher) measure(jobs int, took time.Duration) {
	switch {
	case took > slowCall:
		b.ceiling = max(1, jobs/2)
	case took < quickCall && jobs == b.ceiling:
		b.ceiling = 2 * jobs
	}
}

// dispatch begins as many calls as may run; mu is held.
func (b *batcher) dispatch() {
	for b.inFlight < b.concurrency {
		jobs := b.pick(b.most, func(j *job) bool { return j.bulk == 0 })
		if len(jobs) == 0 && b.bulk < max(1, b.concurrency-1) {
			jobs = b.pickBulk()
		}
		if len(jobs) == 0 {
			return
		}
		b.inFlight++
		if jobs[0].bulk > 0 {
			b.bulk++
		}
		for _, j := range jobs {
			for _, key := range j.keys {
				b.held[key]++
			}
		}
		jobs[0].lead <- jobs
	}
}

// pickBulk takes collected jobs of the window whose first one waits longest.
func (b *batcher) pickBulk() []*job {
	i := slices.IndexFunc(b.waiting, func(j *job) bool { return j.bulk > 0 })
	if i < 0 {
		return nil
	}
	bulk := b.waiting[i].bulk
	most := bulk
	if b.ceiling > 0 {
		most = min(most, b.ceiling)
	}
	return b.pick(most, func(j *job) bool { return j.bulk == bulk })
}

// pick takes the longest waiting jobs of one action that collide with no call in flight, at most as many as a call carries.
func (b *batcher) pick(most int, of func(*job) bool) []*job {
	var jobs []*job
	b.waiting = slices.DeleteFunc(b.waiting, func(j *job) bool {
		if len(jobs) == most || !of(j) || len(jobs) > 0 && j.action != jobs[0].action || b.collides(j) {
			return false
		}
		jobs = append(jobs, j)
		return true
	})
	return jobs
}

func (b *batcher) collides(j *job) bool {
	return slices.ContainsFunc(j.keys, func(key string) bool { return b.held[key] > 0 })
}

// queued is how many jobs are in no call yet.
func (b *batcher) queued() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

// withdraw takes a job back that is in no call yet.
func (b *batcher) withdraw(j *job) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, j)
	if i < 0 {
		return false
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	return true
}
