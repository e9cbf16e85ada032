package plantmesh_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// about makes the nth event, about an order.
func about(t testing.TB, order string, n int) *eventv1.Event {
	t.Helper()
	e, err := plantmesh.NewEvent("//mes", fmt.Sprint(n), time.Unix(1_778_000_000, 0),
		&manufacturingv1.ProductionOrderClosed{OrderId: order, Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// worker remembers what it dealt with, and fails now and then.
type worker struct {
	t      *testing.T
	random *rand.Rand
	want   int
	whole  chan struct{} // closed when that many events are dealt with

	mu      sync.Mutex
	running map[string]bool               // subjects
	done    map[string][]plantmesh.Offset // by subject, each offset once
	again   int
}

func newWorker(t *testing.T, seed uint64, want int) *worker {
	return &worker{
		t: t, random: rand.New(rand.NewPCG(seed, 0)), want: want, whole: make(chan struct{}), running: map[string]bool{},
		done: map[string][]plantmesh.Offset{},
	}
}

func (w *worker) handle(ctx context.Context, d *plantmesh.Delivery) error {
	subject, offset := d.Event.GetEvent().GetSubject(), plantmesh.Offset(d.Event.GetOffset())
	w.mu.Lock()
	if w.running[subject] {
		w.t.Errorf("two events of %s at once", subject)
	}
	w.running[subject] = true
	roll := w.random.IntN(100)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running[subject] = false
	}()
	switch {
	case roll < 5:
		return errors.New("a passing fault")
	case roll < 7 && strings.HasSuffix(subject, "0"):
		return plantmesh.Park(errors.New("no such item"))
	case ctx.Err() != nil:
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	of := w.done[subject]
	switch {
	case slices.Contains(of, offset):
		w.again++
		return nil
	case len(of) > 0 && offset < of[len(of)-1]:
		w.t.Errorf("%s: %d came after %d", subject, offset, of[len(of)-1])
	}
	w.done[subject] = append(of, offset)
	if w.want--; w.want == 0 {
		close(w.whole)
	}
	return nil
}

// Handlers fail, lines are cut, the node restarts; each event is dealt with, in order per subject.
func TestConsumerDealsWithEveryEventInOrderPerSubjectWhateverHappens(t *testing.T) {
	const count, orders = 2000, 37
	p, restart := startPlant(t)
	client, err := plantmesh.Dial(p.cfg.Listen, p.mes, plantmesh.WithDialer(p.dial))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newWorker(t, seed, count)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- client.Consume(ctx, plantmesh.ConsumerConfig{
			Name: "orders", Streams: []string{"*/production"}, MaxInFlight: 8, MinBackoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond, ParkedRetry: time.Second,
			MaxAttempts: 50,
		}, w.handle)
	}()
	publisher := client.Publisher(t.Context())
	for n := range count {
		if _, err := publisher.Send(t.Context(), about(t, fmt.Sprintf("WO-%d", n%orders), n)); err != nil {
			t.Fatal(err)
		}
		switch n {
		case 300, 900, 1100:
			p.cut()
		case 600, 1500:
			restart()
		}
	}
	if err := publisher.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-w.whole:
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	case <-time.After(2 * time.Minute):
		t.Fatal("it does not come to an end")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("%d deliveries were repeated after the handler had returned", w.again)
	list := consumersAt(t, p)
	if len(list) != 1 || list[0].GetName() != "mes/orders" || len(list[0].GetCalls()) != 0 || list[0].GetParkedSubjects() != 0 ||
		list[0].GetCounts().GetApplied() != count || list[0].GetPositions()[0].GetOffset() != count {
		t.Errorf("%v", list)
	}
}

// consumersAt lists them in the name of the site.
func consumersAt(t *testing.T, p *plant) []*adminv1.Consumer {
	t.Helper()
	admin, err := plantmesh.Dial(p.cfg.Listen, plantmesh.TLSFiles{Cert: p.cfg.TLS.Cert, Key: p.cfg.TLS.Key, CA: p.cfg.TLS.CA})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	list, err := admin.Admin().ListConsumers(t.Context(), &adminv1.ListConsumersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return list.GetConsumers()
}

// What a program has done when it is told to stop is noted, and what it has begun goes to the next.
func TestConsumerThatIsToldToStopFinishesWhatItDoes(t *testing.T) {
	p, _ := startPlant(t)
	client, err := plantmesh.Dial(p.cfg.Listen, p.mes)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Publish(t.Context(), about(t, "A", 1), about(t, "B", 2)); err != nil {
		t.Fatal(err)
	}
	cfg := plantmesh.ConsumerConfig{Name: "orders", Streams: []string{"plant-a/*"}}
	ctx, stop := context.WithCancel(t.Context())
	begun := make(chan string, 2)
	err = client.Consume(ctx, cfg, func(ctx context.Context, d *plantmesh.Delivery) error {
		begun <- d.Event.GetEvent().GetSubject()
		if len(begun) == 2 {
			stop()
		}
		<-ctx.Done()
		if d.Event.GetEvent().GetSubject() == "order/A" {
			return nil // it is done all the same
		}
		return ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop = context.WithCancel(t.Context())
	var got []string
	err = client.Consume(ctx, cfg, func(_ context.Context, d *plantmesh.Delivery) error {
		got = append(got, fmt.Sprintf("%s#%d", d.Event.GetEvent().GetSubject(), d.Attempt))
		stop()
		return nil
	})
	if err != nil || !slices.Equal(got, []string{"order/B#1"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestConsumersMistakesAreExplained(t *testing.T) {
	p, _ := startPlant(t)
	client, err := plantmesh.Dial(p.cfg.Listen, p.mes)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for name, test := range map[string]struct {
		cfg  plantmesh.ConsumerConfig
		want string
	}{
		"no name":       {plantmesh.ConsumerConfig{Streams: []string{"*/*"}}, "name"},
		"no stream":     {plantmesh.ConsumerConfig{Name: "a"}, "settings.streams"},
		"not a stream":  {plantmesh.ConsumerConfig{Name: "a", Streams: []string{"production"}}, "settings.streams[0]"},
		"negative":      {plantmesh.ConsumerConfig{Name: "a", Streams: []string{"*/*"}, MaxAttempts: -1}, "MaxAttempts"},
		"two starts":    {plantmesh.ConsumerConfig{Name: "a", Streams: []string{"*/*"}, Time: time.Now(), Position: eventv1.Position_POSITION_LATEST}, "Position and Time"},
		"back-off":      {plantmesh.ConsumerConfig{Name: "a", Streams: []string{"*/*"}, MinBackoff: time.Minute, MaxBackoff: time.Second}, "min_backoff"},
		"long deadline": {plantmesh.ConsumerConfig{Name: "a", Streams: []string{"*/*"}, AckDeadline: 2 * time.Hour}, "settings.ack_deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			err := client.Consume(t.Context(), test.cfg, func(context.Context, *plantmesh.Delivery) error { return nil })
			if !errors.Is(err, plantmesh.ErrInvalidRequest) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v", err)
			}
		})
	}
}
