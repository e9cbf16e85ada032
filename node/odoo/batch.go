package odoo

import (
	"context"
	"slices"
	"sync"
)

// batcher joins effects that wait at the same time into one call, as a log joins appends into one commit: nothing lingers,
// and while calls are slow they carry more.
type batcher struct {
	most  int
	slots chan struct{} // one token a call in flight
	apply func(ctx context.Context, jobs []*job)

	mu      sync.Mutex
	waiting []*job
}

// job is one effect on its way.
type job struct {
	effect Effect
	done   chan struct{} // closed after result and err are set
	result Result
	err    error
}

func newBatcher(concurrency, most int, apply func(ctx context.Context, jobs []*job)) *batcher {
	return &batcher{most: most, slots: make(chan struct{}, concurrency), apply: apply}
}

// do returns when the effect was applied, alone or with others. A call made on behalf of several ends with the context
// of the one that makes it: the others then get its error, and try again.
func (b *batcher) do(ctx context.Context, e Effect) (Result, error) {
	j := &job{effect: e, done: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, j)
	b.mu.Unlock()
	for {
		select {
		case <-j.done:
			return j.result, j.err
		case b.slots <- struct{}{}:
			if jobs := b.take(); len(jobs) > 0 {
				b.apply(ctx, jobs)
				for _, done := range jobs {
					close(done.done)
				}
			}
			<-b.slots
			if !b.waits(j) { // it was in this call, or is in another
				<-j.done
				return j.result, j.err
			}
		case <-ctx.Done():
			if b.withdraw(j) {
				return Result{}, ctx.Err()
			}
			<-j.done // in a call already, and only that knows the outcome
			return j.result, j.err
		}
	}
}

// take removes the longest waiting jobs, at most as many as a call carries.
func (b *batcher) take() []*job {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), b.most)
	jobs := slices.Clone(b.waiting[:n])
	b.waiting = slices.Delete(b.waiting, 0, n)
	return jobs
}

func (b *batcher) waits(j *job) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.waiting, j)
}

// withdraw takes a job back that no call has taken yet.
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
