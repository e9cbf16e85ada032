package confirmations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

const (
	// lookEvery is how often there is a look at the streams.
	lookEvery = 5 * time.Second
	// readBytes is how much of a stream is read at once.
	readBytes = 1 << 20
	// maxRejected bounds the rejected events that are named.
	maxRejected = 1000
)

// Log is what a follower needs of the log.
type Log interface {
	AllHeads() []plantmesh.Head
	HeadOf(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Head, error)
	Resume(s plantmesh.StreamName, p storage.Position) (storage.Position, *storage.Jump, error)
	BlocksOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) ([]*storage.Block, error)
}

// Config says whose events are followed.
type Config struct {
	Site     plantmesh.SiteID
	Outcomes string       // domain of the streams that tell
	Captured string       // source of events that come from the ERP, which asks for no outcome of them
	Parks    bool         // the site faces the ERP itself, and shows what is rejected as parked
	Active   func() bool  // whether outcomes reach this site, or should
	Changed  func(Totals) // told after each look, for metrics; nil: nobody
}

// Totals are numbers of events.
type Totals struct {
	Waiting  int // for their outcome, as far as was read
	Overdue  int // of these, longer than their type allows
	Rejected int // refused by the ERP, and neither applied nor given up since
	GivenUp  int // without an outcome, when there were too many
	Oldest   time.Time
}

// place names an event.
type place struct {
	Stream      plantmesh.StreamName
	Incarnation plantmesh.Incarnation
	Offset      plantmesh.Offset
}

// Rejected is an event that the ERP refused.
type Rejected struct {
	Stream  plantmesh.StreamName
	Offset  plantmesh.Offset
	Type    string
	Subject string
	Reason  string // in the ERP's words
	Time    time.Time
}

// state is what is kept.
type state struct {
	Began     bool
	Histories []*history
	Outcomes  map[plantmesh.StreamName]storage.Position
	Rejected  []rejection
}

type rejection struct {
	At    place
	Event Rejected
}

var stateKey = []byte("state")

// Follower follows the outcomes of a site's events. Its methods may be called by any number of goroutines.
type Follower struct {
	cfg    Config
	log    Log
	owner  *storage.Owner
	logger *slog.Logger

	mu     sync.Mutex // guards what follows
	state  state
	looked bool // since the start, to the end of every stream
	dirty  bool // since it was kept
}

// New opens a follower on what an owner of the derived database keeps for it.
func New(cfg Config, log Log, owner *storage.Owner, logger *slog.Logger) (*Follower, error) {
	f := &Follower{cfg: cfg, log: log, owner: owner, logger: logger}
	err := owner.View(func(tx *storage.Tx) error {
		return tx.Scan(stateKey, func(_, value []byte) error { return json.Unmarshal(value, &f.state) })
	})
	if err != nil {
		return nil, fmt.Errorf("confirmations kept: %w: remove the derived database, it is rebuilt", err)
	}
	if f.state.Outcomes == nil {
		f.state.Outcomes = map[plantmesh.StreamName]storage.Position{}
	}
	return f, nil
}

// Run looks until ctx ends. What cannot be read now is read at the next look.
func (f *Follower) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	failing := false
	for {
		err := f.Look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if failed := err != nil; failed != failing {
			if failing = failed; failed {
				f.logger.Warn("outcomes of events are not followed for now", "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Look reads on to the end of every stream, and keeps what that told.
func (f *Follower) Look(ctx context.Context) error {
	if !f.cfg.Active() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	heads := f.log.AllHeads()
	f.begin(heads)
	var faults []error
	for _, s := range f.outcomes(heads) {
		if err := f.hear(ctx, s); err != nil {
			faults = append(faults, fmt.Errorf("stream %s: %w", s, err))
		}
	}
	for _, h := range f.state.Histories {
		if err := f.read(ctx, h); err != nil {
			faults = append(faults, fmt.Errorf("stream %s: %w", h.Stream, err))
		}
	}
	if err := errors.Join(append(faults, f.keep())...); err != nil {
		return err
	}
	f.looked = true
	if f.cfg.Changed != nil {
		f.cfg.Changed(f.totals())
	}
	return nil
}

// begin follows histories that are new. At the very first look, those that are there are followed from their ends on.
func (f *Follower) begin(heads []plantmesh.Head) {
	known := map[place]bool{}
	for _, h := range f.state.Histories {
		known[place{Stream: h.Stream, Incarnation: h.Incarnation}] = true
	}
	for _, head := range heads {
		if head.Stream.Origin() != f.cfg.Site || head.Stream.Domain() == f.cfg.Outcomes || known[place{Stream: head.Stream, Incarnation: head.Incarnation}] {
			continue
		}
		h := &history{Stream: head.Stream, Incarnation: head.Incarnation}
		if !f.state.Began {
			h.Frontier = head.Offset
		}
		f.state.Histories, f.dirty = append(f.state.Histories, h), true
	}
	f.dirty = f.dirty || !f.state.Began
	f.state.Began = true
}

// outcomes are the streams that tell.
func (f *Follower) outcomes(heads []plantmesh.Head) []plantmesh.StreamName {
	var all []plantmesh.StreamName
	seen := map[plantmesh.StreamName]bool{}
	for _, head := range heads {
		if head.Stream.Domain() == f.cfg.Outcomes && !seen[head.Stream] {
			seen[head.Stream] = true
			all = append(all, head.Stream)
		}
	}
	return all
}

func (f *Follower) keep() error {
	if !f.dirty {
		return nil
	}
	value, err := json.Marshal(f.state)
	if err != nil {
		return err
	}
	if err := f.owner.Update(func(tx *storage.Tx) error { return tx.Put(stateKey, value) }); err != nil {
		return err
	}
	f.dirty = false
	return nil
}
