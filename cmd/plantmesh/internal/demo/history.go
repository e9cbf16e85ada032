package demo

import (
	"context"
	"errors"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// history is a stream as a site holds it, over all its incarnations, in the order in which a reader gets it.
type history []placed

// placed is an event where it stands.
type placed struct {
	incarnation plantmesh.Incarnation
	recorded    *eventv1.RecordedEvent
}

func (p placed) key() eventKey {
	return eventKey{p.recorded.GetEvent().GetSource(), p.recorded.GetEvent().GetId()}
}

// readHistory reads a stream to its head. A new incarnation is no fault here; a gap is.
func readHistory(ctx context.Context, client *plantmesh.Client, stream plantmesh.StreamName) (history, error) {
	var all history
	from := plantmesh.From{Stream: stream, UntilHead: true, OnJump: func(j plantmesh.Jump) error {
		if errors.Is(j.Reason, plantmesh.ErrIncarnationChanged) {
			return nil
		}
		return &plantmesh.JumpError{Jump: j}
	}}
	for d, err := range client.Subscribe(ctx, from) {
		if err != nil {
			return nil, err
		}
		all = append(all, placed{d.Incarnation, d.Event})
	}
	return all, ctx.Err()
}

// first is the history of an event list of one incarnation.
func first(events []*eventv1.RecordedEvent) history {
	all := make(history, len(events))
	for i, e := range events {
		all[i] = placed{1, e}
	}
	return all
}

// compare holds a copy against what it must be: every event once, in the same order, the same byte for byte. What the copy
// has beyond that is a fault.
func (r *Scene) compare(where string, want, got history) {
	index, seen := map[eventKey]int{}, map[eventKey]bool{}
	for i, p := range want {
		index[p.key()] = i
	}
	last := -1
	for _, p := range got {
		i, ok := index[p.key()]
		switch {
		case !ok:
			r.fault("%s holds event %q, which nobody published", where, p.key().id)
			continue
		case seen[p.key()]:
			r.Doubled++
			continue
		case i < last || p.incarnation != want[i].incarnation || p.recorded.GetOffset() != want[i].recorded.GetOffset():
			r.OutOfOrder++
		case !proto.Equal(p.recorded, want[i].recorded):
			r.fault("%s: event %q is not what was recorded", where, p.key().id)
		}
		seen[p.key()], last = true, max(last, i)
	}
	r.Lost += uint64(len(index) - len(seen))
}

// verifyAt has a node read streams again, block by block, up to their origin's signatures.
func (r *Scene) verifyAt(ctx context.Context, s *site, streams []string) error {
	call, err := s.client.Admin().Verify(ctx, &adminv1.VerifyRequest{Streams: streams})
	for err == nil {
		var v *adminv1.VerifyResponse
		if v, err = call.Recv(); err == nil && v.GetResult() != adminv1.VerifyResult_VERIFY_RESULT_VERIFIED {
			r.fault("%s at %s, incarnation %d: %s: %s", v.GetStream(), s.name, v.GetIncarnation(), v.GetResult(), v.GetDetail())
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return plantmesh.FromStatus(err)
}
