package api

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

const (
	// heartbeatEvery is the longest silence of a subscription.
	heartbeatEvery = 15 * time.Second
	// readBytes is how much a subscription takes from the log at once.
	readBytes = 1 << 20
)

// subscription is one Subscribe.
type subscription struct {
	log         *storage.Log
	stream      plantmesh.StreamName
	incarnation plantmesh.Incarnation
	filter      filter
	out         grpc.ServerStreamingServer[eventv1.SubscribeResponse]

	after plantmesh.Offset // everything up to here was delivered or filtered out
	told  plantmesh.Offset // the caller's cursor
	head  plantmesh.Offset
	last  time.Time // of the last frame; zero before the first, so that one is due at once
}

// Subscribe delivers the events of a stream; see the protocol.
func (s *events) Subscribe(req *eventv1.SubscribeRequest, out grpc.ServerStreamingServer[eventv1.SubscribeResponse]) error {
	name, err := plantmesh.ParseStreamName(req.GetStream())
	if err != nil {
		return fmt.Errorf("%w: %w", plantmesh.ErrInvalidRequest, err)
	}
	head, err := s.log.Head(name)
	if err != nil {
		return err
	}
	after, err := s.start(req, name, head)
	if err != nil {
		return err
	}
	sub := &subscription{
		log: s.log, stream: name, incarnation: head.Incarnation, filter: newFilter(req), out: out,
		after: after, told: after, head: head.Offset,
	}
	return sub.run(out.Context(), req.GetUntilHead(), head.Offset)
}

// start finds the offset behind which a subscription begins.
func (s *events) start(req *eventv1.SubscribeRequest, name plantmesh.StreamName, head plantmesh.Head) (plantmesh.Offset, error) {
	var after plantmesh.Offset
	switch start := req.GetStart().(type) {
	case *eventv1.SubscribeRequest_Position:
		if start.Position == eventv1.Position_POSITION_LATEST {
			after = head.Offset
		}
	case *eventv1.SubscribeRequest_AfterOffset:
		after = plantmesh.Offset(start.AfterOffset)
	case *eventv1.SubscribeRequest_FromTime:
		if err := start.FromTime.CheckValid(); err != nil {
			return 0, fmt.Errorf("%w: from_time: %w", plantmesh.ErrInvalidRequest, err)
		}
		return s.log.OffsetBefore(name, start.FromTime.AsTime())
	case *eventv1.SubscribeRequest_Cursor:
		c, err := decodeCursor(name, start.Cursor)
		if err != nil {
			return 0, err
		}
		if c.incarnation != head.Incarnation {
			return 0, fmt.Errorf("%s: %w: the cursor is of %d, this is %d: its history was begun anew; read it from the beginning",
				name, plantmesh.ErrIncarnationChanged, c.incarnation, head.Incarnation)
		}
		if name.Origin() != s.cfg.Self.Site {
			return c.offset, nil // given by a site that holds more: what is missing will come
		}
		after = c.offset
	}
	if after > head.Offset {
		return 0, &plantmesh.OffsetError{Stream: name, Asked: after, Earliest: min(1, head.Offset), End: head.Offset, Err: plantmesh.ErrOffsetBeyondHead}
	}
	return after, nil
}

// run delivers until the context ends, or until the offset is reached if it is to end there.
func (s *subscription) run(ctx context.Context, end bool, until plantmesh.Offset) error {
	timer := time.NewTimer(heartbeatEvery)
	defer timer.Stop()
	for {
		changed := s.log.Changed()
		if err := s.advance(ctx); err != nil {
			return err
		}
		if end && s.after >= until {
			return s.finish()
		}
		if s.after < s.head {
			continue
		}
		timer.Reset(time.Until(s.last.Add(heartbeatEvery)))
		select {
		case <-changed:
		case <-timer.C:
			if err := s.heartbeat(); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// advance delivers some of what is there.
func (s *subscription) advance(ctx context.Context) error {
	head, err := s.log.Head(s.stream)
	if err != nil {
		return err
	}
	s.head = head.Offset
	if s.head <= s.after {
		return nil
	}
	blocks, err := s.log.Blocks(ctx, s.stream, s.after, readBytes)
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if err := s.deliver(b); err != nil {
			return err
		}
	}
	return nil
}

// deliver sends what passes of a block.
func (s *subscription) deliver(b *storage.Block) error {
	if b.Incarnation() != s.incarnation {
		return fmt.Errorf("%s: %w: it was %d, it is %d", s.stream, plantmesh.ErrIncarnationChanged, s.incarnation, b.Incarnation())
	}
	payload, err := b.Payload()
	if err != nil {
		return err
	}
	pieces := [][]byte{payload}
	if b.First() <= s.after || !s.filter.passesAll() {
		if pieces, err = cut(payload, s.after, s.filter); err != nil {
			return fmt.Errorf("%s@%d: %w", s.stream, b.First(), err)
		}
	}
	s.after = b.Last()
	if len(pieces) == 0 {
		if time.Since(s.last) < heartbeatEvery {
			return nil
		}
		return s.heartbeat()
	}
	return s.send(newRawFrame(s.cursor(), pieces, uint64(s.head)))
}

// finish tells the last cursor if the filter kept it back, or if nothing was told at all.
func (s *subscription) finish() error {
	if s.told == s.after && !s.last.IsZero() {
		return nil
	}
	return s.heartbeat()
}

func (s *subscription) heartbeat() error {
	return s.send(&eventv1.SubscribeResponse{
		Cursor: s.cursor(), Frame: &eventv1.SubscribeResponse_Heartbeat{Heartbeat: &emptypb.Empty{}}, HeadOffset: uint64(s.head),
	})
}

func (s *subscription) cursor() []byte {
	return cursor{incarnation: s.incarnation, offset: s.after}.encode(s.stream)
}

func (s *subscription) send(frame any) error {
	if err := s.out.SendMsg(frame); err != nil {
		return err
	}
	s.told, s.last = s.after, time.Now()
	return nil
}
