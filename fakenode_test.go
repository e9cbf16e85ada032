package plantmesh_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

const (
	fakeStream  = plantmesh.StreamName("plant-a/production")
	fakeAddress = "plant-a:7443"
)

// fakeNode is EventService with one stream in memory, behind real TLS on connections in memory. Its functions, if set, are
// asked before each answer and may refuse it. What it does otherwise the tests of the real node hold it to.
type fakeNode struct {
	eventv1.UnimplementedEventServiceServer
	t         testing.TB
	authority *pki.Authority
	listener  *bufconn.Listener

	refuse func(request int) error      // of either kind of publishing, counted from 1
	end    func(call, frames int) error // of a Subscribe, before each frame
	onCall func(md metadata.MD)         // sees the metadata of each Publish

	maxFollowing uint32 // of PublishStream; 0: as nodes were before there was such a thing

	mu          sync.Mutex // guards what follows
	incarnation uint64
	events      []*eventv1.RecordedEvent
	offsets     map[string]uint64 // by id
	changed     chan struct{}
	requests    int
	messages    int // of PublishStream
	calls       int
	conns       []net.Conn
}

func startFake(t testing.TB) *fakeNode {
	t.Helper()
	authority, err := pki.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeNode{
		t: t, authority: authority, listener: bufconn.Listen(1 << 20), incarnation: 7, maxFollowing: 99,
		offsets: map[string]uint64{}, changed: make(chan struct{}),
	}
	site, err := plantmesh.LoadCredentials(issue(t, authority, plantmesh.Identity{Mesh: "test", Region: "eu", Site: "plant-a"}))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(site.ServerConfig())),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}))
	eventv1.RegisterEventServiceServer(server, f)
	served := make(chan error, 1)
	go func() { served <- server.Serve(f.listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return f
}

func issue(t testing.TB, a *pki.Authority, id plantmesh.Identity) plantmesh.TLSFiles {
	t.Helper()
	files, err := a.IssueFiles(t.TempDir(), id, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// client dials the fake in the name of a client of its mesh.
func (f *fakeNode) client(opts ...plantmesh.Option) *plantmesh.Client {
	f.t.Helper()
	return f.clientWith(issue(f.t, f.authority, plantmesh.Identity{Mesh: "test", Client: "mes"}), opts...)
}

func (f *fakeNode) clientWith(files plantmesh.TLSFiles, opts ...plantmesh.Option) *plantmesh.Client {
	f.t.Helper()
	opts = append([]plantmesh.Option{plantmesh.WithDialer(f.dial), plantmesh.WithLogger(slog.New(slog.NewTextHandler(f.t.Output(), nil)))}, opts...)
	client, err := plantmesh.Dial(fakeAddress, files, opts...)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = client.Close() })
	return client
}

func (f *fakeNode) dial(ctx context.Context, _ string) (net.Conn, error) {
	conn, err := f.listener.DialContext(ctx)
	if err == nil {
		f.mu.Lock()
		f.conns = append(f.conns, conn)
		f.mu.Unlock()
	}
	return conn, err
}

// cut breaks every connection there is.
func (f *fakeNode) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.conns {
		_ = conn.Close()
	}
	f.conns = nil
}

// record appends events, as a node does.
func (f *fakeNode) record(events ...*eventv1.Event) []*eventv1.Receipt {
	f.mu.Lock()
	defer f.mu.Unlock()
	receipts := make([]*eventv1.Receipt, len(events))
	for i, e := range events {
		offset, known := f.offsets[e.GetId()]
		if !known {
			offset = uint64(len(f.events) + 1)
			f.offsets[e.GetId()] = offset
			f.events = append(f.events, &eventv1.RecordedEvent{Offset: offset, RecordedTime: timestamppb.Now(), Site: "plant-a", Event: e})
		}
		receipts[i] = &eventv1.Receipt{
			Stream: string(fakeStream), Incarnation: f.incarnation, Offset: offset,
			RecordedTime: f.events[offset-1].GetRecordedTime(), Duplicate: known,
		}
	}
	close(f.changed)
	f.changed = make(chan struct{})
	return receipts
}

// ids are those of all events recorded, in order.
func (f *fakeNode) ids() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := make([]string, len(f.events))
	for i, e := range f.events {
		ids[i] = e.GetEvent().GetId()
	}
	return ids
}

// request counts a publishing request and says whether to refuse it.
func (f *fakeNode) request() error {
	f.mu.Lock()
	f.requests++
	n := f.requests
	f.mu.Unlock()
	if f.refuse == nil {
		return nil
	}
	return f.refuse(n)
}

