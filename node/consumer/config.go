package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/telemetry"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Defaults of Config.
const (
	// DefaultConcurrency is how many events are handled at once.
	DefaultConcurrency = 8
	// DefaultWindow is how many events may be taken from the log and not yet dealt with.
	DefaultWindow = 1024
	// DefaultWindowBytes bounds the memory of those.
	DefaultWindowBytes = 8 << 20
	// DefaultMaxParked is how many subjects may be parked. One more blocks the consumer: so many point to one cause.
	DefaultMaxParked = 10_000
	// DefaultBulk is how many collected events are handled at once, beside the others.
	DefaultBulk = 8
	// DefaultParkedRetry is the longest a parked subject waits for its next attempt. The first waits are short, and double:
	// what is missing may be in another stream, on its way.
	DefaultParkedRetry = 10 * time.Minute
	// DefaultBlockedRetry is how long a blocked consumer waits for its next attempt.
	DefaultBlockedRetry = 30 * time.Second
	// DefaultMinBackoff and DefaultMaxBackoff bound the wait after a passing fault. It doubles, and is jittered.
	DefaultMinBackoff = 200 * time.Millisecond
	DefaultMaxBackoff = 15 * time.Second
)

// Config says what a consumer reads and how. Zero values stand for the defaults; Name and Match are required.
type Config struct {
	Name  string                          // of the consumer, for people
	Match func(plantmesh.StreamName) bool // which streams it reads; asked once for each

	Wants  func(*eventv1.Event) bool               // which events of these; the others count as ignored; nil: all
	OnJump func(ctx context.Context, j Jump) error // hears of each jump before anything behind it is delivered; an error has it told again; nil: nobody

	Collected func(plantmesh.StreamName) *Collection // which streams' events wait for an opening; nil: none

	Jumped func(Jump) // told of each jump once it is noted, and must not block; nil: nobody

	Discarding func(context.Context, *adminv1.DiscardedEvent) error // told of each event that is to be discarded, which its error prevents; nil: nobody

	Tracing *telemetry.Tracing // makes a span of each attempt at a traced event; nil: none

	// MaxAttempts is how often an event is delivered before its subject is parked, whatever the answers; attempts outlive a restart. 0: as often
	// as faults pass. With a limit, parked subjects wait for their time after a restart, too: an event that ends its reader must not be the first again.
	MaxAttempts int

	Concurrency  int           // see DefaultConcurrency
	Window       int           // see DefaultWindow
	WindowBytes  int64         // see DefaultWindowBytes; collected events have as much beside it
	Bulk         int           // see DefaultBulk
	MaxParked    int           // see DefaultMaxParked
	ParkedRetry  time.Duration // see DefaultParkedRetry
	BlockedRetry time.Duration // see DefaultBlockedRetry
	MinBackoff   time.Duration // see DefaultMinBackoff
	MaxBackoff   time.Duration // see DefaultMaxBackoff
}

func (c Config) withDefaults() (Config, error) {
	if c.Name == "" || c.Match == nil {
		return c, errors.New("consumer: name and match are required")
	}
	if c.Tracing == nil {
		c.Tracing = telemetry.Off()
	}
	orDefault(&c.Concurrency, DefaultConcurrency)
	orDefault(&c.Window, DefaultWindow)
	orDefault(&c.WindowBytes, DefaultWindowBytes)
	orDefault(&c.Bulk, DefaultBulk)
	orDefault(&c.MaxParked, DefaultMaxParked)
	orDefault(&c.ParkedRetry, DefaultParkedRetry)
	orDefault(&c.BlockedRetry, DefaultBlockedRetry)
	orDefault(&c.MinBackoff, DefaultMinBackoff)
	orDefault(&c.MaxBackoff, DefaultMaxBackoff)
	for name, value := range map[string]int64{
		"concurrency": int64(c.Concurrency), "window": int64(c.Window), "window bytes": c.WindowBytes, "bulk": int64(c.Bulk), "max parked": int64(c.MaxParked),
		"parked retry": int64(c.ParkedRetry), "blocked retry": int64(c.BlockedRetry), "min back-off": int64(c.MinBackoff),
		"max back-off": int64(c.MaxBackoff - c.MinBackoff + 1), "max attempts": int64(c.MaxAttempts) + 1,
	} {
		if value <= 0 {
			return c, fmt.Errorf("consumer %s: %s is too small", c.Name, name)
		}
	}
	return c, nil
}

// bulk is how many collected events are handled at once.
func (c Config) bulk() int {
	if c.Collected == nil {
		return 0
	}
	return c.Bulk
}

// collection says how a stream's events wait; nil: they do not.
func (c Config) collection(s plantmesh.StreamName) *Collection {
	if c.Collected == nil {
		return nil
	}
	return c.Collected(s)
}

func orDefault[T int | int64 | time.Duration](value *T, standard T) {
	if *value == 0 {
		*value = standard
	}
}
