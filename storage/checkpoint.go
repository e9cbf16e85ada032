package storage

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
)

// SignedEvery is how many stored bytes lie between two checkpoints that are kept. A node that is not the origin serves whole
// distances only, so this is what is lost when a line breaks on the way.
const SignedEvery = 256 << 10

// signedRecord is a checkpoint that is kept.
type signedRecord struct {
	offset plantmesh.Offset
	stored uint64 // bytes of all blocks up to offset
	signed []byte // serialized peerv1.SignedCheckpoint
}

func (r signedRecord) encode() []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(r.signed)), r.stored), r.signed...)
}

func decodeSignedRecord(o plantmesh.Offset, b []byte) (signedRecord, error) {
	if len(b) <= 8 {
		return signedRecord{}, fmt.Errorf("%w: checkpoint: %d bytes", errRecord, len(b))
	}
	return signedRecord{offset: o, stored: binary.BigEndian.Uint64(b), signed: append([]byte(nil), b[8:]...)}, nil
}

// checkpoints is what is remembered of an incarnation's checkpoints: the newest, and the one before it that is kept for good.
type checkpoints struct {
	newest signedRecord
	kept   uint64 // stored bytes up to the last one that stays
}

// add takes checkpoints in; what add replaced, replaced tells.
func (c *checkpoints) add(records []signedRecord) {
	for _, r := range records {
		if r.stored >= c.kept+SignedEvery {
			c.kept = r.stored
		}
		c.newest = r
	}
}

// passing tells whether the newest checkpoint only stands until the next.
func (c *checkpoints) passing() bool { return c.newest.offset != 0 && c.newest.stored != c.kept }

// put writes checkpoints that follow on those of c, and removes the one that only stood until now.
func (c checkpoints) put(batch *pebble.Batch, number streamNumber, records []signedRecord) error {
	for _, r := range records {
		if c.passing() && c.newest.offset != r.offset {
			if err := batch.Delete(signedKey(number, c.newest.offset), nil); err != nil {
				return err
			}
		}
		if err := batch.Set(signedKey(number, r.offset), r.encode(), nil); err != nil {
			return err
		}
		c.add([]signedRecord{r})
	}
	return nil
}

// loadSigned reads the newest checkpoints of a stream.
func (l *Log) loadSigned(st *stream) error {
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: numberKey(prefixSigned, st.number, 5), UpperBound: signedKey(st.number, st.head.offset+1)})
	if err != nil {
		return damaged(err)
	}
	defer iter.Close()
	var last []signedRecord // newest first
	for iter.Last(); iter.Valid() && len(last) < 2; iter.Prev() {
		_, offset, err := parseSignedKey(iter.Key())
		if err != nil {
			return err
		}
		r, err := decodeSignedRecord(offset, iter.Value())
		if err != nil {
			return err
		}
		last = append(last, r)
	}
	if err := iter.Error(); err != nil {
		return damaged(err)
	}
	if len(last) == 2 {
		st.signed.kept = last[1].stored
	}
	if len(last) > 0 {
		st.signed.add(last[:1])
	}
	_, closer, err := l.db.Get(closedKey(st.number))
	if err == nil {
		st.closed = true
		return closer.Close()
	}
	if err == pebble.ErrNotFound { //nolint:errorlint // Pebble returns it as it is
		return nil
	}
	return damaged(err)
}

// Checkpoint returns the newest checkpoint held of an incarnation of a stream, 0 for the current one. Signed is empty if
// there is none.
//
// Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged.
func (l *Log) Checkpoint(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Checkpoint, error) {
	st, _, err := l.lookupOf(s, i)
	if err != nil {
		return plantmesh.Checkpoint{}, err
	}
	l.mu.RLock()
	newest := st.signed.newest
	l.mu.RUnlock()
	if newest.offset == 0 {
		return plantmesh.Checkpoint{}, nil
	}
	return plantmesh.ParseCheckpoint(newest.signed)
}

