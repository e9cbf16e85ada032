package odootest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// setup is a report that makes its order, for tests in which the effect does not matter.
func (p *plant) setup(order string) *manufacturingv1.OperationReported {
	return &manufacturingv1.OperationReported{
		OrderId: order, ItemId: p.name("IT"), OrderQuantity: pieces("10"), OperationId: "OP", WorkCenterId: p.name("WC"),
		Activity: manufacturingv1.Activity_ACTIVITY_PRODUCTION, StartTime: at(6, 0), EndTime: at(7, 0), CompletedQuantity: pieces("2"),
	}
}

// effects counts the time entries and journal rows of an event.
func (p *plant) effects(d consumer.Delivery) (entries, journal int) {
	p.t.Helper()
	key := odoo.EventKey(d.Event.GetEvent().GetSource(), d.Event.GetEvent().GetId())
	return len(p.read("mrp.workcenter.productivity", where("x_mesh_event", key), "id")), len(p.read(odoo.ModelApplied, where("x_event", key), "id"))
}

func (p *plant) once(d consumer.Delivery) {
	p.t.Helper()
	if entries, journal := p.effects(d); entries != 1 || journal != 1 {
		p.t.Errorf("event %s has %d time entries and %d rows in the journal, want one of each", d.Event.GetEvent().GetId(), entries, journal)
	}
}

func repeatedEvent(t *testing.T, target Target) {
	p := newPlant(t, target)
	d := p.record(p.setup(p.name("WO")))
	first, err := p.applier.Apply(t.Context(), d)
	if err != nil || first.Model != "mrp.workcenter.productivity" || first.ID == 0 || first.Name == "" || first.Time == "" {
		t.Fatalf("apply: %+v, %v", first, err)
	}
	first.Status = odoo.StatusDuplicate
	for _, a := range []*odoo.Applier{p.applier, p.newApplier()} {
		if again, err := a.Apply(t.Context(), d); !errors.Is(err, consumer.ErrDuplicate) || again != first {
			t.Errorf("again: %+v, %v, want ErrDuplicate and %+v", again, err, first)
		}
	}
	p.once(d)
}

func concurrentCopies(t *testing.T, target Target) {
	p := newPlant(t, target)
	if err := p.applier.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := p.record(p.setup(p.name("WO")))
	var applied, duplicates atomic.Int32
	var group errgroup.Group
	for range 6 {
		a := p.newApplier() // each with a scheduler of its own: only the fence is between them
		group.Go(func() error {
			switch err := a.Handle(t.Context(), d); {
			case err == nil:
				applied.Add(1)
			case errors.Is(err, consumer.ErrDuplicate):
				duplicates.Add(1)
			default:
				return err
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if applied.Load() != 1 || duplicates.Load() != 5 {
		t.Errorf("%d applied and %d duplicates, want 1 and 5", applied.Load(), duplicates.Load())
	}
	p.once(d)
}

// lostReply puts a proxy between that swallows the reply of the first call with an event that it sees succeed.
func lostReply(t *testing.T, target Target) {
	var armed, lost atomic.Bool
	proxy := forward(t, target)
	proxy.ModifyResponse = func(r *http.Response) error {
		if armed.Load() && r.StatusCode == http.StatusOK && r.Request.Header.Get(runsAction) != "" && lost.CompareAndSwap(false, true) {
			return errors.New("the line is cut")
		}
		return nil
	}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	server := httptest.NewServer(markActions(proxy))
	defer server.Close()
	p := newPlant(t, target)
	a := p.newApplier(func(c *odoo.Config) { c.URL = server.URL })
	defer a.Close()
	if err := a.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	d := p.record(p.setup(p.name("WO")))
	err := a.Handle(t.Context(), d)
	var park *consumer.ParkError
	if err == nil || errors.As(err, &park) || errors.Is(err, consumer.ErrBlocked) || errors.Is(err, consumer.ErrDuplicate) || !lost.Load() {
		t.Fatalf("first attempt: %v, want a passing fault", err)
	}
	if err := a.Handle(t.Context(), d); !errors.Is(err, consumer.ErrDuplicate) {
		t.Errorf("second attempt: %v, want ErrDuplicate", err)
	}
	p.once(d)
}

// RunsCode tells whether a request has the code that applies events run, wherever that is in Odoo, and whichever API the request comes by.
func RunsCode(path string, body []byte) bool {
	return strings.HasSuffix(path, "/ir.actions.server/run") || bytes.Contains(body, []byte(`"ir.actions.server","run"`)) ||
		strings.HasSuffix(path, "/"+odoo.AddonModel+"/apply") || bytes.Contains(body, []byte(`"`+odoo.AddonModel+`","apply"`))
}

// runsAction is the header of a request that has the code run.
const runsAction = "X-Runs-Action"

func markActions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if RunsCode(r.URL.Path, body) {
			r.Header.Set(runsAction, "yes")
		}
		next.ServeHTTP(w, r)
	})
}

func otherIncarnation(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	first := p.apply(p.setup(order))
	first.Incarnation = 2 // the stream was recovered: what it kept comes again
	if err := p.applier.Handle(t.Context(), first); !errors.Is(err, consumer.ErrDuplicate) {
		t.Errorf("a kept event of the new incarnation: %v, want ErrDuplicate", err)
	}
	p.once(first)
	p.offset = 0 // and new events have offsets that the old history used
	second := p.record(p.setup(order))
	second.Incarnation = 3
	second.Event.Event.Id += "-new"
	if err := p.applier.Handle(t.Context(), second); err != nil {
		t.Errorf("a new event of the new incarnation: %v", err)
	}
	p.once(second)
}

func olderEvent(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	older := p.record(p.setup(order))
	p.apply(p.setup(order))
	if err := p.applier.Handle(t.Context(), older); !errors.Is(err, consumer.ErrDuplicate) {
		t.Errorf("an older event: %v, want ErrDuplicate", err)
	}
	if entries, journal := p.effects(older); entries+journal != 0 {
		t.Errorf("it left %d time entries and %d rows in the journal", entries, journal)
	}
}

func refusedLeavesNothing(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(p.setup(order))
	report := p.setup(order)
	report.CompletedQuantity = in("KGM", "1") // a weight where the order counts pieces: refused after the time entry was made
	d := p.record(report)
	parked(t, p.applier.Handle(t.Context(), d), "cannot be converted to Units")
	if entries, journal := p.effects(d); entries+journal != 0 {
		t.Errorf("it left %d time entries and %d rows in the journal", entries, journal)
	}
	p.apply(p.setup(order)) // the next event of the subject is not a gap
}

func refusedAmongOthers(t *testing.T, target Target) {
	p := newPlant(t, target, func(c *odoo.Config) { c.Concurrency = 1 })
	p.apply(p.setup(p.name("WO-0")))
	deliveries := make([]consumer.Delivery, 8)
	for i := range deliveries {
		report := p.setup(p.name("WO") + string(rune('a'+i)))
		if i == 3 {
			report.CompletedQuantity = in("KGM", "1")
		}
		deliveries[i] = p.record(report)
	}
	answers := make([]error, len(deliveries))
	var group errgroup.Group
	for i, d := range deliveries {
		group.Go(func() error { answers[i] = p.applier.Handle(t.Context(), d); return nil })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, d := range deliveries {
		if i == 3 {
			parked(t, answers[i], "cannot be converted to Units")
			continue
		}
		if answers[i] != nil {
			t.Errorf("event %d: %v", i, answers[i])
		}
		p.once(d)
	}
}
