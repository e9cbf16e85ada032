package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
)

// Owner is the part of a State that belongs to one consumer. All methods may be called by any number of goroutines.
type Owner struct {
	state *State
	name  string
	mu    sync.Mutex // one update at a time
}

// Position is how far an owner has read a stream.
type Position struct {
	Incarnation plantmesh.Incarnation
	Offset      plantmesh.Offset // everything up to here is dealt with
}

// Tx is one look at an owner's keys, or one change of them. It is valid during the call that it is passed to.
type Tx struct {
	owner *Owner
	read  pebble.Reader
	write *pebble.Batch // nil in a View
}

// Spaces of an owner: its own keys and its positions.
const (
	prefixOwned    = 'o' // o, length of the name, the name itself, key
	prefixPosition = 'p' // p, length of the name, the name itself, stream
)

var errReadOnly = errors.New("change within a view")

// Update runs fn and commits what it changed as one, or nothing if fn returns an error, which it returns. Updates of one
// owner run one after the other.
//
// Errors: plantmesh.ErrStorageFailed; plantmesh.ErrShuttingDown.
func (o *Owner) Update(fn func(*Tx) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state.mu.RLock()
	defer o.state.mu.RUnlock()
	if o.state.closed {
		return fmt.Errorf("state of %s: %w", o.name, plantmesh.ErrShuttingDown)
	}
	if f := o.state.failure(); f != nil {
		return f
	}
	batch := o.state.db.NewIndexedBatch()
	defer batch.Close()
	if err := fn(&Tx{owner: o, read: batch, write: batch}); err != nil {
		return err
	}
	if batch.Empty() {
		return nil
	}
	// Sync makes Pebble hand the write-ahead log to the operating system; the fsync itself is left out (see walFS).
	if err := batch.Commit(pebble.Sync); err != nil {
		o.state.fail(&failure{dir: o.state.dir, cause: err})
	}
	if f := o.state.failure(); f != nil {
		return f
	}
	return nil
}

// View runs fn on one consistent state.
func (o *Owner) View(fn func(*Tx) error) error {
	o.state.mu.RLock()
	defer o.state.mu.RUnlock()
	if o.state.closed {
		return fmt.Errorf("state of %s: %w", o.name, plantmesh.ErrShuttingDown)
	}
	snapshot := o.state.db.NewSnapshot()
	defer snapshot.Close()
	return fn(&Tx{owner: o, read: snapshot})
}

// Clear removes all that the owner keeps, positions included.
//
// Errors: as Update.
func (o *Owner) Clear() error {
	return o.Update(func(tx *Tx) error {
		for _, prefix := range []byte{prefixOwned, prefixPosition} {
			first := tx.key(prefix, nil)
			if err := tx.write.DeleteRange(first, afterPrefix(first), nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *Tx) key(prefix byte, key []byte) []byte {
	k := binary.AppendUvarint([]byte{prefix}, uint64(len(t.owner.name)))
	return append(append(k, t.owner.name...), key...)
}

func (t *Tx) get(key []byte) ([]byte, error) {
	value, closer, err := t.read.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state of %s: %w", t.owner.name, damaged(err))
	}
	b := append([]byte{}, value...)
	return b, closer.Close()
}

func (t *Tx) set(key, value []byte) error {
	if t.write == nil {
		return fmt.Errorf("state of %s: %w", t.owner.name, errReadOnly)
	}
	return t.write.Set(key, value, nil)
}

// Get returns a copy of a value; nil if there is none.
func (t *Tx) Get(key []byte) ([]byte, error) { return t.get(t.key(prefixOwned, key)) }

// Put sets a value.
func (t *Tx) Put(key, value []byte) error { return t.set(t.key(prefixOwned, key), value) }

// Delete removes a value; that there is none is no error.
func (t *Tx) Delete(key []byte) error {
	if t.write == nil {
		return fmt.Errorf("state of %s: %w", t.owner.name, errReadOnly)
	}
	return t.write.Delete(t.key(prefixOwned, key), nil)
}

// Scan calls fn for every key with a prefix, in order, until fn returns an error, which it returns. Key and value are
// valid during the call only. fn must not change what it scans.
func (t *Tx) Scan(prefix []byte, fn func(key, value []byte) error) error {
	own := len(t.key(prefixOwned, nil))
	return scan(t.read, t.key(prefixOwned, prefix), func(key, value []byte) error { return fn(key[own:], value) })
}

// Position returns how far a stream has been read; the zero Position if it has not.
func (t *Tx) Position(s plantmesh.StreamName) (Position, error) {
	b, err := t.get(t.key(prefixPosition, []byte(s)))
	if b == nil || err != nil {
		return Position{}, err
	}
	return decodePosition(b)
}

// SetPosition says how far a stream has been read.
func (t *Tx) SetPosition(s plantmesh.StreamName, p Position) error {
	return t.set(t.key(prefixPosition, []byte(s)), p.encode())
}

// Positions returns how far each stream has been read, for those that have.
func (t *Tx) Positions() (map[plantmesh.StreamName]Position, error) {
	all := map[plantmesh.StreamName]Position{}
	prefix := t.key(prefixPosition, nil)
	err := scan(t.read, prefix, func(key, value []byte) (err error) {
		all[plantmesh.StreamName(key[len(prefix):])], err = decodePosition(value)
		return err
	})
	return all, err
}

func (p Position) encode() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(p.Incarnation)), uint64(p.Offset))
}

func decodePosition(b []byte) (Position, error) {
	if len(b) != 16 {
		return Position{}, fmt.Errorf("%w: position: %d bytes, want 16", errRecord, len(b))
	}
	return Position{Incarnation: plantmesh.Incarnation(binary.BigEndian.Uint64(b)), Offset: plantmesh.Offset(binary.BigEndian.Uint64(b[8:]))}, nil
}