// Checkpoints returns the checkpoints kept of an incarnation at offsets behind after, ascending: at most limit of them. The
// last one of all is the newest.
//
// Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged, ErrCorruptBlock.
func (l *Log) Checkpoints(s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, limit int) ([]plantmesh.Checkpoint, error) {
	st, _, err := l.lookupOf(s, i)
	if err != nil {
		return nil, err
	}
	l.mu.RLock() // both together: the database shows the next checkpoint, and this one no more, before that is durable
	newest, head := st.signed.newest, st.head
	l.mu.RUnlock()
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: signedKey(st.number, after+1), UpperBound: signedKey(st.number, head.offset+1)})
	if err != nil {
		return nil, damaged(err)
	}
	defer iter.Close()
	var found []plantmesh.Checkpoint
	for iter.First(); iter.Valid() && len(found) < limit; iter.Next() {
		_, offset, err := parseSignedKey(iter.Key())
		if err != nil {
			return nil, corrupt("%w", err)
		}
		r, err := decodeSignedRecord(offset, iter.Value())
		if err != nil {
			return nil, corrupt("%w", err)
		}
		c, err := plantmesh.ParseCheckpoint(r.signed)
		if err != nil {
			return nil, corrupt("checkpoint of %s@%d: %w", s, offset, err)
		}
		found = append(found, c)
	}
	if err := iter.Error(); err != nil {
		return nil, damaged(err)
	}
	if len(found) < limit && newest.offset > after && (len(found) == 0 || found[len(found)-1].Offset < newest.offset) {
		c, err := plantmesh.ParseCheckpoint(newest.signed)
		if err != nil {
			return nil, corrupt("checkpoint of %s@%d: %w", s, newest.offset, err)
		}
		found = append(found, c)
	}
	return found, nil
}

// PutCheckpoint keeps a checkpoint at the end of a block that is held; a newer one at the same place replaces the older.
// The signature must have been verified. It is not fsynced: what signs or sends it can do so again.
//
// Errors: plantmesh.ErrChainDiverged if the history held is another; *plantmesh.OffsetError behind the head; ErrNotBlockBoundary.
func (l *Log) PutCheckpoint(ctx context.Context, c plantmesh.Checkpoint) error {
	l.replicas.open.RLock()
	defer l.replicas.open.RUnlock()
	if l.replicas.closed {
		return fmt.Errorf("checkpoint of %s: %w", c.Stream, plantmesh.ErrShuttingDown)
	}
	writer := l.replicas.writer(c.Stream)
	writer.Lock()
	defer writer.Unlock()
	st, head, err := l.lookupOf(c.Stream, c.Incarnation)
	if err != nil {
		return err
	}
	chain, stored := head.chain, head.stored
	if c.Offset != head.offset {
		if chain, err = l.ChainOf(ctx, c.Stream, c.Incarnation, c.Offset); err != nil {
			return err
		}
		if stored, err = l.storedUpTo(ctx, st, head, c.Offset); err != nil {
			return err
		}
	}
	if chain != c.Chain {
		return fmt.Errorf("%w: after %s@%d the chain is %s, its origin signed %s", plantmesh.ErrChainDiverged, c.Stream, c.Offset, chain, c.Chain)
	}
	l.mu.RLock()
	signed := st.signed
	l.mu.RUnlock()
	if c.Offset == 0 || c.Offset < signed.newest.offset {
		return nil // what is newer is in force
	}
	if c.Offset == signed.newest.offset {
		held, err := plantmesh.ParseCheckpoint(signed.newest.signed)
		if err == nil && !c.Time.After(held.Time) {
			return nil
		}
	}
	record := []signedRecord{{offset: c.Offset, stored: stored, signed: c.Signed}}
	if err := l.Err(); err != nil {
		return err
	}
	batch := l.db.NewBatch()
	if err := signed.put(batch, st.number, record); err != nil {
		return errors.Join(err, batch.Close())
	}
	if err := l.commitAs(batch, pebble.NoSync); err != nil {
		return err
	}
	l.mu.Lock()
	st.signed.add(record)
	l.mu.Unlock()
	return nil
}

// storedUpTo is how many bytes the blocks up to an offset have, counted back from the head.
func (l *Log) storedUpTo(ctx context.Context, st *stream, head headRecord, o plantmesh.Offset) (uint64, error) {
	stored := head.stored
	err := l.eachBlock(ctx, st, o, head.offset, func(b *Block) error {
		stored -= min(stored, uint64(len(b.bytes)))
		return nil
	})
	return stored, err
}

// ChainAfter is the chain value after a raw block.
func (*Log) ChainAfter(block []byte) plantmesh.Chain { return sha256.Sum256(block) }
