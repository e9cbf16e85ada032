package storage

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// idReader looks ids up for one group. It sees everything applied, durable or not. Unlike DB.Get its iterator asks the
// filters of the lowest level too, so that a new id costs no read of a table, and it is set up once for the group.
type idReader struct {
	db   *pebble.DB
	iter *pebble.Iterator
}

func newIDReader(db *pebble.DB) *idReader { return &idReader{db: db} }

func (r *idReader) close() {
	if r.iter != nil {
		_ = r.iter.Close() // its error was returned by find
	}
}

// find returns the offset recorded for an id, or 0.
func (r *idReader) find(number streamNumber, h idHash) (plantmesh.Offset, error) {
	if r.iter == nil {
		iter, err := r.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixID}, UpperBound: []byte{prefixID + 1}, UseL6Filters: true})
		if err != nil {
			return 0, damaged(err)
		}
		r.iter = iter
	}
	key := idKey(number, h)
	if !r.iter.SeekPrefixGE(key) {
		return 0, damaged(r.iter.Error())
	}
	if !bytes.Equal(r.iter.Key(), key) {
		return 0, nil
	}
	return decodeOffset(r.iter.Value())
}

// dupCache is the block read last to compare an event with its original: repeated files repeat their order.
type dupCache struct {
	number streamNumber
	block  *Block
}

// original returns the recorded event that has the id of e and the incarnation that holds it, or nil if there is none.
func (s *staging) original(w *writer, e *pendingEntry) (*recorded, plantmesh.Incarnation, error) {
	if w.head.offset > 0 { // else nothing of it is applied yet
		if r, err := s.originalIn(w.stream, e); r != nil || err != nil {
			return r, w.stream.record.incarnation, err
		}
	}
	for _, older := range s.log.olderOf(w.stream.record.name) {
		if r, err := s.originalIn(older, e); r != nil || err != nil {
			return r, older.record.incarnation, err
		}
	}
	return nil, 0, nil
}

func (s *staging) originalIn(st *stream, e *pendingEntry) (*recorded, error) {
	offset, err := s.ids.find(st.number, e.hash)
	if offset == 0 || err != nil {
		return nil, err
	}
	c := &s.dup
	if c.number != st.number || c.block == nil || offset < c.block.First() || offset > c.block.Last() {
		block, err := s.log.readBlock(st.number, offset)
		if err != nil && offset <= s.log.begins(st).before {
			return nil, nil // trimmed since the id was looked up, and the id with it
		}
		if err != nil {
			return nil, fmt.Errorf("original of event %q at %s@%d: %w", e.id, e.stream, offset, err)
		}
		*c = dupCache{number: st.number, block: block}
	}
	r, err := c.block.find(offset)
	return &r, err
}

// sameContent compares two serialized events as plantmesh.ContentHash does.
func sameContent(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y eventv1.Event
	if proto.Unmarshal(a, &x) != nil || proto.Unmarshal(b, &y) != nil {
		return false
	}
	return plantmesh.ContentHash(&x) == plantmesh.ContentHash(&y)
}
