package exceptions

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

const (
	// lookEvery is how soon a condition is noticed, and its end.
	lookEvery = 5 * time.Second
	// maxOpen bounds the open exceptions. Beyond it none is raised until some have ended: so many point to one cause.
	maxOpen = 1000
)

// Log is what a keeper needs of the log.
type Log interface {
	Append(ctx context.Context, w storage.Write) ([]storage.Receipt, error)
	HeadOf(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Head, error)
	Resume(s plantmesh.StreamName, p storage.Position) (storage.Position, *storage.Jump, error)
	BlocksOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) ([]*storage.Block, error)
}

// Metrics counts exceptions.
type Metrics interface {
	Raised(kind string)
	Open(kind string, by int)
}

// Keeper raises and resolves a site's exceptions.
type Keeper struct {
	site    plantmesh.SiteID
	log     Log
	sources []Source
	metrics Metrics
	logger  *slog.Logger
	table   *table
	wake    chan struct{}

	full bool // maxOpen are open; owned by Run

	mu    sync.Mutex
	shown []Open // guarded by mu: what is open, for the status
}

// New prepares a keeper, which keeps what it has read of its stream with an owner of the derived database.
func New(site plantmesh.SiteID, log Log, owner *storage.Owner, metrics Metrics, logger *slog.Logger, sources ...Source) (*Keeper, error) {
	t, err := openTable(plantmesh.StreamOf(site, Domain), log, owner)
	if err != nil {
		return nil, err
	}
	k := &Keeper{site: site, log: log, sources: sources, metrics: metrics, logger: logger, table: t, wake: make(chan struct{}, 1)}
	for _, o := range t.open {
		metrics.Open(o.Kind, 1)
	}
	k.show()
	return k, nil
}

// Look has the keeper look now, not when it is time to. It may be called by anybody.
func (k *Keeper) Look() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Open is what is open, the oldest first.
func (k *Keeper) Open() []Open {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.shown)
}

// Run looks until ctx ends. While the log takes no events, it goes on looking, and records what still holds when it does.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failing := false
	for {
		err := k.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if failed := err != nil; failed != failing {
			if failing = failed; failed {
				k.logger.Warn("exceptions are not recorded for now", "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-k.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// look compares what holds with what is open, and records the difference.
func (k *Keeper) look(ctx context.Context) error {
	if err := k.catchUp(ctx); err != nil {
		return err
	}
	var news []proto.Message
	now := time.Now()
	for _, source := range k.sources {
		holds := map[name]bool{}
		for _, c := range source.Conditions() {
			c.About = plain(c.About, maxAbout)
			n := name{c.Kind, c.About}
			if _, open := k.table.open[n]; !open && !holds[n] {
				if len(k.table.open)+len(news) >= maxOpen {
					k.overflowing(c)
					continue
				}
				news = append(news, raised(c, now))
			}
			holds[n] = true
		}
		for n, o := range k.table.open {
			if holds[n] || !slices.Contains(source.Kinds(), o.Kind) {
				continue
			}
			if ended, how := source.Ended(o); ended {
				news = append(news, resolved(o, how, now))
			}
		}
	}
	if len(k.table.open)+len(news) < maxOpen {
		k.full = false
	}
	if len(news) == 0 {
		return nil
	}
	if err := k.record(ctx, news); err != nil {
		return err
	}
	return k.catchUp(ctx)
}

func (k *Keeper) overflowing(c Condition) {
	if !k.full {
		k.full = true
		k.logger.Error("too many exceptions are open: none is raised until some have ended", "limit", maxOpen, "kind", c.Kind, "about", c.About)
	}
}

// catchUp takes in what the stream says, which is what this keeper recorded, in this run or an earlier one.
func (k *Keeper) catchUp(ctx context.Context) error {
	changes, err := k.table.catchUp(ctx)
	for _, c := range changes {
		if c.raised {
			k.metrics.Open(c.Kind, 1)
		} else {
			k.metrics.Open(c.Kind, -1)
		}
	}
	if len(changes) > 0 {
		k.show()
	}
	return err
}

func (k *Keeper) show() {
	all := slices.SortedFunc(maps.Values(k.table.open), func(a, b Open) int {
		return cmp.Or(a.Raised.Compare(b.Raised), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.About, b.About))
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown = all
}

// record makes events, as one write.
func (k *Keeper) record(ctx context.Context, news []proto.Message) error {
	var w storage.Write
	for _, m := range news {
		var id string
		var at *timestamppb.Timestamp
		switch m := m.(type) {
		case *manufacturingv1.ExceptionRaised:
			id, at = m.GetExceptionId()+"-raised", m.GetRaiseTime()
		case *manufacturingv1.ExceptionResolved:
			id, at = m.GetExceptionId()+"-resolved", m.GetResolveTime()
		}
		e, err := plantmesh.NewEvent("//"+string(k.site)+"/node", id, at.AsTime(), m)
		if err != nil {
			return err
		}
		w.Entries = append(w.Entries, storage.Entry{Stream: k.table.stream, Event: e})
	}
	if _, err := k.log.Append(ctx, w); err != nil {
		return err
	}
	for _, m := range news {
		switch m := m.(type) {
		case *manufacturingv1.ExceptionRaised:
			k.metrics.Raised(m.GetKind())
			k.logger.Warn("exception raised", "kind", m.GetKind(), "about", m.GetAbout(), "summary", m.GetSummary())
		case *manufacturingv1.ExceptionResolved:
			k.logger.Info("exception resolved", "kind", m.GetKind(), "about", m.GetAbout(), "summary", m.GetSummary())
		}
	}
	return nil
}
