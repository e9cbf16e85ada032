package consumer

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// settled: an event that came from the log is dealt with.
func settled(k subjectKey, o plantmesh.Offset, how disposition) change {
	return func(l *ledger, w *writes) {
		l.streams[k.stream].deal(o)
		w.streams[k.stream] = struct{}{}
		l.forgetTries(w, k)
		how.count(l.counts)
	}
}

// unwanted: events that came from the log are not asked for.
func unwanted(s plantmesh.StreamName, offsets []plantmesh.Offset) change {
	return func(l *ledger, w *writes) {
		for _, o := range offsets {
			l.streams[s].deal(o)
		}
		w.streams[s] = struct{}{}
		l.counts.Ignored += uint64(len(offsets))
	}
}

// held: an event that came from the log is set aside, behind others of its subject or, with a reason, as the first.
func held(k subjectKey, at storage.Position, first *adminv1.ParkedSubject) change {
	return func(l *ledger, w *writes) {
		l.streams[k.stream].deal(at.Offset)
		w.streams[k.stream] = struct{}{}
		w.held[string(k.heldKey(at))] = true
		w.parked[k] = struct{}{}
		l.forgetTries(w, k)
		if first != nil {
			l.parked[k] = &parked{record: first}
		}
		l.parked[k].record.Events++
		l.counts.Parked++
	}
}

// released: an event that was held back is dealt with after all.
func released(k subjectKey, at storage.Position, how disposition) change {
	return func(l *ledger, w *writes) {
		w.held[string(k.heldKey(at))] = false
		w.parked[k] = struct{}{}
		l.forgetTries(w, k)
		if l.parked[k].record.Events--; l.parked[k].record.Events == 0 {
			delete(l.parked, k)
		}
		l.counts.Parked--
		how.count(l.counts)
	}
}

// reparked: an attempt at a parked subject met another, or the same, fault.
func reparked(k subjectKey, record *adminv1.ParkedSubject) change {
	return func(l *ledger, w *writes) {
		p := l.parked[k]
		record.Events, record.Since = p.record.GetEvents(), p.record.GetSince()
		p.record, p.retrying = record, false
		w.parked[k] = struct{}{}
		l.forgetTries(w, k)
	}
}

// deferred: an attempt at a parked subject met a passing fault.
func deferred(k subjectKey, until time.Time) change {
	return func(l *ledger, w *writes) {
		p := l.parked[k]
		p.record.RetryTime, p.retrying = timestamppb.New(until), false
		w.parked[k] = struct{}{}
	}
}

// retried: a delivery is repeated.
func retried(l *ledger, _ *writes) { l.counts.Retries++ }

// disposition is what became of an event that is not parked.
type disposition int

const (
	applied disposition = iota
	duplicate
	ignored
)

func (d disposition) count(c *adminv1.ApplyCounts) {
	switch d {
	case duplicate:
		c.Duplicates++
		fallthrough
	case applied:
		c.Applied++
	case ignored:
		c.Ignored++
	}
}
