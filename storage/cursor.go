package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

func setCursor(batch *pebble.Batch, c Cursor) error {
	if len(c.Value) == 0 {
		return batch.Delete(cursorKey(c.Name), nil)
	}
	return batch.Set(cursorKey(c.Name), c.Value, nil)
}

// Cursor returns the value last committed under a name; nil if there is none. While a Write with that name is pending, it
// may return the value of that Write: a name has one owner, who reads it when none of its writes is pending.
//
// Errors: plantmesh.ErrStorageFailed once the log has failed, since what was written last may not be durable.
func (l *Log) Cursor(name string) ([]byte, error) {
	if err := l.Err(); err != nil {
		return nil, err
	}
	value, err := l.get(cursorKey(name))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cursor %q: %w", name, err)
	}
	return value, nil
}

// Cursors calls fn for every cursor whose name begins with prefix, ordered by name, until fn returns an error, which it
// returns. Name and value are the caller's own. What holds for Cursor holds here.
func (l *Log) Cursors(prefix string, fn func(name string, value []byte) error) error {
	if err := l.Err(); err != nil {
		return err
	}
	err := scan(l.db, cursorKey(prefix), func(key, value []byte) error {
		return fn(string(key[1:]), append([]byte(nil), value...))
	})
	if err != nil {
		return fmt.Errorf("cursors %q: %w", prefix, err)
	}
	return nil
}

// scan calls fn for every key with a prefix. Key and value are valid during the call only.
func scan(r pebble.Reader, prefix []byte, fn func(key, value []byte) error) error {
	iter, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: afterPrefix(prefix)})
	if err != nil {
		return damaged(err)
	}
	defer iter.Close()
	for iter.First(); iter.Valid(); iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return damaged(err)
		}
		if err := fn(iter.Key(), value); err != nil {
			return err
		}
	}
	return damaged(iter.Error())
}

// afterPrefix is the first key behind all keys with a prefix; nil if there is none.
func afterPrefix(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
