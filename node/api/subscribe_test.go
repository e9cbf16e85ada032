package api

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func TestMain(m *testing.M) {
	warm()
	goleak.VerifyTestMain(m)
}

// warm makes what the process keeps for ever, such as the compressor, outside of virtual time.
func warm() {
	log, err := storage.Open("log", storage.Options{Mesh: "test", Site: "plant-a", FS: vfs.NewMem()})
	if err != nil {
		panic(err)
	}
	defer log.Close()
	event := &eventv1.Event{Id: "1", Source: "//test", Data: make([]byte, 1000)}
	if _, err := log.Append(context.Background(), storage.Write{Entries: []storage.Entry{{Stream: stream, Event: event}}}); err != nil {
		panic(err)
	}
}

// receiver is the caller's side of a Subscribe.
type receiver struct {
	grpc.ServerStream
	ctx context.Context

	mu     sync.Mutex
	frames []*eventv1.SubscribeResponse
	raw    [][]byte // of raw frames
}

func (r *receiver) Context() context.Context { return r.ctx }

func (r *receiver) Send(m *eventv1.SubscribeResponse) error { return r.SendMsg(m) }

func (r *receiver) SendMsg(m any) error {
	buffers, err := newCodec().Marshal(m)
	if err != nil {
		return err
	}
	frame := &eventv1.SubscribeResponse{}
	if err := proto.Unmarshal(buffers.Materialize(), frame); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, frame)
	if raw, ok := m.(*rawFrame); ok {
		for _, piece := range raw.pieces {
			r.raw = append(r.raw, piece.ReadOnlyData())
		}
	}
	return nil
}

// take returns the frames received since the last call.
func (r *receiver) take() []*eventv1.SubscribeResponse {
	r.mu.Lock()
	defer r.mu.Unlock()
	frames := r.frames
	r.frames = nil
	return frames
}

