package mesh

import (
	"context"
	"sync"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// reports tell the peer what has come and what of it is durable here. Those not sent yet are merged.
type reports struct {
	wake  chan struct{}
	limit plantmesh.Offset // the call is done when it is held; 0: never

	mu       sync.Mutex // guards what follows
	held     plantmesh.Offset
	received uint64 // bytes
}

func newReports(held, limit plantmesh.Offset) *reports {
	return &reports{wake: make(chan struct{}, 1), limit: limit, held: held}
}

// came notes a message of the peer. A small frame is reported when it is durable, which is soon.
func (r *reports) came(message *peerv1.ReplicateResponse) {
	bytes := messageBytes(message)
	r.mu.Lock()
	r.received += bytes
	r.mu.Unlock()
	if len(message.GetPart()) > 0 || bytes >= partsReport {
		signal(r.wake)
	}
}

// durable notes how far the stream is held.
func (r *reports) durable(held plantmesh.Offset) {
	r.mu.Lock()
	r.held = held
	r.mu.Unlock()
	signal(r.wake)
}

// send sends reports until the call or ctx ends.
func (r *reports) send(ctx context.Context, call replicateClient) error {
	for {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return nil
		}
		r.mu.Lock()
		progress := &peerv1.ReplicateProgress{DurableOffset: uint64(r.held), ReceivedBytes: r.received}
		r.mu.Unlock()
		if call.Send(&peerv1.ReplicateRequest{Message: &peerv1.ReplicateRequest_Progress{Progress: progress}}) != nil {
			return nil //nolint:nilerr // the call has ended; receive has the reason
		}
		if r.limit > 0 && progress.GetDurableOffset() >= uint64(r.limit) {
			return call.CloseSend() // the peer ends the call
		}
	}
}
