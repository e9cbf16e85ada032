package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// Domain is that of the stream that refusals are recorded in.
const Domain = "audit"

const (
	// summaryEvery is how far apart two events about the same refusal are at least.
	summaryEvery = 10 * time.Minute
	// retryAfter is how soon a recording that failed is tried again.
	retryAfter = 10 * time.Second
	// maxKinds bounds what is told apart. Further kinds count together, as of the peer overflow.
	maxKinds = 1000
	overflow = "(others)"
	// maxDetail bounds the text of an event, in bytes; see the schema.
	maxDetail = 900
)

// Refusal is a call that was not allowed.
type Refusal struct {
	Peer   string // a site's name, or client/<name>
	Region string // of its certificate; empty for a client
	Action string // what it asked for
	Stream plantmesh.StreamName
	Reason string // the error's, such as EXPORT_DENIED
	Detail string // what the peer was told
}

// Entry is a kind of refusal, and how often it came since the node started.
type Entry struct {
	Refusal
	Count       uint64
	First, Last time.Time
}

// Log is where refusals are recorded.
type Log interface {
	Append(ctx context.Context, w storage.Write) ([]storage.Receipt, error)
}

// Recorder records refusals. Refused may be called by any number of goroutines.
type Recorder struct {
	site    plantmesh.SiteID
	log     Log
	counted func(action, reason string)
	logger  *slog.Logger
	wake    chan struct{}

	mu    sync.Mutex // guards what follows
	table map[kind]*record
}

// kind is what makes two refusals the same.
type kind struct {
	peer, action, reason string
	stream               plantmesh.StreamName
}

type record struct {
	Entry
	waiting  uint64    // of these, not recorded yet
	since    time.Time // the first of them
	recorded time.Time // when the last event was; zero: never
}

// New makes a recorder of a site's refusals. counted is told of each, for metrics.
func New(site plantmesh.SiteID, log Log, counted func(action, reason string), logger *slog.Logger) *Recorder {
	return &Recorder{site: site, log: log, counted: counted, logger: logger, wake: make(chan struct{}, 1), table: map[kind]*record{}}
}

// Refused notes a refusal. It blocks on nothing.
func (r *Recorder) Refused(one Refusal) {
	r.counted(one.Action, one.Reason)
	now := time.Now()
	r.mu.Lock()
	k := kind{one.Peer, one.Action, one.Reason, one.Stream}
	e, known := r.table[k]
	if !known && len(r.table) >= maxKinds {
		one.Peer, one.Region, one.Stream = overflow, "", ""
		k = kind{one.Peer, one.Action, one.Reason, ""}
		e, known = r.table[k]
	}
	if !known {
		e = &record{Entry: Entry{First: now}}
		r.table[k] = e
	}
	e.Refusal, e.Last = one, now
	if e.Count++; e.waiting == 0 {
		e.since = now
	}
	e.waiting++
	fresh := e.recorded.IsZero()
	r.mu.Unlock()
	if !known {
		r.logger.Warn("refused", "peer", one.Peer, "action", one.Action, "stream", string(one.Stream), "reason", one.Reason, "detail", one.Detail)
	}
	if fresh {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
}

// Entries are the refusals since the node started, the newest first.
func (r *Recorder) Entries() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Entry, 0, len(r.table))
	for _, e := range r.table {
		out = append(out, e.Entry)
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Action, b.Action))
	})
	return out
}

// Run records until ctx ends. What is not recorded by then is lost, but for the log line.
func (r *Recorder) Run(ctx context.Context) error {
	failing := false
	for ctx.Err() == nil {
		batch, wait := r.due(time.Now())
		if len(batch) > 0 {
			err := r.record(ctx, batch)
			if failed := err != nil && ctx.Err() == nil; failed != failing {
				if failing = failed; failed {
					r.logger.Warn("refusals are not recorded for now", "error", err)
				}
			}
			if err != nil {
				wait = retryAfter
			} else {
				continue
			}
		}
		r.rest(ctx, wait)
	}
	return nil
}

// rest waits for a first refusal of a kind, or until a summary is due.
func (r *Recorder) rest(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-r.wake:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// taken is what of a record goes into an event.
type taken struct {
	record *record
	event  *manufacturingv1.AccessRefused
}

// due takes what may be recorded now, and says how long there is nothing more.
func (r *Recorder) due(now time.Time) (batch []taken, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait = summaryEvery
	for _, e := range r.table {
		if e.waiting == 0 {
			continue
		}
		if left := summaryEvery - now.Sub(e.recorded); !e.recorded.IsZero() && left > 0 {
			wait = min(wait, left)
			continue
		}
		batch = append(batch, taken{e, &manufacturingv1.AccessRefused{
			PeerId: e.Peer, PeerRegion: e.Region, Action: e.Action, Stream: string(e.Stream), Reason: e.Reason, Detail: plain(e.Detail), Count: e.waiting,
			FirstTime: timestamppb.New(e.since), LastTime: timestamppb.New(e.Last),
		}})
	}
	return batch, wait
}

// record makes events of what was taken, as one write.
func (r *Recorder) record(ctx context.Context, batch []taken) error {
	var w storage.Write
	for _, t := range batch {
		e, err := r.event(t.event)
		if err != nil {
			return err
		}
		w.Entries = append(w.Entries, storage.Entry{Stream: plantmesh.StreamOf(r.site, Domain), Event: e})
	}
	if _, err := r.log.Append(ctx, w); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range batch {
		t.record.recorded = time.Now()
		if t.record.waiting -= t.event.GetCount(); t.record.waiting > 0 {
			t.record.since = t.event.GetLastTime().AsTime()
		}
	}
	return nil
}

func (r *Recorder) event(a *manufacturingv1.AccessRefused) (*eventv1.Event, error) {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		a.GetPeerId(), a.GetAction(), a.GetStream(), a.GetReason(), a.GetFirstTime().AsTime().Format(time.RFC3339Nano), fmt.Sprint(a.GetCount()),
	}, "\n")))
	return plantmesh.NewEvent("//"+string(r.site)+"/node", "refused-"+hex.EncodeToString(sum[:16]), a.GetLastTime().AsTime(), a)
}

// plain is text without control characters, and not longer than an event takes.
func plain(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + " …"
	}
	return text
}
