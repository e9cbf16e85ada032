package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a log and a derived database in memory, which survive a crash of the process: what was written is there.
type site struct {
	t      testing.TB
	fs     vfs.FS
	log    *storage.Log
	state  *storage.State
	serial int
}

// bubble runs a test in virtual time. What the process keeps for ever, such as the compressor, is made before.
func bubble(t *testing.T, test func(t *testing.T)) {
	warm(t)
	synctest.Test(t, test)
}

var warmed sync.Once

func warm(t testing.TB) {
	warmed.Do(func() {
		s := newSite(t)
		s.publish(strings.Repeat("warm", 20))
		s.close()
		s.open()
		defer s.close()
		if _, err := s.log.Get(stream, 1); err != nil {
			t.Fatal(err)
		}
	})
}

func newSite(t testing.TB) *site {
	s := &site{t: t, fs: vfs.NewMem()}
	s.open()
	return s
}

func (s *site) open() {
	options := storage.Options{Mesh: "test", Site: "plant-a", FS: s.fs}
	var err error
	if s.log, err = storage.Open("log", options); err != nil {
		s.t.Fatal(err)
	}
	if s.state, err = storage.OpenState("state", options); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) close() {
	if err := errors.Join(s.log.Close(), s.state.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// event makes an event about an order.
func (s *site) event(order string) *eventv1.Event {
	s.serial++
	e, err := plantmesh.NewEvent("//test", fmt.Sprint(s.serial), time.Now(),
		&manufacturingv1.ProductionOrderClosed{OrderId: order, Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED})
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// publish records one event about each order.
func (s *site) publish(orders ...string) {
	for _, order := range orders {
		s.publishTo(stream, order)
	}
}

const stream plantmesh.StreamName = "plant-a/production"

// running is a consumer that runs.
type running struct {
	*consumer.Consumer
	stop context.CancelFunc
	done chan error
}

func (s *site) consume(cfg consumer.Config, handler consumer.Handler) *running {
	cfg.Name, cfg.Match = "test", func(plantmesh.StreamName) bool { return true }
	c, err := consumer.New(cfg, s.log, s.state.Owner("test"), handler, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(s.t.Context())
	r := &running{Consumer: c, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- c.Run(ctx) }()
	return r
}

func (r *running) end(t testing.TB) {
	t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		t.Fatal(err)
	}
}

// system is what a handler writes to: it remembers what it applied, as Odoo does.
type system struct {
	mu      sync.Mutex
	answer  func(subject string, e *eventv1.RecordedEvent) error // nil: applies
	applied map[string][]uint64                                  // offsets by subject
	seen    map[uint64]bool
}

func newSystem() *system { return &system{applied: map[string][]uint64{}, seen: map[uint64]bool{}} }

func (s *system) Handle(_ context.Context, d consumer.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	subject := d.Event.GetEvent().GetSubject()
	if s.seen[d.Event.GetOffset()] {
		return consumer.ErrDuplicate
	}
	if s.answer != nil {
		if err := s.answer(subject, d.Event); err != nil {
			return err
		}
	}
	s.seen[d.Event.GetOffset()] = true
	s.applied[subject] = append(s.applied[subject], d.Event.GetOffset())
	return nil
}

func (s *system) set(answer func(subject string, e *eventv1.RecordedEvent) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *system) of(subject string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.applied[subject])
}

func TestEventsAreAppliedInOrderPerSubject(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, odoo := newSite(t), newSystem()
		defer s.close()
		s.publish("A", "B", "A")
		c := s.consume(consumer.Config{}, odoo)
		defer c.end(t)
		synctest.Wait()
		s.publish("B", "A")
		synctest.Wait()
		if odoo.of("order/A") != "[1 3 5]" || odoo.of("order/B") != "[2 4]" {
			t.Errorf("applied %v", odoo.applied)
		}
		got := c.Status()
		if got.Counts != (consumer.Counts{Applied: 5}) || len(got.Positions) != 1 || got.Positions[0].Offset != 5 || got.Latency.Count != 5 {
			t.Errorf("status %+v", got)
		}
	})
}

