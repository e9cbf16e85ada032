package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/filter"
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
	log    *storage.Log
	stream plantmesh.StreamName
	filter filter.Filter
	out    grpc.ServerStreamingServer[eventv1.SubscribeResponse]
	onJump func(plantmesh.StreamName, storage.Jump)

	at   storage.Position // everything up to here was delivered or filtered out
	told storage.Position // the caller's cursor
	head plantmesh.Offset // of the incarnation
	last time.Time        // of the last frame; zero before the first, so that one is due at once
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
	at, err := s.start(req, name, head)
	if err != nil {
		return err
	}
	sub := &subscription{log: s.log, stream: name, filter: filter.New(req.GetTypes(), req.GetSubjects()), out: out, onJump: s.onJump, at: at, told: at}
	return sub.run(out.Context(), req.GetUntilHead(), head)
}

// start finds the position behind which a subscription begins.
func (s *events) start(req *eventv1.SubscribeRequest, name plantmesh.StreamName, head plantmesh.Head) (storage.Position, error) {
	at := storage.Position{Incarnation: head.Incarnation}
	switch start := req.GetStart().(type) {
	case *eventv1.SubscribeRequest_Position:
		if start.Position == eventv1.Position_POSITION_LATEST {
			at.Offset = head.Offset
			return at, nil
		}
	case *eventv1.SubscribeRequest_AfterOffset:
		at.Offset = plantmesh.Offset(start.AfterOffset)
	case *eventv1.SubscribeRequest_FromTime:
		if err := start.FromTime.CheckValid(); err != nil {
			return at, fmt.Errorf("%w: from_time: %w", plantmesh.ErrInvalidRequest, err)
		}
		return s.log.PositionBefore(name, start.FromTime.AsTime())
	case *eventv1.SubscribeRequest_Cursor:
		c, err := decodeCursor(name, start.Cursor)
		if err != nil {
			return at, err
		}
		at = storage.Position{Incarnation: c.incarnation, Offset: c.offset}
		if name.Origin() == s.cfg.Self.Site && c.incarnation == head.Incarnation && c.offset > head.Offset {
			return at, beyond(name, c.offset, head)
		}
		return at, nil // elsewhere it may have been given by a site that holds more: what is missing will come
	}
	if at.Offset > head.Offset {
		return at, beyond(name, at.Offset, head)
	}
	if at.Offset == 0 {
		at, _, err := s.log.Resume(name, storage.Position{})
		return at, err
	}
	return at, nil
}

func beyond(name plantmesh.StreamName, asked plantmesh.Offset, head plantmesh.Head) error {
	return &plantmesh.OffsetError{Stream: name, Asked: asked, Earliest: min(1, head.Offset), End: head.Offset, Err: plantmesh.ErrOffsetBeyondHead}
}

// run delivers until the context ends, or until a head is reached if it is to end there.
func (s *subscription) run(ctx context.Context, end bool, until plantmesh.Head) error {
	timer := time.NewTimer(heartbeatEvery)
	defer timer.Stop()
	for {
		changed := s.log.Changed()
		more, err := s.advance(ctx)
		if err != nil {
			return err
		}
		if end && (s.at.Incarnation > until.Incarnation || s.at.Incarnation == until.Incarnation && s.at.Offset >= until.Offset) {
			return s.finish()
		}
		if more {
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

// advance delivers some of what is there, and tells whether there is more.
func (s *subscription) advance(ctx context.Context) (more bool, err error) {
	head, err := s.log.HeadOf(s.stream, s.at.Incarnation)
	if err != nil && !errors.Is(err, plantmesh.ErrIncarnationChanged) {
		return false, err
	}
	s.head = head.Offset
	if err != nil || head.Offset <= s.at.Offset {
		return s.jump()
	}
	blocks, err := s.log.BlocksOf(ctx, s.stream, s.at.Incarnation, s.at.Offset, readBytes)
	if errors.Is(err, plantmesh.ErrOffsetTrimmed) {
		return s.jump()
	}
	if errors.Is(err, plantmesh.ErrCorruptBlock) { // past it only once it is known that nobody has it
		if moved, jumpErr := s.jump(); moved || jumpErr != nil {
			return moved, jumpErr
		}
	}
	if err != nil {
		return false, err
	}
	for _, b := range blocks {
		if err := s.deliver(b); err != nil {
			return false, err
		}
	}
	return s.at.Offset < s.head || s.ended(), nil
}

// ended tells whether the incarnation that is read to its end is followed by another: nothing that happens need say so.
func (s *subscription) ended() bool {
	head, err := s.log.Head(s.stream)
	return err == nil && head.Incarnation != s.at.Incarnation
}

var gapReasons = map[storage.JumpKind]eventv1.GapReason{
	storage.JumpTrimmed: eventv1.GapReason_GAP_REASON_TRIMMED, storage.JumpLost: eventv1.GapReason_GAP_REASON_LOST,
}

// jump tells the caller where its way goes on if not right here.
func (s *subscription) jump() (moved bool, err error) {
	to, jump, err := s.log.Resume(s.stream, s.at)
	if jump == nil || err != nil {
		return false, err
	}
	s.at = to
	if s.onJump != nil {
		s.onJump(s.stream, *jump)
	}
	frame := &eventv1.SubscribeResponse{Cursor: s.cursor()}
	if jump.Kind == storage.JumpRecreated {
		reset := &eventv1.HistoryReset{
			OldIncarnation: uint64(jump.From.Incarnation), OldOffset: uint64(jump.From.Offset), Incarnation: uint64(jump.To.Incarnation),
		}
		if old, err := s.log.HeadOf(s.stream, jump.From.Incarnation); err == nil {
			reset.OldHeadOffset = uint64(old.Offset)
		}
		frame.Frame = &eventv1.SubscribeResponse_HistoryReset{HistoryReset: reset}
	} else {
		frame.Frame = &eventv1.SubscribeResponse_Gap{Gap: &eventv1.Gap{
			Incarnation: uint64(jump.From.Incarnation), FirstOffset: uint64(jump.From.Offset) + 1, LastOffset: uint64(jump.To.Offset),
			Reason: gapReasons[jump.Kind],
		}}
	}
	if head, err := s.log.HeadOf(s.stream, to.Incarnation); err == nil {
		s.head = head.Offset
		frame.HeadOffset = uint64(head.Offset)
	}
	return true, s.send(frame)
}

// deliver sends what passes of a block.
func (s *subscription) deliver(b *storage.Block) error {
	payload, err := b.Payload()
	if err != nil {
		return err
	}
	pieces := [][]byte{payload}
	if b.First() <= s.at.Offset || !s.filter.PassesAll() {
		if pieces, err = cut(payload, s.at.Offset, s.filter); err != nil {
			return fmt.Errorf("%s@%d: %w", s.stream, b.First(), err)
		}
	}
	s.at.Offset = b.Last()
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
	if s.told == s.at && !s.last.IsZero() {
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
	return cursor{incarnation: s.at.Incarnation, offset: s.at.Offset}.encode(s.stream)
}

func (s *subscription) send(frame any) error {
	if err := s.out.SendMsg(frame); err != nil {
		return err
	}
	s.told, s.last = s.at, time.Now()
	return nil
}
