package plantmesh

import (
	"fmt"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Jump is a place in a subscription where events that once were in the stream, or may have been, are not delivered.
type Jump struct {
	Stream      StreamName
	Incarnation Incarnation // that was read
	After       Offset      // up to where
	To          Incarnation // in which delivery goes on
	ToAfter     Offset      // behind this
	Reason      error       // ErrOffsetTrimmed, ErrIncarnationChanged, or ErrCorruptBlock for what is lost
	Cursor      Cursor      // goes on behind the jump
}

// JumpError ends a subscription that was not told what to do at a jump. errors.Is finds the jump's reason.
type JumpError struct{ Jump Jump }

func (e *JumpError) Error() string {
	j := e.Jump
	if j.Incarnation != j.To {
		return fmt.Sprintf("%s: %v: read up to offset %d of incarnation %d; the origin lost its log, and incarnation %d follows: set OnJump, or go on from Jump.Cursor",
			j.Stream, j.Reason, j.After, j.Incarnation, j.To)
	}
	return fmt.Sprintf("%s: %v: offsets %d to %d cannot be delivered: set OnJump, or go on from Jump.Cursor", j.Stream, j.Reason, j.After+1, j.ToAfter)
}

func (e *JumpError) Unwrap() error { return e.Jump.Reason }

// jumpOf reads a gap or a reset; without either, the jump has no reason.
func jumpOf(stream StreamName, gap *eventv1.Gap, reset *eventv1.HistoryReset) Jump {
	j := Jump{Stream: stream}
	switch {
	case gap != nil:
		j.Incarnation, j.After = Incarnation(gap.GetIncarnation()), Offset(gap.GetFirstOffset())-1
		j.To, j.ToAfter, j.Reason = j.Incarnation, Offset(gap.GetLastOffset()), ErrOffsetTrimmed
		if gap.GetReason() == eventv1.GapReason_GAP_REASON_LOST {
			j.Reason = ErrCorruptBlock
		}
	case reset != nil:
		j.Incarnation, j.After = Incarnation(reset.GetOldIncarnation()), Offset(reset.GetOldOffset())
		j.To, j.Reason = Incarnation(reset.GetIncarnation()), ErrIncarnationChanged
	}
	return j
}

// jump moves to where a gap or reset leads, if the frame is one.
func (s *subscription) jump(frame *eventv1.SubscribeResponse) error {
	j := jumpOf(s.at.stream, frame.GetGap(), frame.GetHistoryReset())
	if j.Reason == nil {
		return nil
	}
	to := place{stream: s.at.stream, incarnation: j.To, offset: j.ToAfter, frame: frame.GetCursor()}
	j.Cursor = to.cursor()
	if s.onJump == nil {
		return &JumpError{Jump: j}
	}
	if err := s.onJump(j); err != nil {
		return err
	}
	s.at = to
	return nil
}
