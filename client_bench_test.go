package plantmesh_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// BenchmarkPublisher publishes durably, one event a request, over loopback to a real node.
func BenchmarkPublisher(b *testing.B) {
	client := benchClient(b)
	publisher := client.Publisher(b.Context())
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, err := publisher.Send(b.Context(), numbered(b, n)); err != nil {
			b.Fatal(err)
		}
	}
	if err := publisher.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkSubscribe follows a backlog from a real node.
func BenchmarkSubscribe(b *testing.B) {
	client := benchClient(b)
	const backlog = 50_000
	publisher := client.Publisher(b.Context())
	for n := 0; n < backlog; n += 500 {
		batch := make([]*eventv1.Event, 500)
		for i := range batch {
			batch[i] = numbered(b, n+i)
		}
		if _, err := publisher.Send(b.Context(), batch...); err != nil {
			b.Fatal(err)
		}
	}
	if err := publisher.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		events := 0
		for _, err := range client.Subscribe(b.Context(), plantmesh.From{Stream: "plant-a/production", UntilHead: true}) {
			if err != nil {
				b.Fatal(err)
			}
			events++
		}
		if events != backlog {
			b.Fatalf("%d events", events)
		}
	}
	b.ReportMetric(float64(b.N)*backlog/b.Elapsed().Seconds(), "events/s")
}

func benchClient(b *testing.B) *plantmesh.Client {
	b.Helper()
	p, _ := startPlant(b)
	client, err := plantmesh.Dial(p.cfg.Listen, p.mes)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	return client
}

// numbered is event, made the cheap way.
func numbered(b *testing.B, n int) *eventv1.Event {
	e := event(b, 0)
	e.Id, e.Time = fmt.Sprintf("report-%d", n), timestamppb.New(time.Unix(int64(n), 0))
	return e
}

// BenchmarkConsume works through a backlog with a durable consumer of a real node, as many events at once as its name says. Each event is
// about an order of its own, and acknowledged at once.
func BenchmarkConsume(b *testing.B) {
	for _, inFlight := range []int{1, 32, 256} {
		b.Run(fmt.Sprint(inFlight), func(b *testing.B) {
			client := benchClient(b)
			publisher := client.Publisher(b.Context())
			var batch []*eventv1.Event
			for n := range b.N {
				if batch = append(batch, about(b, fmt.Sprintf("WO-%d", n), n)); len(batch) < 500 && n < b.N-1 {
					continue
				}
				if _, err := publisher.Send(b.Context(), batch...); err != nil {
					b.Fatal(err)
				}
				batch = nil
			}
			if err := publisher.Close(); err != nil {
				b.Fatal(err)
			}
			var done atomic.Int64
			ctx, stop := context.WithCancel(b.Context())
			b.ResetTimer()
			err := client.Consume(ctx, plantmesh.ConsumerConfig{Name: "bench", Streams: []string{"*/*"}, MaxInFlight: inFlight}, func(context.Context, *plantmesh.Delivery) error {
				if done.Add(1) == int64(b.N) {
					stop()
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
