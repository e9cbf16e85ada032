package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
)

// The last exception of an own stream is kept beside its head, in the same batch: sites that pull the stream in batches
// are told of it, for it does not wait.

func exceptionKey(n streamNumber) []byte { return numberKey(prefixException, n, 5) }

// putException notes the last exception among events, if there is one, and returns its offset.
func putException(batch *pebble.Batch, n streamNumber, events []*staged) (plantmesh.Offset, error) {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].entry.exception {
			return events[i].offset, batch.Set(exceptionKey(n), binary.BigEndian.AppendUint64(nil, uint64(events[i].offset)), nil)
		}
	}
	return 0, nil
}

// loadException reads the last exception of a stream.
func (l *Log) loadException(st *stream) error {
	value, err := l.get(exceptionKey(st.number))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(value) != 8 {
		return fmt.Errorf("%w: exception: %d bytes, want 8", errRecord, len(value))
	}
	st.exception = plantmesh.Offset(binary.BigEndian.Uint64(value))
	return nil
}

// LastException is the offset of the last event that was recorded here of a type that the catalog marks as an exception, in an
// incarnation of an own stream, 0 for the current one; 0 if there is none. What was recovered from peers does not count.
//
// Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged.
func (l *Log) LastException(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Offset, error) {
	st, _, err := l.lookupOf(s, i)
	if err != nil {
		return 0, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return st.exception, nil
}
