package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
)

// Damage is a run of events whose blocks cannot be read, because the disk gave other bytes than were written, or none.
type Damage struct {
	Stream      plantmesh.StreamName
	Incarnation plantmesh.Incarnation
	First, Last plantmesh.Offset
	Before      plantmesh.Chain // chain value before First: a replacement continues it
	Lost        bool            // nobody who could be asked has it
	Cause       string
}

// Scrub reads blocks of an incarnation, 0 for the current one, from disk again, from behind an offset on, and checks each by
// itself and against its neighbours. It goes on for about maxBytes, and returns the offset behind which to go on, which is the
// head's at the end, and what is damaged on the way. Damage is remembered until it is repaired: see [Log.Damages].
//
// Errors: plantmesh.ErrUnknownStream, ErrIncarnationChanged; those of ctx.
func (l *Log) Scrub(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) (plantmesh.Offset, []Damage, error) {
	st, head, err := l.lookupOf(s, i)
	if err != nil {
		return 0, nil, err
	}
	begin := l.begins(st)
	at := progress{stream: st, head: headRecord{offset: begin.before, chain: begin.chain, time: minTime}}
	if after > begin.before {
		// Where it went on may be no boundary, or damaged: then it begins again.
		if chain, err := l.ChainOf(ctx, s, i, after); err == nil {
			at.head.offset, at.head.chain = after, chain
		}
	}
	var found []Damage
	for read := 0; at.head.offset < head.offset && read < maxBytes; {
		if err := context.Cause(ctx); err != nil {
			return at.head.offset, found, err
		}
		b, cause := l.nextBlock(st, at.head.offset+1, head.offset)
		if cause == nil {
			at.blocks = at.blocks[:0]
			if cause = at.follow(b); cause == nil {
				read += len(b.bytes)
				continue
			}
		}
		d := Damage{Stream: s, Incarnation: st.record.incarnation, First: at.head.offset + 1, Before: at.head.chain, Cause: cause.Error()}
		next := l.readableBehind(st, d.First, head.offset)
		d.Last = head.offset
		if next != nil {
			d.Last = next.First() - 1
			at.head = headRecord{offset: d.Last, chain: next.Previous(), time: minTime}
		} else {
			at.head = head
		}
		found = append(found, d)
		l.note(st, d)
	}
	return at.head.offset, found, nil
}

// nextBlock reads the block that begins at an offset.
func (l *Log) nextBlock(st *stream, first, head plantmesh.Offset) (*Block, error) {
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: blockKey(st.number, first), UpperBound: blockKey(st.number, head+1)})
	if err != nil {
		return nil, damaged(err)
	}
	defer iter.Close()
	if !iter.First() {
		if err := iter.Error(); err != nil {
			return nil, damaged(err)
		}
		return nil, corrupt("no block holds offset %d", first)
	}
	b, err := storedBlock(iter)
	if err == nil && b.First() != first {
		err = corrupt("no block begins at offset %d", first)
	}
	return b, err
}

// readableBehind finds the first block behind damage that can be read; nil if there is none up to the head. Where the disk
// fails to give a whole table, what lies in it is passed over in growing steps, and then narrowed down.
func (l *Log) readableBehind(st *stream, damage, head plantmesh.Offset) *Block {
	read := func(from plantmesh.Offset) *Block {
		for from <= head {
			iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: blockKey(st.number, from), UpperBound: blockKey(st.number, head+1)})
			if err != nil {
				return nil
			}
			if !iter.First() {
				_ = iter.Close()
				return nil
			}
			_, last, keyErr := parseBlockKey(iter.Key())
			b, err := storedBlock(iter)
			_ = iter.Close()
			if err == nil && b.First() > damage && b.verifyPayload(st.record.name) == nil {
				return b
			}
			if keyErr != nil {
				return nil
			}
			from = last + 1
		}
		return nil
	}
	low := damage // nothing is readable from here
	for step := plantmesh.Offset(1); low+step <= head; step *= 2 {
		b := read(low + step)
		if b == nil {
			continue
		}
		high := low + step // something is readable from here
		for low+1 < high {
			middle := low + (high-low)/2
			if closer := read(middle); closer != nil && closer.First() <= b.First() {
				high, b = middle, closer
			} else {
				low = middle
			}
		}
		return b
	}
	return read(head)
}

// note remembers damage. What overlaps it is replaced.
func (l *Log) note(st *stream, d Damage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := slices.IndexFunc(st.damage, func(o Damage) bool { return o.First == d.First && o.Last == d.Last }); at >= 0 {
		d.Lost = st.damage[at].Lost
		st.damage[at] = d
		return
	}
	st.damage = slices.DeleteFunc(st.damage, func(o Damage) bool { return o.First <= d.Last && d.First <= o.Last })
	st.damage = append(st.damage, d)
	slices.SortFunc(st.damage, func(a, b Damage) int { return int(a.First) - int(b.First) })
	l.tail.forget(st)
}

