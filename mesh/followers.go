package mesh

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
)

// errReplaced ends a call whose follower has opened another one for the same stream.
var errReplaced = errors.New("replaced by a newer call of the same site: if two nodes share a certificate, give each its own")

// followers is the table of who replicates what from here: one entry for a site and a stream, one call at a time. It is
// bounded by the sites of the mesh and the streams of this one. The zero value is ready.
type followers struct {
	mu      sync.Mutex // guards what follows
	table   map[followerKey]*follower
	changed chan struct{} // closed at the next report; nil until somebody waits
}

type followerKey struct {
	site   plantmesh.SiteID
	stream plantmesh.StreamName
}

// follower is guarded by followers.mu.
type follower struct {
	durable  plantmesh.Offset
	history  plantmesh.Incarnation // that the offset is of
	reported time.Time
	reason   string
	call     *followerCall // nil while none is open
}

// followerCall is one open Replicate call.
type followerCall struct {
	table *followers
	entry *follower
	end   context.CancelCauseFunc
}

func (f *followers) entry(key followerKey) *follower {
	if f.table == nil {
		f.table = map[followerKey]*follower{}
	}
	e, ok := f.table[key]
	if !ok {
		e = &follower{}
		f.table[key] = e
	}
	return e
}

// open notes a call that starts at an offset, and ends the one that the site had open, which may hang on a dead connection.
func (f *followers) open(key followerKey, i plantmesh.Incarnation, at plantmesh.Offset, end context.CancelCauseFunc) *followerCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.entry(key)
	if e.call != nil {
		e.call.end(errReplaced)
	}
	e.call = &followerCall{table: f, entry: e, end: end}
	e.history, e.durable, e.reported, e.reason = i, at, time.Now(), ""
	f.moved()
	return e.call
}

// refuse notes why a call was refused.
func (f *followers) refuse(key followerKey, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.entry(key); e.call == nil {
		e.reason = reason
	}
}

// report notes what the follower holds durably. It never goes back.
func (c *followerCall) report(durable plantmesh.Offset) {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	if c.entry.call == c {
		c.entry.durable, c.entry.reported = max(c.entry.durable, durable), time.Now()
		c.table.moved()
	}
}

// close notes the end of the call.
func (c *followerCall) close(reason string) {
	c.table.mu.Lock()
	defer c.table.mu.Unlock()
	if c.entry.call == c {
		c.entry.call, c.entry.reason = nil, reason
	}
}

// all lists the followers, ordered by site and stream, without their lag.
func (f *followers) all() []Follower {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Follower, 0, len(f.table))
	for key, e := range f.table {
		out = append(out, Follower{
			Site: key.site, Stream: key.stream, Connected: e.call != nil,
			Incarnation: e.history, DurableOffset: e.durable, LastReportTime: e.reported, Reason: e.reason,
		})
	}
	slices.SortFunc(out, func(a, b Follower) int {
		return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Stream, b.Stream))
	})
	return out
}
