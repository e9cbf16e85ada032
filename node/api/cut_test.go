package api

import (
	"bytes"
	"fmt"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/filter"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

func batchOf(types, subjects []string) *eventv1.EventBatch {
	b := &eventv1.EventBatch{Stream: string(stream), Incarnation: 42}
	for i := range types {
		b.Events = append(b.Events, &eventv1.RecordedEvent{
			Offset: uint64(i + 10), RecordedTime: &timestamppb.Timestamp{Seconds: int64(i)}, Site: "plant-a",
			Event: &eventv1.Event{Id: fmt.Sprint(i), Type: types[i], Subject: subjects[i], Data: []byte("data")},
		})
	}
	return b
}

// What is cut out by wire fields is what decoding, filtering and encoding would give.
func TestCutEqualsDecodeFilterEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		types := rapid.SliceOfN(rapid.SampledFrom([]string{"a.A", "a.B", "a.C"}), 1, 30).Draw(t, "types")
		subjects := rapid.SliceOfN(rapid.SampledFrom([]string{"order/1", "order/12", "item/1", ""}), len(types), len(types)).Draw(t, "subjects")
		after := plantmesh.Offset(rapid.IntRange(0, 45).Draw(t, "after"))
		req := &eventv1.SubscribeRequest{
			Types:    rapid.SliceOfN(rapid.SampledFrom([]string{"a.A", "a.B", "x.X"}), 0, 2).Draw(t, "filter types"),
			Subjects: rapid.SliceOfN(rapid.SampledFrom([]string{"order/1", "order/*", "item/*", "*"}), 0, 2).Draw(t, "filter subjects"),
		}
		whole := batchOf(types, subjects)
		payload, err := proto.Marshal(whole)
		if err != nil {
			t.Fatal(err)
		}
		want := proto.Clone(whole).(*eventv1.EventBatch)
		want.Events = nil
		f := filter.New(req.GetTypes(), req.GetSubjects())
		for _, e := range whole.GetEvents() {
			if plantmesh.Offset(e.GetOffset()) > after && f.Passes([]byte(e.GetEvent().GetType()), []byte(e.GetEvent().GetSubject())) {
				want.Events = append(want.Events, e)
			}
		}
		pieces, err := cut(payload, after, f)
		if err != nil {
			t.Fatal(err)
		}
		if len(want.Events) == 0 {
			if pieces != nil {
				t.Fatalf("pieces %x of a batch where nothing passes", pieces)
			}
			return
		}
		got := &eventv1.EventBatch{}
		if err := proto.Unmarshal(bytes.Join(pieces, nil), got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestFilterMatchesExactSubjectsAndPrefixes(t *testing.T) {
	f := filter.New([]string{"a.A"}, []string{"order/1", "lot/*"})
	for _, test := range []struct {
		kind, subject string
		want          bool
	}{
		{"a.A", "order/1", true}, {"a.A", "order/12", false}, {"a.A", "lot/7", true}, {"a.B", "lot/7", false}, {"a.A", "", false},
	} {
		if got := f.Passes([]byte(test.kind), []byte(test.subject)); got != test.want {
			t.Errorf("%s %s: %v", test.kind, test.subject, got)
		}
	}
}

func TestRawFrameIsASubscribeResponse(t *testing.T) {
	batch := batchOf([]string{"a.A", "a.B"}, []string{"s", "s"})
	payload, err := proto.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	buffers, err := newCodec().Marshal(newRawFrame([]byte("cursor"), [][]byte{payload[:20], payload[20:]}, 99))
	if err != nil {
		t.Fatal(err)
	}
	got := &eventv1.SubscribeResponse{}
	if err := proto.Unmarshal(buffers.Materialize(), got); err != nil {
		t.Fatal(err)
	}
	want := &eventv1.SubscribeResponse{Cursor: []byte("cursor"), Frame: &eventv1.SubscribeResponse_Events{Events: batch}, HeadOffset: 99}
	if !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCodecReadsOrdinaryMessages(t *testing.T) {
	c := newCodec()
	want := &eventv1.Receipt{Stream: "plant-a/production", Offset: 7}
	buffers, err := c.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := &eventv1.Receipt{}
	if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(buffers.Materialize())}, got); err != nil || !proto.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzCut(f *testing.F) {
	payload, err := proto.Marshal(batchOf([]string{"a.A", "a.B"}, []string{"s", "t"}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload, uint64(10), "a.A")
	f.Fuzz(func(t *testing.T, b []byte, after uint64, kind string) {
		pieces, err := cut(b, plantmesh.Offset(after), filter.New([]string{kind}, nil))
		if err != nil {
			return
		}
		if joined := bytes.Join(pieces, nil); len(joined) > len(b) {
			t.Errorf("%d bytes cut out of %d", len(joined), len(b))
		}
	})
}
