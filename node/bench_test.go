package node_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// Every event of the benchmarks is about a kilobyte on the wire, of text that compresses as plants' texts do, not better.
const benchEventBytes = 1024

// benchEvents makes events that differ. It is safe for concurrent use.
type benchEvents struct {
	next   atomic.Uint64
	prefix string
}

func newBenchEvents() *benchEvents { return &benchEvents{prefix: fmt.Sprint(time.Now().UnixNano())} }

func (b *benchEvents) event(t testing.TB) *eventv1.Event {
	n := b.next.Add(1)
	e, err := plantmesh.NewEvent("//plant-a/mes", fmt.Sprint(b.prefix, n), time.Unix(1_750_000_000, 0), &manufacturingv1.ProductionOrderClosed{
		OrderId: fmt.Sprintf("WO-%d", n%1000), Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED, Comment: comment(n),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func comment(seed uint64) string {
	random := rand.New(rand.NewPCG(seed, 0))
	text := make([]byte, benchEventBytes-170)
	for i := range text {
		text[i] = "abcdefghijklmnopqrstuvwxyz     0123456789"[random.IntN(41)]
	}
	return string(text)
}

func benchPlant(b *testing.B) *running {
	c := newCluster(b)
	return c.start(c.config("plant-a"))
}

// reportPublishing adds what the node itself measured.
func reportPublishing(b *testing.B, plant *running) {
	b.StopTimer()
	latency := plant.status().GetNode().GetPublishLatency()
	b.ReportMetric(float64(latency.GetP50().AsDuration().Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(latency.GetP99().AsDuration().Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkPublish(b *testing.B) {
	for _, publishers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("publishers=%d", publishers), func(b *testing.B) {
			plant, events := benchPlant(b), newBenchEvents()
			client := plant.events()
			b.SetBytes(benchEventBytes)
			b.SetParallelism(max(1, publishers/2)) // times GOMAXPROCS
			b.ResetTimer()
			var left atomic.Int64
			left.Store(int64(publishers))
			b.RunParallel(func(pb *testing.PB) {
				if left.Add(-1) < 0 {
					return
				}
				for pb.Next() {
					if _, err := client.Publish(b.Context(), &eventv1.PublishRequest{Events: []*eventv1.Event{events.event(b)}}); err != nil {
						b.Error(err)
						return
					}
				}
			})
			reportPublishing(b, plant)
		})
	}
}

func BenchmarkPublishStream(b *testing.B) {
	for _, perRequest := range []int{1, 100} {
		b.Run(fmt.Sprintf("events=%d", perRequest), func(b *testing.B) {
			plant, events := benchPlant(b), newBenchEvents()
			stream, err := plant.events().PublishStream(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(benchEventBytes)
			b.ResetTimer()
			go func() {
				for sent := 0; sent < b.N; {
					req := &eventv1.PublishStreamRequest{}
					for range min(perRequest, b.N-sent) {
						req.Events = append(req.Events, events.event(b))
					}
					sent += len(req.GetEvents())
					if err := stream.Send(req); err != nil {
						return // Recv says why
					}
				}
				_ = stream.CloseSend()
			}()
			for {
				answer, err := stream.Recv()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil || answer.GetError() != nil {
					b.Fatal(err, answer.GetError())
				}
			}
			reportPublishing(b, plant)
		})
	}
}

// fill records events, a thousand a request.
func fill(t testing.TB, plant *running, count int) {
	t.Helper()
	events := newBenchEvents()
	stream, err := plant.events().PublishStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for sent := 0; sent < count; {
			req := &eventv1.PublishStreamRequest{}
			for range min(1000, count-sent) {
				req.Events = append(req.Events, events.event(t))
			}
			sent += len(req.GetEvents())
			if err := stream.Send(req); err != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil || answer.GetError() != nil {
			t.Fatal(err, answer.GetError())
		}
	}
}

func BenchmarkReplicateBacklog(b *testing.B) {
	plant := benchPlant(b)
	fill(b, plant, b.N)
	hqConfig := plant.cluster.config("hq")
	hqConfig.Peers, hqConfig.Subscriptions = []string{plant.address}, []config.Subscription{{From: "*", Streams: []string{"*"}}}
	b.SetBytes(benchEventBytes)
	b.ResetTimer()
	hq := plant.cluster.start(hqConfig)
	admin := hq.admin()
	until(b, "the backlog is replicated", func() bool {
		s, err := admin.GetStatus(b.Context(), &adminv1.GetStatusRequest{})
		return err == nil && len(s.GetReplicas()) == 1 && s.GetReplicas()[0].GetOffset() == uint64(b.N)
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkSubscribeBacklog(b *testing.B) {
	for name, req := range map[string]*eventv1.SubscribeRequest{
		"unfiltered":     {},
		"nothing passes": {Types: []string{"no.such.Type"}},
	} {
		b.Run(name, func(b *testing.B) {
			plant := benchPlant(b)
			fill(b, plant, b.N)
			req.Stream, req.UntilHead = "plant-a/production", true
			client := eventv1.NewEventServiceClient(plant.dial(plant.cluster.client("mes"), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(8<<20))))
			b.SetBytes(benchEventBytes)
			b.ReportAllocs()
			b.ResetTimer()
			collect(b, client, req)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
