package scrub

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

const (
	// DefaultBytesPerSecond reads 80 GB a day, and costs a disk little.
	DefaultBytesPerSecond = 1 << 20
	// restAfter is the pause between two passes at least: a small log would be read all the time.
	restAfter = 10 * time.Minute
	// giveUpAfter is how long damage may stay before it counts as lost: sites that have it may be away for a day.
	giveUpAfter = 24 * time.Hour
	// stepBytes is what is read at once.
	stepBytes = 1 << 20
	// Attempts to repair are as far apart as this at first, and at last.
	firstRetry, lastRetry = time.Second, time.Minute
)

// Log is what a scrubber needs of the log.
type Log interface {
	AllHeads() []plantmesh.Head
	Scrub(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) (plantmesh.Offset, []storage.Damage, error)
	Damages() []storage.Damage
	Repair(ctx context.Context, d storage.Damage, blocks [][]byte) error
	Lose(d storage.Damage)
}

// Peers give what is damaged here.
type Peers interface {
	FetchBlocks(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, chain plantmesh.Chain, until plantmesh.Offset) ([][]byte, error)
}

// Scrubber keeps what is stored readable.
type Scrubber struct {
	log    Log
	peers  Peers
	rate   int // bytes a second
	logger *slog.Logger

	passes atomic.Uint64 // over the whole log, without a stream that could not be read

	since map[key]time.Time // when damage was found; owned by Run
}

// key names damage.
type key struct {
	stream      plantmesh.StreamName
	incarnation plantmesh.Incarnation
	first, last plantmesh.Offset
}

// New prepares a scrubber that reads so many bytes a second; 0 stands for DefaultBytesPerSecond.
func New(log Log, peers Peers, bytesPerSecond int, logger *slog.Logger) *Scrubber {
	if bytesPerSecond == 0 {
		bytesPerSecond = DefaultBytesPerSecond
	}
	return &Scrubber{log: log, peers: peers, rate: bytesPerSecond, logger: logger, since: map[key]time.Time{}}
}

// Run scrubs until ctx ends.
func (s *Scrubber) Run(ctx context.Context) error {
	for {
		began, whole := time.Now(), true
		for _, head := range s.log.AllHeads() {
			if err := s.stream(ctx, head); err != nil {
				if ctx.Err() != nil {
					return nil //nolint:nilerr // the end of the run is none
				}
				s.logger.Warn("a stream cannot be scrubbed", "stream", head.Stream, "error", err)
				whole = false
			}
		}
		if whole {
			s.passes.Add(1)
		}
		for retry := firstRetry; s.Mend(ctx) && time.Since(began) < restAfter; retry = min(2*retry, lastRetry) {
			if !sleep(ctx, retry) {
				return nil
			}
		}
		if !sleep(ctx, time.Until(began.Add(restAfter))) {
			return nil
		}
	}
}

// Passes is how often the whole log was read since Run began.
func (s *Scrubber) Passes() uint64 { return s.passes.Load() }

// stream reads one incarnation.
func (s *Scrubber) stream(ctx context.Context, head plantmesh.Head) error {
	for at := plantmesh.Offset(0); at < head.Offset; {
		next, found, err := s.log.Scrub(ctx, head.Stream, head.Incarnation, at, stepBytes)
		if err != nil {
			return err
		}
		for _, d := range found {
			s.logger.Error("stored blocks are damaged", "stream", d.Stream, "incarnation", uint64(d.Incarnation), "first", uint64(d.First), "last", uint64(d.Last), "cause", d.Cause)
		}
		if len(found) > 0 {
			s.Mend(ctx)
		}
		if at = next; !sleep(ctx, time.Second*stepBytes/time.Duration(s.rate)) {
			return ctx.Err()
		}
	}
	return nil
}

// Mend tries to repair all that is known to be damaged, and tells whether some of it is left.
func (s *Scrubber) Mend(ctx context.Context) (left bool) {
	for _, d := range s.log.Damages() {
		k := key{d.Stream, d.Incarnation, d.First, d.Last}
		blocks, err := s.peers.FetchBlocks(ctx, d.Stream, d.Incarnation, d.First-1, d.Before, d.Last)
		if err == nil {
			err = s.log.Repair(ctx, d, blocks)
		}
		if err == nil {
			delete(s.since, k)
			s.logger.Info("damaged blocks are repaired from another site", "stream", d.Stream, "first", uint64(d.First), "last", uint64(d.Last))
			continue
		}
		left = true
		if s.since[k].IsZero() {
			s.since[k] = time.Now()
			s.logger.Error("damaged blocks are not repaired yet", "stream", d.Stream, "first", uint64(d.First), "last", uint64(d.Last), "error", err)
		}
		if !d.Lost && time.Since(s.since[k]) >= giveUpAfter {
			s.log.Lose(d)
			s.logger.Error("damaged blocks are lost: nobody who could be asked has had them for a day", "stream", d.Stream,
				"first", uint64(d.First), "last", uint64(d.Last), "error", err)
		}
	}
	return left
}

// sleep waits. It is false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
