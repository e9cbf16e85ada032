package api

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// A reader that fell behind what is retained, or whose history was begun anew, is told exactly what it will not get. It is
// never moved to the earliest event, or to the latest, in silence.
func TestNothingIsSkippedSilently(t *testing.T) {
	s := door(t)
	for i := range 5 {
		s.record(t, 4*i+1, 4) // five blocks
	}
	read := s.read(t, &eventv1.SubscribeRequest{Start: &eventv1.SubscribeRequest_AfterOffset{AfterOffset: 4}})
	behind := read[0].GetCursor() // after the second block, at offset 8 at least
	c, err := decodeCursor(stream, behind)
	if err != nil {
		t.Fatal(err)
	}
	earliest, err := s.log.Trim(t.Context(), stream, 0, 18)
	if err != nil || earliest != 17 {
		t.Fatal(earliest, err)
	}
	for name, start := range map[string]*eventv1.SubscribeRequest{
		"a cursor":  {Start: &eventv1.SubscribeRequest_Cursor{Cursor: cursor{incarnation: c.incarnation, offset: 6}.encode(stream)}},
		"an offset": {Start: &eventv1.SubscribeRequest_AfterOffset{AfterOffset: 6}},
	} {
		frames := s.read(t, start)
		want := &eventv1.Gap{Incarnation: uint64(c.incarnation), FirstOffset: 7, LastOffset: 16, Reason: eventv1.GapReason_GAP_REASON_TRIMMED}
		if len(frames) < 2 || !proto.Equal(frames[0].GetGap(), want) || offsets(frames[1:]) != "[17 18 19 20]" {
			t.Errorf("%s below what is retained: %v", name, frames)
			continue
		}
		// The gap has a cursor, so that a reader that was told is not told again.
		after := &eventv1.SubscribeRequest{Start: &eventv1.SubscribeRequest_Cursor{Cursor: frames[0].GetCursor()}}
		if again := s.read(t, after); offsets(again) != "[17 18 19 20]" || again[0].GetGap() != nil {
			t.Errorf("%s: on from the gap: %v", name, again)
		}
	}
	older := cursor{incarnation: c.incarnation - 1, offset: 3}.encode(stream)
	frames := s.read(t, &eventv1.SubscribeRequest{Start: &eventv1.SubscribeRequest_Cursor{Cursor: older}})
	if len(frames) == 0 || frames[0].GetHistoryReset().GetOldOffset() != 3 || frames[0].GetHistoryReset().GetIncarnation() != uint64(c.incarnation) {
		t.Errorf("a cursor of another history: %s", fmt.Sprint(frames))
	}
}
