package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// position is an event's place.
type position struct {
	stream plantmesh.StreamName
	offset uint64
}

// moody is a handler with a system behind it that fails in every way, and watches the consumer's promises.
type moody struct {
	random  *rand.Rand
	earlier map[position][]position // events of the same subject before one, in its stream
	ignored map[position]bool

	mu      sync.Mutex
	kind    bool // no more failures
	applied map[position]bool
	busy    map[string]bool
	broken  []string
}

func (m *moody) Handle(ctx context.Context, d consumer.Delivery) error {
	subject, at := d.Event.GetEvent().GetSubject(), position{d.Stream, d.Event.GetOffset()}
	m.mu.Lock()
	if m.busy[subject] {
		m.broken = append(m.broken, fmt.Sprintf("%s is handled twice at once", subject))
	}
	m.busy[subject] = true
	for _, before := range m.earlier[at] {
		if !m.applied[before] && !m.ignored[before] {
			m.broken = append(m.broken, fmt.Sprintf("%v comes before %v", at, before))
		}
	}
	wait, mood := time.Duration(m.random.IntN(200))*time.Millisecond, m.random.IntN(10)
	if m.kind {
		wait, mood = 0, 9
	}
	m.mu.Unlock()

	select {
	case <-time.After(wait):
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy[subject] = false
	switch {
	case m.ignored[at]:
		return consumer.ErrIgnored
	case m.applied[at]:
		return consumer.ErrDuplicate
	case mood == 0:
		return consumer.Park(errors.New("no such item"))
	case mood == 1:
		return fmt.Errorf("%w: the key is not valid", consumer.ErrBlocked)
	case mood == 2 || ctx.Err() != nil:
		return errors.New("deadlock detected")
	case mood == 3:
		m.applied[at] = true
		return errors.New("the line broke before the answer came")
	}
	m.applied[at] = true
	return nil
}

// life is what happens to a consumer: some runs, each with events published before, and an end.
type life struct {
	mood                uint64
	concurrency, window int
	period              time.Duration // between the openings of the stream production; 0: it is not collected
	runs                []run
}

type run struct {
	events []published // half of them before it begins
	length time.Duration
	kept   int           // percent of what was not synced that a power cut leaves; below 0: it is stopped properly
	lost   time.Duration // how long it ran on after what the power cut leaves
}

type published struct {
	stream  plantmesh.StreamName
	subject string
	ignored bool
}

func drawLife(t *rapid.T) life {
	milliseconds := func(most int, label string) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, label)) * time.Millisecond
	}
	l := life{
		mood: rapid.Uint64().Draw(t, "mood"), concurrency: rapid.IntRange(1, 4).Draw(t, "concurrency"), window: rapid.IntRange(1, 20).Draw(t, "window"),
		period: milliseconds(40_000, "period"),
		runs:   make([]run, rapid.IntRange(1, 4).Draw(t, "runs")),
	}
	for i := range l.runs {
		events := make([]published, rapid.IntRange(0, 15).Draw(t, "events"))
		for j := range events {
			events[j] = published{
				stream:  rapid.SampledFrom([]plantmesh.StreamName{"plant-a/production", "plant-a/quality"}).Draw(t, "stream"),
				subject: rapid.SampledFrom([]string{"A", "B", "C", "D"}).Draw(t, "subject"),
				ignored: rapid.IntRange(0, 9).Draw(t, "ignored") == 0,
			}
		}
		l.runs[i] = run{
			events: events, length: milliseconds(20_000, "length"), kept: rapid.SampledFrom([]int{-1, 0, 50, 100}).Draw(t, "kept"),
			lost: milliseconds(1000, "lost"),
		}
	}
	return l
}

// Whatever fails, parks, blocks, stops or loses power, and whenever: no event is lost, none is counted twice, and no subject's
// order is broken.
func TestOrderPerSubjectHoldsWhateverFailsAndCrashes(t *testing.T) {
	warm(t)
	rapid.Check(t, func(rt *rapid.T) {
		l := drawLife(rt)
		var fault string
		synctest.Test(t, func(t *testing.T) { fault = l.live(t) })
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}

// live goes through a life, mends everything, and says which promise was broken.
func (l life) live(t *testing.T) string {
	s := &site{t: t, fs: vfs.NewCrashableMem()}
	s.open()
	m := &moody{
		random: rand.New(rand.NewPCG(l.mood, 0)), earlier: map[position][]position{}, ignored: map[position]bool{},
		applied: map[position]bool{}, busy: map[string]bool{},
	}
	cfg := consumer.Config{
		Concurrency: l.concurrency, Window: l.window, ParkedRetry: 5 * time.Second, BlockedRetry: 2 * time.Second, MaxParked: 3,
	}
	if l.period > 0 {
		cfg.Bulk, cfg.Collected = 2, l.collected
	}
	last := map[published][]position{}
	publish := func(events []published) {
		for _, e := range events {
			m.mu.Lock() // the handler waits until it is known what the event is
			at, key := position{e.stream, s.publishTo(e.stream, e.subject)}, published{stream: e.stream, subject: e.subject}
			m.earlier[at], m.ignored[at] = slices.Clone(last[key]), e.ignored
			last[key] = append(last[key], at)
			m.mu.Unlock()
		}
	}
	for _, r := range l.runs {
		half := len(r.events) / 2
		publish(r.events[:half])
		c := s.consume(cfg, m)
		<-time.After(r.length / 2)
		publish(r.events[half:])
		<-time.After(r.length / 2)
		survivor := s.fs
		if r.kept >= 0 {
			survivor = s.fs.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.kept, RNG: rand.New(rand.NewPCG(l.mood, 1))})
			<-time.After(r.lost)
		}
		c.end(t)
		s.close()
		s.fs = survivor
		s.open()
	}
	m.mend()
	c := s.consume(cfg, m)
	<-time.After(2 * time.Minute)
	synctest.Wait()
	got := c.Status()
	c.end(t)
	s.close()
	return m.verdict(got)
}

// collected has production wait for the next opening, but for every third event.
func (l life) collected(s plantmesh.StreamName) *consumer.Collection {
	if s != stream {
		return nil
	}
	return &consumer.Collection{
		Next:   func(after time.Time) time.Time { return after.Truncate(l.period).Add(l.period) },
		AtOnce: func(e *eventv1.RecordedEvent) bool { return e.GetOffset()%3 == 0 },
	}
}

func (m *moody) mend() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kind = true
}

func (m *moody) verdict(got consumer.Status) string {
	ignored := 0
	for _, yes := range m.ignored {
		if yes {
			ignored++
		}
	}
	want := len(m.ignored) - ignored
	if len(m.broken) > 0 {
		return fmt.Sprint(m.broken)
	}
	if len(m.applied) != want || got.Counts.Applied != uint64(want) || got.Counts.Ignored != uint64(ignored) || got.Counts.Parked != 0 {
		return fmt.Sprintf("%d events, %d ignored, %d applied, status %+v", len(m.ignored), ignored, len(m.applied), got)
	}
	for _, p := range got.Positions {
		if p.Offset != p.Head {
			return fmt.Sprintf("position %+v", p)
		}
	}
	return ""
}

// publishTo records one event about an order in a stream.
func (s *site) publishTo(name plantmesh.StreamName, order string) uint64 {
	receipts, err := s.log.Append(s.t.Context(), storage.Write{Entries: []storage.Entry{{Stream: name, Event: s.event(order)}}})
	if err != nil {
		s.t.Fatal(err)
	}
	return uint64(receipts[0].Offset)
}
