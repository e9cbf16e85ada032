package storage_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// kibibyte is an event of about 1 KiB that does not compress: the worst case.
func kibibyte(data []byte, n uint64) *eventv1.Event {
	return &eventv1.Event{
		Id: "report-" + strconv.FormatUint(n, 10), Source: "//plant-a/mes", Type: "plantmesh.manufacturing.v1.OperationReported",
		Subject: "order/WO-" + strconv.FormatUint(n%1000, 10), Time: timestamppb.New(time.Unix(int64(n), 0)), Data: data,
	}
}

func noise(bytes int) []byte {
	b := make([]byte, bytes)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}

// noiseBytes is more than the encoder looks back, so that no event repeats one of its block.
const noiseBytes = 16 << 20

func openBench(b *testing.B, site plantmesh.SiteID, dir string) *storage.Log {
	b.Helper()
	l, err := storage.Open(dir, storage.Options{Mesh: "acme", Site: site})
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkAppend measures durable events per second on the real disk.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ publishers, batch int }{{1, 1}, {16, 1}, {256, 1}, {1, 64}, {16, 64}} {
		b.Run(fmt.Sprintf("publishers=%d/batch=%d", c.publishers, c.batch), func(b *testing.B) {
			l := openBench(b, "plant-a", b.TempDir())
			defer l.Close()
			data := noise(noiseBytes)
			var next atomic.Uint64
			var group sync.WaitGroup
			b.ResetTimer()
			cpu := cpuTime()
			for range c.publishers {
				group.Go(func() {
					for {
						n := next.Add(uint64(c.batch)) - uint64(c.batch)
						if n >= uint64(b.N) {
							return
						}
						w := storage.Write{Entries: make([]storage.Entry, c.batch)}
						for i := range w.Entries {
							at := (n + uint64(i)) * 900 % (noiseBytes - 900)
							w.Entries[i] = storage.Entry{Stream: production, Event: kibibyte(data[at:at+900], n+uint64(i))}
						}
						if _, err := l.Append(b.Context(), w); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-us/event")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkAppendBlocks measures a replica: verified, stored and fsynced, 1 MiB at a time.
func BenchmarkAppendBlocks(b *testing.B) {
	o := openBench(b, "plant-a", b.TempDir())
	defer o.Close()
	const events = 32_000
	fillLog(b, o, events, 900)
	r := openBench(b, "hq", b.TempDir())
	defer func() { _ = r.Close() }()
	b.ResetTimer()
	for n, after := 0, plantmesh.Offset(0); n < b.N; {
		blocks, err := o.RawBlocks(b.Context(), production, after, 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		if len(blocks) == 0 { // all copied: again into another folder
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
			r, after = openBench(b, "hq", b.TempDir()), 0
			continue
		}
		head, err := r.AppendBlocks(b.Context(), production, blocks)
		if err != nil {
			b.Fatal(err)
		}
		n += int(head.Offset - after)
		after = head.Offset
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkDuplicates measures how fast a file that is dropped again is recognized, 500 events a write.
func BenchmarkDuplicates(b *testing.B) {
	l := openBench(b, "plant-a", b.TempDir())
	defer l.Close()
	const events = 50_000
	fillLog(b, l, events, 100)
	head, err := l.Head(production)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for n := 0; n < b.N; n += events {
		fillLog(b, l, min(events, b.N-n), 100)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	if again, err := l.Head(production); err != nil || again != head {
		b.Fatal(again, err)
	}
}

// BenchmarkOpen measures opening a log that holds a million events, or 50,000 with -short.
func BenchmarkOpen(b *testing.B) {
	events := 1_000_000
	if testing.Short() {
		events = 50_000
	}
	dir := b.TempDir()
	l := openBench(b, "plant-a", dir)
	fillLog(b, l, events, 100)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		l := openBench(b, "plant-a", dir)
		if h, err := l.Head(production); err != nil || h.Offset != plantmesh.Offset(events) {
			b.Fatal(h, err)
		}
		if _, err := l.Append(b.Context(), write(kibibyte(nil, 7))); err == nil {
			b.Fatal("another event under a known id")
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// fillLog appends events of about bytes each, 500 a write.
func fillLog(b *testing.B, l *storage.Log, events, bytes int) {
	b.Helper()
	data := noise(noiseBytes)
	var last *storage.Pending
	for n := 0; n < events; {
		w := storage.Write{}
		for ; len(w.Entries) < 500 && n < events; n++ {
			at := n * bytes % (noiseBytes - bytes)
			w.Entries = append(w.Entries, storage.Entry{Stream: production, Event: kibibyte(data[at:at+bytes], uint64(n))})
		}
		p, err := l.Submit(w)
		if errors.Is(err, plantmesh.ErrTooManyPending) {
			n -= len(w.Entries)
			_, err = last.Wait(b.Context())
		} else {
			last = p
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if _, err := last.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
}
