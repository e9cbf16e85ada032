package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/telemetry"
	"github.com/plantmesh/plantmesh/storage"
)

// Consumer hands the events of streams to a handler. See the package's documentation.
type Consumer struct {
	cfg     Config
	log     *storage.Log
	owner   *storage.Owner
	handler Handler
	logger  *slog.Logger

	ledger    *ledger
	committer *committer
	lanes     *lanes
	reader    *reader
	gate      *gate
	slots     *semaphore.Weighted // deliveries at once
	troubles  troubles
	latency   telemetry.Latency
	asks      chan ask      // of people, for the retrier
	ended     chan struct{} // closed when Run returns
	idle      idle

	parkedBefore []subjectKey // by an earlier run: they are tried first
}

// New opens a consumer on what an owner of the derived database keeps for it. It reads nothing before Run.
func New(cfg Config, log *storage.Log, owner *storage.Owner, handler Handler, logger *slog.Logger) (*Consumer, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	logger = logger.With("consumer", cfg.Name)
	l, err := openLedger(owner)
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", cfg.Name, err)
	}
	c := &Consumer{
		cfg: cfg, log: log, owner: owner, handler: handler, logger: logger, ledger: l, committer: newCommitter(l),
		gate: newGate(cfg.BlockedRetry), slots: semaphore.NewWeighted(int64(cfg.Concurrency + cfg.bulk())),
		asks: make(chan ask), ended: make(chan struct{}),
	}
	if cfg.MaxAttempts == 0 {
		c.parkedBefore = l.allParked()
	}
	c.lanes = newLanes(cfg, c.perform)
	c.reader = &reader{
		log: log, ledger: l, match: cfg.Match, wants: cfg.Wants, onJump: cfg.OnJump, jumped: cfg.Jumped, admit: c.lanes.admit, logger: logger,
		collected: cfg.collection, tryAdmit: c.lanes.tryAdmit, freed: c.lanes.freed,
		commit: c.committer.commit, known: map[plantmesh.StreamName]bool{}, problems: map[plantmesh.StreamName]string{},
	}
	return c, nil
}

// Run delivers until ctx ends, and returns nil then; what the handler did by then is noted. It returns an error if the
// derived database fails. It runs once.
func (c *Consumer) Run(ctx context.Context) error {
	defer close(c.ended)
	c.idle.leave()
	var committing sync.WaitGroup
	committing.Go(c.committer.run)
	group, running := errgroup.WithContext(ctx)
	c.lanes.group = group
	group.Go(func() error { return c.reader.run(running) })
	group.Go(func() error { return c.retrier(running) })
	err := group.Wait()
	close(c.committer.quit)
	committing.Wait()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return fmt.Errorf("consumer %s: %w", c.cfg.Name, err)
}

// Status is a snapshot.
func (c *Consumer) Status() Status {
	s := Status{Problem: c.problem(), Jumps: c.reader.pastJumps(), Latency: c.latency.Summary()}
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	counts := c.ledger.counts
	s.Counts = Counts{
		Applied: counts.GetApplied(), Duplicates: counts.GetDuplicates(), Ignored: counts.GetIgnored(), Parked: counts.GetParked(),
		Retries: counts.GetRetries(), Discarded: counts.GetDiscarded(),
	}
	for _, name := range slices.Sorted(maps.Keys(c.ledger.streams)) {
		position := c.ledger.position(name)
		if head, err := c.log.HeadOf(name, position.Incarnation); err == nil {
			position.Head = head.Offset
		}
		if behind, ahead := max(position.Head, position.Offset)-position.Offset, len(c.ledger.streams[name].ahead); behind > plantmesh.Offset(ahead) {
			position.Waiting = uint64(behind) - uint64(ahead)
		}
		if collection := c.cfg.collection(name); collection != nil {
			position.Opens = collection.Next(time.Now())
		}
		s.Positions = append(s.Positions, position)
	}
	for k, p := range c.ledger.parked {
		r := p.record
		s.Parked = append(s.Parked, Parked{
			Stream: k.stream, Subject: k.subject, Offset: plantmesh.Offset(r.GetOffset()), EventID: r.GetEventId(), EventType: r.GetEventType(),
			Reason: r.GetReason(), Events: r.GetEvents(), Since: r.GetSince().AsTime(), Attempts: int(r.GetAttempts()), RetryTime: r.GetRetryTime().AsTime(),
		})
	}
	slices.SortFunc(s.Parked, func(a, b Parked) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Offset, b.Offset))
	})
	return s
}

// problem is all that keeps the consumer from working, or some of it.
func (c *Consumer) problem() string {
	texts := []string{c.gate.problemText(), c.troubles.text()}
	c.reader.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(c.reader.problems)) {
		texts = append(texts, c.reader.problems[name])
	}
	c.reader.mu.Unlock()
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), "; ")
}

func offsetOf(d Delivery) plantmesh.Offset { return plantmesh.Offset(d.Event.GetOffset()) }

// troubles counts the subjects that wait after a passing fault.
type troubles struct {
	mu   sync.Mutex
	many int
	last error
}

func (t *troubles) begin(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.many++
	t.last = err
}

func (t *troubles) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.many--
}

// text is empty if nothing waits.
func (t *troubles) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.many == 0 {
		return ""
	}
	return fmt.Sprintf("%d subjects wait to be tried again; the last fault was: %v", t.many, t.last)
}