func TestParkedEventHoldsItsSubjectAndNoOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, odoo := newSite(t), newSystem()
		defer s.close()
		odoo.set(func(subject string, e *eventv1.RecordedEvent) error {
			if e.GetOffset() == 1 {
				return consumer.Park(errors.New("item 4711 is unknown"))
			}
			return nil
		})
		s.publish("A", "B", "A", "A")
		c := s.consume(consumer.Config{}, odoo)
		synctest.Wait()
		got := c.Status()
		if got.Counts != (consumer.Counts{Applied: 1, Parked: 3}) || got.Positions[0].Offset != 4 || len(got.Parked) != 1 {
			t.Fatalf("status %+v", got)
		}
		if p := got.Parked[0]; p.Subject != "order/A" || p.Offset != 1 || p.Events != 3 || p.Attempts != 1 || p.Reason != "item 4711 is unknown" {
			t.Errorf("parked %+v", p)
		}
		for attempts := 2; attempts <= 5; attempts++ { // after 2, 4, 8 and 16 seconds
			<-time.After(time.Second<<(attempts-1) + 2*time.Second)
			synctest.Wait()
			if p := c.Status().Parked[0]; p.Attempts != attempts {
				t.Errorf("after attempt %d: parked %+v", attempts, p)
			}
		}
		<-time.After(3 * consumer.DefaultParkedRetry)
		synctest.Wait()
		if p := c.Status().Parked[0]; time.Until(p.RetryTime) > consumer.DefaultParkedRetry {
			t.Errorf("waits longer than the longest: %+v", p)
		}
		c.end(t)

		odoo.set(nil) // somebody made the item
		c = s.consume(consumer.Config{}, odoo)
		defer c.end(t)
		synctest.Wait()
		if got := c.Status(); got.Counts != (consumer.Counts{Applied: 4}) || len(got.Parked) != 0 || odoo.of("order/A") != "[1 3 4]" {
			t.Errorf("status %+v, applied %v", got, odoo.applied)
		}
	})
}

func TestPassingFaultIsRepeatedAndHoldsOnlyItsSubject(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, odoo := newSite(t), newSystem()
		defer s.close()
		odoo.set(func(subject string, _ *eventv1.RecordedEvent) error {
			if subject == "order/A" {
				return errors.New("deadlock detected")
			}
			return nil
		})
		s.publish("A", "B", "A", "B")
		c := s.consume(consumer.Config{}, odoo)
		defer c.end(t)
		<-time.After(time.Minute)
		synctest.Wait()
		got := c.Status()
		if got.Counts.Applied != 2 || got.Counts.Retries < 4 || got.Positions[0].Offset != 0 || got.Problem == "" {
			t.Errorf("status %+v", got)
		}
		odoo.set(nil)
		<-time.After(consumer.DefaultMaxBackoff)
		synctest.Wait()
		if got := c.Status(); got.Counts.Applied != 4 || got.Positions[0].Offset != 4 || got.Problem != "" || odoo.of("order/A") != "[1 3]" {
			t.Errorf("status %+v", got)
		}
	})
}

func TestBlockedConsumerTriesOneEventAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, odoo := newSite(t), newSystem()
		defer s.close()
		var calls atomic.Int64
		odoo.set(func(string, *eventv1.RecordedEvent) error {
			calls.Add(1)
			return fmt.Errorf("%w: the key is not valid", consumer.ErrBlocked)
		})
		for i := range 100 {
			s.publish(fmt.Sprint(i))
		}
		c := s.consume(consumer.Config{Concurrency: 4}, odoo)
		defer c.end(t)
		synctest.Wait()
		first := calls.Load()
		<-time.After(10*consumer.DefaultBlockedRetry + time.Second)
		synctest.Wait()
		if got := c.Status(); first > 8 || calls.Load()-first != 10 || got.Problem == "" || got.Counts != (consumer.Counts{}) {
			t.Errorf("%d calls at once, %d later, status %+v", first, calls.Load()-first, got)
		}
		odoo.set(nil)
		<-time.After(consumer.DefaultBlockedRetry)
		synctest.Wait()
		if got := c.Status(); got.Counts.Applied != 100 || got.Problem != "" {
			t.Errorf("status %+v", got)
		}
	})
}

// slowRefusal takes its time to find out that nothing can be applied.
type slowRefusal struct{ calls atomic.Int64 }

func (r *slowRefusal) Handle(context.Context, consumer.Delivery) error {
	r.calls.Add(1)
	<-time.After(time.Second)
	return fmt.Errorf("%w: the key is not valid", consumer.ErrBlocked)
}

func TestEventsThatWaitForASlotDoNotMeetWhatBlocksTheOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, odoo := newSite(t), &slowRefusal{}
		defer s.close()
		for i := range 100 {
			s.publish(fmt.Sprint(i))
		}
		c := s.consume(consumer.Config{Concurrency: 4}, odoo)
		defer c.end(t)
		<-time.After(consumer.DefaultBlockedRetry / 2)
		synctest.Wait()
		if got := odoo.calls.Load(); got != 4 {
			t.Errorf("%d events met it before the first try whether it is mended, want one for each of 4 slots", got)
		}
	})
}
