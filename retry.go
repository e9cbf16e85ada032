package plantmesh

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

const (
	minRetry = 200 * time.Millisecond // before the second attempt
	maxRetry = 10 * time.Second       // most before any further one
)

// retry spaces the attempts of one call: exponentially, each wait between half and all of its step, so that clients that
// lost the same node do not come back together. The zero value is ready.
type retry struct {
	step time.Duration
	last error // what the last wait was for
}

// after waits before the attempt that follows an error: at least as long as the other side asks for. It returns early,
// without saying so, when ctx ends: the attempt then fails by itself.
func (r *retry) after(ctx context.Context, err error) {
	r.last = err
	r.step = min(max(2*r.step, minRetry), maxRetry)
	wait := max(r.step/2+rand.N(r.step/2+1), asked(err))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// reset is called when there was progress.
func (r *retry) reset() { *r = retry{} }

// asked is the delay that an error's RetryInfo asks for, within reason; 0 if it has none.
func asked(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return min(max(info.GetRetryDelay().AsDuration(), 0), maxRetry)
		}
	}
	return 0
}
