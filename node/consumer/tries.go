package consumer

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// try is how often an event was delivered that is neither dealt with nor held back. It is kept only where attempts are limited.
type try struct {
	at       storage.Position
	attempts int
}

func (k subjectKey) triesKey() string { return prefixTries + string(k.stream) + "\x00" + k.subject }

func (t try) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(t.at.Incarnation))
	b = binary.AppendUvarint(b, uint64(t.at.Offset))
	return binary.AppendUvarint(b, uint64(t.attempts))
}

func decodeTry(b []byte) (try, error) {
	var values [3]uint64
	for i := range values {
		value, n := binary.Uvarint(b)
		if n <= 0 {
			return try{}, errRecord
		}
		values[i], b = value, b[n:]
	}
	return try{at: storage.Position{Incarnation: plantmesh.Incarnation(values[0]), Offset: plantmesh.Offset(values[1])}, attempts: int(values[2])}, nil
}

func loadTries(tx *storage.Tx) (map[subjectKey]try, error) {
	all := map[subjectKey]try{}
	err := tx.Scan([]byte(prefixTries), func(key, value []byte) error {
		stream, subject, ok := strings.Cut(strings.TrimPrefix(string(key), prefixTries), "\x00")
		t, err := decodeTry(value)
		if !ok || err != nil {
			return fmt.Errorf("attempts at %q: %w", key, errRecord)
		}
		all[subjectKey{stream: plantmesh.StreamName(stream), subject: subject}] = t
		return nil
	})
	return all, err
}

// tried: an attempt met a passing fault, and counts.
func tried(k subjectKey, at storage.Position, attempts int) change {
	return func(l *ledger, w *writes) {
		l.counts.Retries++
		l.tries[k] = try{at: at, attempts: attempts}
		w.records[k.triesKey()] = l.tries[k].encode()
	}
}

// forgetTries is called when an event is dealt with or held back.
func (l *ledger) forgetTries(w *writes, k subjectKey) {
	if _, ok := l.tries[k]; ok {
		delete(l.tries, k)
		w.records[k.triesKey()] = nil
	}
}

// attemptsAt is how often an event was tried that is delivered again, or that is the first of a parked subject.
func (l *ledger) attemptsAt(k subjectKey, at storage.Position) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	attempts := 0
	if t, ok := l.tries[k]; ok && t.at == at {
		attempts = t.attempts
	}
	if p := l.parked[k]; p != nil && p.record.GetOffset() == uint64(at.Offset) && p.record.GetIncarnation() == uint64(at.Incarnation) {
		attempts = max(attempts, int(p.record.GetAttempts()))
	}
	return attempts
}

// aheadOf is how many events of a stream are dealt with behind one that is not.
func (l *ledger) aheadOf(name plantmesh.StreamName) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.streams[name].ahead)
}
