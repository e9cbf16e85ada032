package odoo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/plantmesh/plantmesh/node/consumer"
)

// Applier applies events in one Odoo database. It is a consumer.Handler and safe for concurrent use; events of one
// subject have to come one after the other.
type Applier struct {
	cfg     Config
	client  *Client
	batcher *batcher
	names   names
	windows windows
	logger  *slog.Logger

	calls, splits atomic.Uint64

	preparing sync.Mutex
	executor  atomic.Pointer[executor] // nil until prepared

	mu      sync.Mutex // guards what follows
	version string
	problem string
}

// Status is what an applier knows of its Odoo.
type Status struct {
	URL, Database string
	ServerVersion string // empty until it answered
	Problem       string // what keeps the applier from working; empty if nothing
	Calls         uint64 // that applied events
	Waiting       int    // events that wait for a call
	Splits        uint64 // calls whose events had to be applied in two halves, since one of them was refused
}

// New returns an applier. It connects to nothing yet.
func New(cfg Config, logger *slog.Logger) (*Applier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	key, err := cfg.key()
	if err != nil {
		return nil, err
	}
	client, err := Open(cfg.access(key))
	if err != nil {
		return nil, err
	}
	a := &Applier{cfg: cfg, client: client, logger: logger}
	if a.windows, err = cfg.windows(); err != nil {
		return nil, err
	}
	for _, w := range a.windows {
		for _, text := range w.late() {
			logger.Warn("events that are collected will be overdue", "window", text)
		}
	}
	a.batcher = newBatcher(cfg.Concurrency, cfg.Batch, a.apply)
	return a, nil
}

// Close drops idle connections.
func (a *Applier) Close() { a.client.Close() }

// Reader reads back what was applied.
func (a *Applier) Reader() *Reader { return NewReader(a.client) }

// Prepare brings Odoo's database to what applying needs, and checks the mapping against it. [Applier.Handle] does it by
// itself before the first event, so an Odoo that is down when the node starts does not matter.
//
// Errors: consumer.ErrBlocked if no retry can help before somebody corrects something; anything else is transient.
func (a *Applier) Prepare(ctx context.Context) error {
	a.preparing.Lock()
	defer a.preparing.Unlock()
	if a.executor.Load() != nil {
		return nil
	}
	err := a.prepare(ctx)
	a.note(err)
	return err
}

func (a *Applier) prepare(ctx context.Context) error {
	version, err := a.client.Version(ctx)
	if err != nil {
		return blockedOr(err)
	}
	a.mu.Lock()
	a.version = version
	a.mu.Unlock()
	found, err := a.provision(ctx)
	if err != nil {
		return blockedOr(err)
	}
	faults, err := a.client.mappingFaults(ctx, a.cfg)
	if err := errors.Join(append(faults, err)...); err != nil {
		return blockedOr(err)
	}
	a.executor.Store(&found)
	return nil
}

// provision brings Odoo's database to what applying needs, if it may, and returns what applies events there.
func (a *Applier) provision(ctx context.Context) (executor, error) {
	if a.cfg.Provision != ProvisionNever {
		found, err := (&provisioner{client: a.client, logger: a.logger, code: a.cfg.Code}).runAlone(ctx)
		if !forbidden(err) {
			return found, err
		}
	}
	return a.client.ready(ctx, a.cfg.Code) // an administrator did it before, as it should be
}

// Handle applies one event.
//
// Errors: consumer.ErrIgnored for a type without effect; consumer.ErrDuplicate for an event that was applied before;
// consumer.Park for one that Odoo refuses, with its words; consumer.ErrBlocked if nothing can be applied before somebody
// corrects the key, its rights or the setup; any other error is transient, or nobody knows whether the event was
// applied: the same event again is right in both cases.
func (a *Applier) Handle(ctx context.Context, d consumer.Delivery) error {
	_, err := a.Apply(ctx, d)
	return err
}

// Apply is Handle, and tells what Odoo has of the event, with consumer.ErrDuplicate too.
func (a *Applier) Apply(ctx context.Context, d consumer.Delivery) (Result, error) {
	effect, ok, err := a.cfg.translate(d.Stream, d.Incarnation, d.Event)
	if err != nil {
		return Result{}, consumer.Park(err)
	}
	if !ok {
		return Result{}, consumer.ErrIgnored
	}
	if a.executor.Load() == nil {
		if err := a.Prepare(ctx); err != nil {
			return Result{}, err
		}
	}
	bulk := 0
	if w := a.windows.of(d.Stream); w != nil && d.Collected {
		bulk = w.batch
	}
	result, err := a.batcher.do(ctx, effect, a.names.keys(effect), bulk)
	if err != nil {
		return Result{}, err
	}
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("odoo.status", result.Status),
		attribute.String("odoo.model", result.Model), attribute.Int64("odoo.id", result.ID))
	if result.Status == StatusDuplicate {
		return result, consumer.ErrDuplicate
	}
	return result, nil
}