func (f *fakeNode) Publish(ctx context.Context, r *eventv1.PublishRequest) (*eventv1.PublishResponse, error) {
	if md, ok := metadata.FromIncomingContext(ctx); ok && f.onCall != nil {
		f.onCall(md)
	}
	if err := f.request(); err != nil {
		return nil, plantmesh.Status(err).Err()
	}
	return &eventv1.PublishResponse{Receipts: f.record(r.GetEvents()...)}, nil
}

func (f *fakeNode) PublishStream(stream grpc.BidiStreamingServer[eventv1.PublishStreamRequest, eventv1.PublishStreamResponse]) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the caller is done, or gone
		}
		f.mu.Lock()
		f.messages++
		f.mu.Unlock()
		if len(r.GetFollowing()) > int(f.maxFollowing) {
			f.t.Errorf("%d requests in a message", 1+len(r.GetFollowing()))
		}
		answer, refused := f.answer(r)
		for _, next := range r.GetFollowing() {
			if refused != nil {
				break
			}
			var behind *eventv1.PublishStreamResponse
			if behind, refused = f.answer(next); refused == nil {
				answer.Following = append(answer.Following, behind)
			}
		}
		if answer != nil {
			answer.MaxFollowing = f.maxFollowing
			if err := stream.Send(answer); err != nil {
				return err
			}
		}
		if refused != nil {
			return plantmesh.Status(refused).Err()
		}
	}
}

// answer answers one request of a PublishStream, or says why the call has to end before it.
func (f *fakeNode) answer(r *eventv1.PublishStreamRequest) (*eventv1.PublishStreamResponse, error) {
	switch err := f.request(); {
	case plantmesh.IsRetryable(err):
		return nil, err
	case err != nil:
		return &eventv1.PublishStreamResponse{Sequence: r.GetSequence(), Error: plantmesh.Status(err).Proto()}, nil
	}
	return &eventv1.PublishStreamResponse{Sequence: r.GetSequence(), Receipts: f.record(r.GetEvents()...)}, nil
}

// Subscribe delivers frames of some events, and a first one at once.
func (f *fakeNode) Subscribe(r *eventv1.SubscribeRequest, out grpc.ServerStreamingServer[eventv1.SubscribeResponse]) error {
	f.mu.Lock()
	f.calls++
	call, head := f.calls, len(f.events)
	f.mu.Unlock()
	at, err := f.start(r, head)
	if err != nil {
		return plantmesh.Status(err).Err()
	}
	for frames := 0; ; frames++ {
		if f.end != nil {
			if err := f.end(call, frames); err != nil {
				return plantmesh.Status(err).Err()
			}
		}
		f.mu.Lock()
		changed, rest := f.changed, f.events[at:]
		f.mu.Unlock()
		if r.GetUntilHead() && at >= head {
			return nil
		}
		if len(rest) == 0 && frames > 0 {
			select {
			case <-changed:
			case <-out.Context().Done():
				return nil
			}
			continue
		}
		response := &eventv1.SubscribeResponse{Frame: &eventv1.SubscribeResponse_Heartbeat{Heartbeat: &emptypb.Empty{}}, HeadOffset: uint64(at + len(rest))}
		if len(rest) > 0 {
			rest = rest[:min(3, len(rest))]
			at += len(rest)
			response.Frame = &eventv1.SubscribeResponse_Events{Events: &eventv1.EventBatch{Stream: r.GetStream(), Incarnation: f.incarnation, Events: rest}}
		}
		response.Cursor = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, f.incarnation), uint64(at))
		if err := out.Send(response); err != nil {
			return err
		}
	}
}

func (f *fakeNode) start(r *eventv1.SubscribeRequest, head int) (int, error) {
	if r.GetStream() != string(fakeStream) {
		return 0, fmt.Errorf("%s: %w", r.GetStream(), plantmesh.ErrUnknownStream)
	}
	switch start := r.GetStart().(type) {
	case *eventv1.SubscribeRequest_Cursor:
		if incarnation := binary.BigEndian.Uint64(start.Cursor); incarnation != f.incarnation {
			return 0, fmt.Errorf("%s: %w", fakeStream, plantmesh.ErrIncarnationChanged)
		}
		return int(binary.BigEndian.Uint64(start.Cursor[8:])), nil
	case *eventv1.SubscribeRequest_AfterOffset:
		if int(start.AfterOffset) > head {
			return 0, &plantmesh.OffsetError{
				Stream: fakeStream, Asked: plantmesh.Offset(start.AfterOffset), Earliest: 1, End: plantmesh.Offset(head), Err: plantmesh.ErrOffsetBeyondHead,
			}
		}
		return int(start.AfterOffset), nil
	case *eventv1.SubscribeRequest_Position:
		if start.Position == eventv1.Position_POSITION_LATEST {
			return head, nil
		}
	}
	return 0, nil
}