// Damages lists what is known to be damaged, by stream, incarnation and offset.
func (l *Log) Damages() (all []Damage) {
	for _, head := range l.AllHeads() {
		st, _, err := l.lookupOf(head.Stream, head.Incarnation)
		if err != nil {
			continue
		}
		l.mu.RLock()
		all = append(all, st.damage...)
		l.mu.RUnlock()
	}
	return all
}

// Lose gives damage up: nobody has what it held. Readers are led past it, and told. If it is repaired later, it is not lost.
func (l *Log) Lose(d Damage) {
	st, _, err := l.lookupOf(d.Stream, d.Incarnation)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range st.damage {
		if st.damage[i].First == d.First && st.damage[i].Last == d.Last {
			st.damage[i].Lost = true
		}
	}
}

// Repair replaces what is damaged by blocks that somebody else has. They have to continue the chain before the damage and to
// end where the chain goes on behind it, so that nothing but the bytes that were there fits.
//
// Errors: plantmesh.ErrCorruptBlock, ErrChainDiverged where the blocks do not fit; ErrStorageFailed.
func (l *Log) Repair(ctx context.Context, d Damage, blocks [][]byte) error {
	l.replicas.open.RLock()
	defer l.replicas.open.RUnlock()
	if l.replicas.closed {
		return fmt.Errorf("repair %s: %w", d.Stream, plantmesh.ErrShuttingDown)
	}
	writer := l.replicas.writer(d.Stream)
	writer.Lock()
	defer writer.Unlock()
	l.trimming.Lock()
	defer l.trimming.Unlock()
	st, head, err := l.lookupOf(d.Stream, d.Incarnation)
	if err != nil {
		return err
	}
	p := progress{stream: st, head: headRecord{offset: d.First - 1, chain: d.Before, time: minTime}}
	for _, raw := range blocks {
		b, err := ParseBlock(raw)
		if err == nil {
			err = p.follow(b)
		}
		if err != nil {
			return fmt.Errorf("repair %s@%d to %d: %w", d.Stream, d.First, d.Last, err)
		}
	}
	want := head.chain
	if d.Last < head.offset {
		next, err := l.nextBlock(st, d.Last+1, head.offset)
		if err != nil {
			return fmt.Errorf("repair %s@%d to %d: what follows: %w", d.Stream, d.First, d.Last, err)
		}
		want = next.Previous()
	}
	if p.head.offset != d.Last || p.head.chain != want {
		return fmt.Errorf("repair %s@%d to %d: %w: the replacement ends at %d with chain %s, %s is due", d.Stream, d.First, d.Last,
			plantmesh.ErrChainDiverged, p.head.offset, p.head.chain, want)
	}
	return l.replace(ctx, st, d, p.blocks)
}

// healthySpan is the keys to take out around damage, and the sound block before it that has to be put back. Both ends have
// to lie where the tables can be read: Pebble looks there for what stays, and what it cannot read it drops without a word.
func (l *Log) healthySpan(st *stream, d Damage) (pebble.KeyRange, []*Block, error) {
	span := pebble.KeyRange{Start: blockKey(st.number, d.First), End: blockKey(st.number, d.Last+1)}
	var around []*Block
	if d.First > l.begins(st).before+1 {
		before, err := l.readBlock(st.number, d.First-1)
		if err != nil {
			return span, nil, err
		}
		span.Start, around = blockKey(st.number, before.Last()), []*Block{before}
	}
	iter, err := l.db.NewIter(nil)
	if err != nil {
		return span, nil, err
	}
	defer iter.Close()
	if iter.SeekGE(span.End) {
		span.End = append([]byte(nil), iter.Key()...)
	}
	if err := iter.Error(); err != nil {
		return span, nil, fmt.Errorf("the table is damaged beyond it, too: %w", err)
	}
	iter.SeekLT(span.Start)
	if err := iter.Error(); err != nil {
		return span, nil, fmt.Errorf("the table is damaged before it, too: %w", err)
	}
	return span, around, nil
}

// replace takes the damaged bytes out of the database, whatever they are, and puts blocks in their place.
func (l *Log) replace(ctx context.Context, st *stream, d Damage, blocks []*Block) error {
	if err := l.Err(); err != nil {
		return err
	}
	span, around, err := l.healthySpan(st, d)
	if err == nil {
		err = l.db.Excise(ctx, span)
	}
	if err != nil {
		return fmt.Errorf("repair %s@%d to %d: %w", d.Stream, d.First, d.Last, damaged(err))
	}
	blocks = append(around, blocks...)
	batch := l.db.NewBatch()
	own := d.Stream.Origin() == l.opts.Site
	for _, b := range blocks {
		err := putBlock(batch, st.number, b)
		if err == nil && own {
			err = l.eachID(b, func(h idHash, o plantmesh.Offset) error { return batch.Set(idKey(st.number, h), encodeOffset(o), nil) })
		}
		if err != nil {
			return errors.Join(err, batch.Close())
		}
	}
	if err := l.commit(batch); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	st.damage = slices.DeleteFunc(st.damage, func(o Damage) bool { return o.First == d.First && o.Last == d.Last })
	return nil
}