// apply sends jobs in one call. If Odoo refuses one of several, they go in two halves, and so on: the refused one keeps its error, the others
// are applied.
func (a *Applier) apply(ctx context.Context, jobs []*job) {
	results, err := a.send(ctx, jobs)
	if refused(err) && len(jobs) > 1 && !a.actionIsGone(ctx, err) {
		a.splits.Add(1)
		a.apply(ctx, jobs[:len(jobs)/2])
		a.apply(ctx, jobs[len(jobs)/2:])
		return
	}
	err = a.judge(ctx, err)
	for i, j := range jobs {
		if j.err = err; err == nil {
			j.result = results[i]
			a.names.learn(j.effect)
		}
	}
}

// send makes the call, in the trace of the first event; the others are linked to it.
func (a *Applier) send(ctx context.Context, jobs []*job) ([]Result, error) {
	var links []trace.Link
	for _, j := range jobs[1:] {
		if j.span.IsValid() {
			links = append(links, trace.Link{SpanContext: j.span})
		}
	}
	ctx, span := tracer.Start(ctx, "odoo apply", trace.WithLinks(links...), trace.WithAttributes(attribute.Int("plantmesh.events", len(jobs))))
	defer span.End()
	batch := Batch{Create: append([]string{}, a.cfg.CreateMissing...), Quarantine: a.cfg.Quarantine, WorkOrder: releaseWorkOrder, Events: make([]Effect, len(jobs))}
	for i, j := range jobs {
		batch.Events[i] = j.effect
	}
	executor := a.executor.Load()
	if executor == nil {
		return nil, errors.New("a server action is gone from Odoo, and made anew by the next attempt")
	}
	a.calls.Add(1)
	var answer struct {
		Results []Result `json:"results"`
	}
	if err := executor.run(ctx, a.client, jobs[0].action, batch, &answer); err != nil {
		return nil, err
	}
	if len(answer.Results) != len(jobs) {
		return nil, fmt.Errorf("odoo answered %d of %d events", len(answer.Results), len(jobs))
	}
	for _, r := range answer.Results {
		if r.Status != StatusApplied && r.Status != StatusDuplicate {
			return nil, fmt.Errorf("odoo answered status %q", r.Status)
		}
	}
	return answer.Results, nil
}

func refused(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.Class == Business
}

// judge turns an error of a call into what a consumer has to know.
func (a *Applier) judge(ctx context.Context, err error) error {
	switch {
	case err == nil:
		a.note(nil)
		return nil
	case refused(err) && a.actionIsGone(ctx, err):
		a.executor.Store(nil) // the next attempt makes it anew
		return err
	case refused(err):
		a.note(nil)
		return consumer.Park(err)
	}
	var failed *Error
	if errors.As(err, &failed) && failed.Class == Configuration {
		a.executor.Store(nil) // the action or the add-on may be gone: look again
	}
	err = blockedOr(err)
	a.note(err)
	return err
}

// actionIsGone tells whether a record that is missing is a server action itself: then it is not the event's fault.
func (a *Applier) actionIsGone(ctx context.Context, err error) bool {
	var failed *Error
	if !errors.As(err, &failed) || failed.Status != http.StatusNotFound {
		return false
	}
	executor := a.executor.Load()
	return executor == nil || executor.gone(ctx, a.client)
}

// blockedOr marks an error that no retry mends as consumer.ErrBlocked, with what to do.
func blockedOr(err error) error {
	var failed *Error
	var setup *setupError
	switch {
	case errors.As(err, &setup):
		return fmt.Errorf("%w: %w", consumer.ErrBlocked, err)
	case errors.As(err, &failed) && failed.Class != Transient:
		return fmt.Errorf("%w: %w: check odoo.url, odoo.database, the API key, and that its user may do this", consumer.ErrBlocked, err)
	}
	return err
}

func forbidden(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && failed.Status == http.StatusForbidden
}

// note keeps what keeps the applier from working.
func (a *Applier) note(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil:
		a.problem = ""
	case errors.Is(err, context.Canceled):
	default:
		a.problem = err.Error()
	}
}

// Status is a snapshot.
func (a *Applier) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Status{
		URL: a.cfg.URL, Database: a.cfg.Database, ServerVersion: a.version, Problem: a.problem,
		Calls: a.calls.Load(), Waiting: a.batcher.queued(), Splits: a.splits.Load(),
	}
}
