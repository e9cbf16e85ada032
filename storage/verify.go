package storage

import (
	"context"
	"fmt"

	"github.com/plantmesh/plantmesh"
)

// Report is what Verify found.
type Report struct {
	Head    plantmesh.Head // up to which everything was read; its chain value was computed from the blocks
	Blocks  int
	Events  uint64
	Replica bool

	Signed      plantmesh.Offset // up to which the origin's checkpoints agree with what was read
	Checkpoints int
}

// Verify reads every block of a stream's current incarnation from disk again, up to the head at the time of the call, and
// checks checksums, chain, offsets and payloads, and that the chain is the one its checkpoints were signed for. The report
// says how far it came, also with an error.
//
// Errors: plantmesh.ErrUnknownStream; plantmesh.ErrCorruptBlock; plantmesh.ErrChainDiverged; those of ctx.
func (l *Log) Verify(ctx context.Context, s plantmesh.StreamName) (Report, error) {
	return l.VerifyOf(ctx, s, 0, nil)
}

// VerifyOf is Verify for an incarnation of the stream, 0 for the current one. check, if not nil, is given every checkpoint, to
// verify its signature.
//
// Errors: those of Verify; plantmesh.ErrIncarnationChanged; check's.
func (l *Log) VerifyOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, check func(plantmesh.Checkpoint) error) (Report, error) {
	st, head, err := l.lookupOf(s, i)
	if err != nil {
		return Report{}, err
	}
	begin := l.begins(st)
	at := progress{stream: st, head: headRecord{offset: begin.before, stored: begin.stored, chain: begin.chain, time: minTime}}
	report := Report{Replica: s.Origin() != l.opts.Site}
	proof := signedReader{log: l, stream: st, check: check}
	err = l.eachBlock(ctx, st, begin.before, head.offset, func(b *Block) error {
		at.blocks = at.blocks[:0]
		if err := at.follow(b); err != nil {
			return err
		}
		report.Blocks++
		report.Events += uint64(b.Count())
		return proof.compare(b, &report)
	})
	report.Head = at.head.head(st.record)
	if err == nil && at.head != head {
		err = corrupt("its blocks end at %d with chain %s, its head says %d and %s", at.head.offset, at.head.chain, head.offset, head.chain)
	}
	if err != nil {
		return report, fmt.Errorf("verify %s, whole up to %d: %w", s, at.head.offset, err)
	}
	return report, nil
}

// minTime is before everything recorded.
const minTime = -1 << 63

// signedReader goes through the checkpoints of a stream as its blocks are read.
type signedReader struct {
	log    *Log
	stream *stream
	next   []plantmesh.Checkpoint
	read   plantmesh.Offset // checkpoints up to here were fetched
	ended  bool
	check  func(plantmesh.Checkpoint) error // may be nil
}

// signedAtOnce is how many checkpoints are fetched at a time.
const signedAtOnce = 64

// compare holds the checkpoints within a block against the chain at its end: they belong nowhere else.
func (r *signedReader) compare(b *Block, report *Report) error {
	for {
		if len(r.next) == 0 && !r.ended {
			record := r.stream.record
			next, err := r.log.Checkpoints(record.name, record.incarnation, r.read, signedAtOnce)
			if err != nil {
				return err
			}
			r.next, r.ended = next, len(next) == 0
		}
		if len(r.next) == 0 || r.next[0].Offset > b.Last() {
			return nil
		}
		c := r.next[0]
		r.next, r.read = r.next[1:], c.Offset
		if c.Offset != b.Last() || c.Chain != b.Chain() {
			return fmt.Errorf("%w: the origin signed chain %s after offset %d, the block that ends at %d has %s",
				plantmesh.ErrChainDiverged, c.Chain, c.Offset, b.Last(), b.Chain())
		}
		if r.check != nil {
			if err := r.check(c); err != nil {
				return err
			}
		}
		report.Signed, report.Checkpoints = c.Offset, report.Checkpoints+1
	}
}
