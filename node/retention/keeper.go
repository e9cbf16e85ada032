package retention

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// DefaultEvery is how often streams are looked through.
const DefaultEvery = time.Minute

// Log is what a keeper needs of the log.
type Log interface {
	AllHeads() []plantmesh.Head
	OffsetBeforeOf(s plantmesh.StreamName, i plantmesh.Incarnation, t time.Time) (plantmesh.Offset, error)
	BytesBefore(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, keep uint64) (plantmesh.Offset, error)
	Trim(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, before plantmesh.Offset) (plantmesh.Offset, error)
	Append(ctx context.Context, w storage.Write) ([]storage.Receipt, error)
	Cursors(prefix string, fn func(name string, value []byte) error) error
}

// Keeper trims streams. Sites that followed a stream once are remembered across restarts: a line that is down is no reason
// to drop what its site waits for.
type Keeper struct {
	log       Log
	rule      func(plantmesh.StreamName) Rule
	followers func() []Reader // sites that follow a stream now, or did in this run
	consumers func() []Reader // durable consumers at this site
	every     time.Duration
	now       func() time.Time
	logger    *slog.Logger

	mu    sync.Mutex // guards what follows
	known map[follower]Reader
	holds map[plantmesh.StreamName]string // why events older than the rule are still there
}

type follower struct {
	name   string
	stream plantmesh.StreamName
}

// Parts are what a keeper asks.
type Parts struct {
	Log       Log
	Rule      func(plantmesh.StreamName) Rule
	Followers func() []Reader
	Consumers func() []Reader
	Every     time.Duration    // 0: DefaultEvery
	Now       func() time.Time // nil: the system's clock
}

// cursorPrefix is where followers are remembered: name of the reader, a zero byte, stream.
const cursorPrefix = "retention/follower/"

// New prepares a keeper and reads whom earlier runs knew.
func New(p Parts, logger *slog.Logger) (*Keeper, error) {
	k := &Keeper{
		log: p.Log, rule: p.Rule, followers: p.Followers, consumers: p.Consumers, every: p.Every, now: p.Now, logger: logger,
		known: map[follower]Reader{}, holds: map[plantmesh.StreamName]string{},
	}
	if k.every == 0 {
		k.every = DefaultEvery
	}
	if k.now == nil {
		k.now = time.Now
	}
	err := p.Log.Cursors(cursorPrefix, func(name string, value []byte) error {
		who, stream, ok := strings.Cut(strings.TrimPrefix(name, cursorPrefix), "\x00")
		if !ok || len(value) != 16 {
			return fmt.Errorf("follower %q: damaged record of %d bytes", name, len(value))
		}
		r := Reader{Name: who, Stream: plantmesh.StreamName(stream)}
		r.Incarnation = plantmesh.Incarnation(binary.BigEndian.Uint64(value))
		r.Offset = plantmesh.Offset(binary.BigEndian.Uint64(value[8:]))
		k.known[follower{who, r.Stream}] = r
		return nil
	})
	return k, err
}

// Run trims now and then until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.every)
	defer tick.Stop()
	for {
		if err := k.Keep(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, plantmesh.ErrShuttingDown) {
			k.logger.Error("retention", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Keep looks through all streams once.
func (k *Keeper) Keep(ctx context.Context) error {
	faults := []error{k.remember(ctx)}
	for _, head := range k.log.AllHeads() {
		if rule := k.rule(head.Stream); rule.limited() {
			faults = append(faults, k.keep(ctx, head, rule))
		}
	}
	return errors.Join(faults...)
}

func (k *Keeper) keep(ctx context.Context, head plantmesh.Head, rule Rule) error {
	before := plantmesh.Offset(0)
	if rule.MaxAge > 0 {
		last, err := k.log.OffsetBeforeOf(head.Stream, head.Incarnation, k.now().Add(-rule.MaxAge))
		if err != nil {
			return err
		}
		before = last + 1
	}
	if rule.MaxBytes > 0 {
		bytes, err := k.log.BytesBefore(ctx, head.Stream, head.Incarnation, rule.MaxBytes)
		if err != nil {
			return err
		}
		before = max(before, bytes)
	}
	wanted := before
	reason := ""
	if !rule.TrimUnfetched {
		before, reason = k.heldBack(head, before)
	}
	first, err := k.log.Trim(ctx, head.Stream, head.Incarnation, before)
	if err != nil {
		return err
	}
	if first >= wanted {
		reason = "" // what is held back would not have gone anyway
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if reason != "" && k.holds[head.Stream] == "" {
		k.logger.Warn("retention is held back", "stream", head.Stream, "reason", reason)
	}
	k.holds[head.Stream] = reason
	return nil
}

// heldBack lowers an offset to the first that some reader still wants, and says who that is.
func (k *Keeper) heldBack(head plantmesh.Head, before plantmesh.Offset) (plantmesh.Offset, string) {
	reason := ""
	for _, r := range k.readers() {
		if r.Stream != head.Stream {
			continue
		}
		if first, holds := r.holds(head.Incarnation); holds && first < before {
			before = first
			reason = fmt.Sprintf("%s has it up to offset %d of incarnation %d only: bring that up to date, forget it if it is gone for good, or set trim_unfetched", r.Name, r.Offset, r.Incarnation)
		}
	}
	return before, reason
}

// readers are all that are known.
func (k *Keeper) readers() []Reader {
	all := k.consumers()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, r := range k.known {
		all = append(all, r)
	}
	return all
}

// remember notes durably how far followers are, so that a restart does not forget those that are not connected.
func (k *Keeper) remember(ctx context.Context) error {
	var w storage.Write
	k.mu.Lock()
	for _, r := range k.followers() {
		key := follower{r.Name, r.Stream}
		if k.known[key] == r {
			continue
		}
		k.known[key] = r
		value := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(r.Incarnation)), uint64(r.Offset))
		w.Cursors = append(w.Cursors, storage.Cursor{Name: cursorPrefix + r.Name + "\x00" + string(r.Stream), Value: value})
	}
	k.mu.Unlock()
	if len(w.Cursors) == 0 {
		return nil
	}
	_, err := k.log.Append(ctx, w)
	return err
}

// Forget drops a follower that will not come back: it holds nothing back any more. It returns how many streams it followed.
func (k *Keeper) Forget(ctx context.Context, name string) (int, error) {
	var w storage.Write
	k.mu.Lock()
	for key := range k.known {
		if key.name == name {
			delete(k.known, key)
			w.Cursors = append(w.Cursors, storage.Cursor{Name: cursorPrefix + key.name + "\x00" + string(key.stream)})
		}
	}
	k.mu.Unlock()
	if len(w.Cursors) == 0 {
		return 0, nil
	}
	_, err := k.log.Append(ctx, w)
	return len(w.Cursors), err
}

// Hold is why a stream keeps more than its rule says; empty if it does not.
func (k *Keeper) Hold(s plantmesh.StreamName) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.holds[s]
}