// door is EventService on a log in memory.
func door(t *testing.T) *events {
	s := doorOn(t, vfs.NewMem())
	t.Cleanup(func() {
		if err := s.log.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// doorOn is EventService on a log that the caller closes.
func doorOn(t *testing.T, fs vfs.FS) *events {
	log, err := storage.Open("log", storage.Options{Mesh: "test", Site: "plant-a", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return &events{cfg: Config{Self: plantmesh.Identity{Mesh: "test", Region: "eu", Site: "plant-a"}}, log: log}
}

// record appends events in one block, of types t0, t1, t0 …
func (s *events) record(t *testing.T, first, count int) {
	t.Helper()
	var w storage.Write
	for i := first; i < first+count; i++ {
		w.Entries = append(w.Entries, storage.Entry{Stream: stream, Event: &eventv1.Event{
			Id: fmt.Sprint(i), Source: "//test", Type: fmt.Sprint("t", i%2), Subject: fmt.Sprint("s/", i), Data: []byte("data"),
		}})
	}
	if _, err := s.log.Append(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

func offsets(frames []*eventv1.SubscribeResponse) string {
	var list []uint64
	for _, f := range frames {
		for _, e := range f.GetEvents().GetEvents() {
			list = append(list, e.GetOffset())
		}
	}
	return fmt.Sprint(list)
}

// read subscribes until the head.
func (s *events) read(t *testing.T, req *eventv1.SubscribeRequest) []*eventv1.SubscribeResponse {
	t.Helper()
	req.Stream, req.UntilHead = string(stream), true
	r := &receiver{ctx: t.Context()}
	if err := s.Subscribe(req, r); err != nil {
		t.Fatal(err)
	}
	return r.take()
}

func TestSubscriptionStartsWhereItIsAskedTo(t *testing.T) {
	s := door(t)
	s.record(t, 1, 3)
	s.record(t, 4, 3)
	middle, err := s.log.Get(stream, 4)
	if err != nil {
		t.Fatal(err)
	}
	cursor := s.read(t, &eventv1.SubscribeRequest{})[0].GetCursor()
	for want, req := range map[string]*eventv1.SubscribeRequest{
		"[1 2 3 4 5 6]": {},
		"[3 4 5 6]":     {Start: &eventv1.SubscribeRequest_AfterOffset{AfterOffset: 2}}, // inside the first block
		"[6]":           {Start: &eventv1.SubscribeRequest_AfterOffset{AfterOffset: 5}},
		"[]":            {Start: &eventv1.SubscribeRequest_Position{Position: eventv1.Position_POSITION_LATEST}},
		"[4 5 6]":       {Start: &eventv1.SubscribeRequest_Cursor{Cursor: cursor}},
		"[2 4 6]":       {Types: []string{"t0"}},
		"[5]":           {Start: &eventv1.SubscribeRequest_AfterOffset{AfterOffset: 1}, Types: []string{"t1"}, Subjects: []string{"s/5", "s/6"}},
	} {
		frames := s.read(t, req)
		if got := offsets(frames); got != want {
			t.Errorf("%v gives %s, want %s", req, got, want)
		}
		for _, f := range frames {
			if e := f.GetEvents(); e != nil && (e.GetStream() != string(stream) || e.GetIncarnation() == 0) || f.GetHeadOffset() != 6 {
				t.Errorf("%v: frame %v", req, f)
			}
		}
		if len(frames) == 0 {
			t.Errorf("%v gives no frame, and so no cursor", req)
			continue
		}
		last := &eventv1.SubscribeRequest{Start: &eventv1.SubscribeRequest_Cursor{Cursor: frames[len(frames)-1].GetCursor()}}
		if got := offsets(s.read(t, last)); got != "[]" {
			t.Errorf("%v: its last cursor gives %s", req, got)
		}
	}
	from := &eventv1.SubscribeRequest{Start: &eventv1.SubscribeRequest_FromTime{FromTime: middle.GetRecordedTime()}}
	if got := offsets(s.read(t, from)); got != "[4 5 6]" {
		t.Errorf("from the time of the second block: %s", got)
	}
}

func TestUnfilteredFrameIsTheBlocksPayloadItself(t *testing.T) {
	s := door(t)
	s.record(t, 1, 10)
	blocks, err := s.log.Blocks(t.Context(), stream, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := blocks[0].Payload()
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{ctx: t.Context()}
	if err := s.Subscribe(&eventv1.SubscribeRequest{Stream: string(stream), UntilHead: true}, r); err != nil {
		t.Fatal(err)
	}
	for _, piece := range r.raw {
		if len(piece) == len(payload) && &piece[0] == &payload[0] {
			return
		}
	}
	t.Error("the payload was copied")
}

func TestQuietSubscriptionBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := door(t)
		s.record(t, 1, 2)
		ctx, cancel := context.WithCancelCause(t.Context())
		r := &receiver{ctx: ctx}
		done := make(chan error)
		go func() {
			done <- s.Subscribe(&eventv1.SubscribeRequest{
				Stream: string(stream), Types: []string{"t0"}, Start: &eventv1.SubscribeRequest_Position{Position: eventv1.Position_POSITION_LATEST},
			}, r)
		}()
		synctest.Wait()
		if frames := r.take(); len(frames) != 1 || frames[0].GetHeartbeat() == nil {
			t.Errorf("at once %v", frames)
		}
		<-time.After(61 * time.Second)
		if frames := r.take(); len(frames) != 4 {
			t.Errorf("%d frames in a minute", len(frames))
		}
		s.record(t, 3, 1) // filtered out
		s.record(t, 4, 1)
		synctest.Wait()
		if got := offsets(r.take()); got != "[4]" {
			t.Errorf("got %s", got)
		}
		s.record(t, 5, 1)
		<-time.After(16 * time.Second)
		frames := r.take()
		if len(frames) != 1 || frames[0].GetHeadOffset() != 5 {
			t.Fatalf("frames %v", frames)
		}
		if c, err := decodeCursor(stream, frames[0].GetCursor()); err != nil || c.offset != 5 {
			t.Errorf("cursor %+v, %v: it does not pass what was filtered out", c, err)
		}
		cancel(plantmesh.ErrShuttingDown)
		if err := <-done; !errors.Is(err, plantmesh.ErrShuttingDown) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestCursorOfALostIncarnationIsAnsweredWithAResetAndAllThatFollows(t *testing.T) {
	s := door(t)
	s.record(t, 1, 2)
	head, err := s.log.Head(stream)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{ctx: t.Context()}
	if err := s.Subscribe(&eventv1.SubscribeRequest{
		Stream: string(stream), UntilHead: true, Start: &eventv1.SubscribeRequest_Cursor{Cursor: cursor{incarnation: 1, offset: 9}.encode(stream)},
	}, r); err != nil {
		t.Fatal(err)
	}
	frames := r.take()
	if len(frames) != 2 || offsets(frames[1:]) != "[1 2]" {
		t.Fatalf("got %v", frames)
	}
	want := &eventv1.HistoryReset{OldIncarnation: 1, OldOffset: 9, Incarnation: uint64(head.Incarnation)}
	if got := frames[0].GetHistoryReset(); !proto.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if c, err := decodeCursor(stream, frames[0].GetCursor()); err != nil || c != (cursor{incarnation: head.Incarnation}) {
		t.Errorf("its cursor is %+v, %v", c, err)
	}
}

// Nothing has to happen for the reader to get past the end of an incarnation that another one follows.
func TestOlderIncarnationIsReadOnIntoTheNextAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		before := doorOn(t, fs)
		before.record(t, 1, 2)
		head, err := before.log.Head(stream)
		if err != nil {
			t.Fatal(err)
		}
		if err := before.log.Close(); err != nil {
			t.Fatal(err)
		}
		s := doorOn(t, fs)
		if err := s.log.CloseIncarnation(stream, head.Incarnation); err != nil {
			t.Fatal(err)
		}
		s.record(t, 3, 1)
		began := time.Now()
		frames := s.read(t, &eventv1.SubscribeRequest{})
		if len(frames) != 3 || offsets(frames[:1]) != "[1 2]" || frames[1].GetHistoryReset().GetOldIncarnation() != uint64(head.Incarnation) || offsets(frames[2:]) != "[1]" {
			t.Errorf("got %v", frames)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the next incarnation came after %s", took)
		}
		if err := s.log.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestInvalidStartTimeIsRefused(t *testing.T) {
	s := door(t)
	s.record(t, 1, 1)
	err := s.Subscribe(&eventv1.SubscribeRequest{
		Stream: string(stream), Start: &eventv1.SubscribeRequest_FromTime{FromTime: &timestamppb.Timestamp{Nanos: -1}},
	}, &receiver{ctx: t.Context()})
	if !errors.Is(err, plantmesh.ErrInvalidRequest) {
		t.Errorf("error %v", err)
	}
}
