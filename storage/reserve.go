package storage

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
)

// DefaultReserveBytes is what stays free on the disk: enough for Pebble to flush, compact and trim with, and for the system's
// log to say what is wrong.
const DefaultReserveBytes = 256 << 20

// MinReserveBytes is what Pebble may have in its buffers and in compactions when the last event is let in.
const MinReserveBytes = 64 << 20

const (
	// reserveEvery is how long an answer about the disk holds.
	reserveEvery = time.Second
	// reserveBytes is how much may be written on one answer.
	reserveBytes = 4 << 20
)

// reserve keeps some of the disk free: below it, new events are refused, and all else goes on. It recovers by itself.
type reserve struct {
	dir   string
	fs    vfs.FS
	least uint64

	mu      sync.Mutex // guards what follows
	asked   time.Time
	free    uint64
	known   bool // the file system tells how much is free
	written int  // since asked
}

// admit is nil if bytes may be written.
//
// Errors: plantmesh.ErrDiskReserve.
func (r *reserve) admit(bytes int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.written += bytes; time.Since(r.asked) >= reserveEvery || r.written >= reserveBytes {
		usage, err := r.fs.GetDiskUsage(r.dir)
		r.asked, r.written, r.free, r.known = time.Now(), bytes, usage.AvailBytes, err == nil
	}
	if !r.known || r.free >= r.least {
		return nil
	}
	return fmt.Errorf("%w: %s has %d MB free, %d MB are kept free (limits.disk_reserve): make room there, or shorten the retention; reading and replicating from here go on",
		plantmesh.ErrDiskReserve, r.dir, r.free>>20, r.least>>20)
}

// allRecorded tells whether every event is durable already, in any incarnation: answering it takes no room on the disk. Whoever
// does not know whether a publish worked repeats it, also while the disk is full.
func (l *Log) allRecorded(entries []pendingEntry) bool {
	for _, e := range entries {
		all, err := l.Incarnations(e.stream)
		if err != nil {
			return false
		}
		found := false
		for _, head := range all {
			_, err := l.LookupOf(e.stream, head.Incarnation, e.source, e.id)
			if found = found || err == nil; err != nil && !errors.Is(err, plantmesh.ErrEventNotFound) {
				return false
			}
		}
		if !found {
			return false
		}
	}
	return true
}
