package storage

import (
	"context"
	"fmt"

	"github.com/plantmesh/plantmesh"
)

// Proof is what makes a run of events the origin's: the blocks that hold it, linked by their chain values up to a place that
// the origin signed.
type Proof struct {
	First, Last plantmesh.Offset // of the blocks that hold the run
	Blocks      int              // read, up to the checkpoint
	Checkpoint  plantmesh.Checkpoint
}

// Prove reads the blocks that hold a run of events again, and those behind them up to the first checkpoint at its end or
// behind it, and checks each: checksum, offsets, payload, and that the next continues it. check is given the checkpoint, to
// verify its signature.
//
// Errors: those of VerifyOf; plantmesh.ErrInvalidCheckpoint if the origin has signed nothing behind the run; check's.
func (l *Log) Prove(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, from, to plantmesh.Offset, check func(plantmesh.Checkpoint) error) (Proof, error) {
	st, head, err := l.lookupOf(s, i)
	if err != nil {
		return Proof{}, err
	}
	asked := from
	if to > head.offset {
		asked = to
	}
	if from == 0 || from > to || to > head.offset || from <= l.begins(st).before {
		return Proof{}, l.offsetError(st, head, asked)
	}
	signed, err := l.Checkpoints(s, st.record.incarnation, to-1, 1)
	if err != nil {
		return Proof{}, err
	}
	if len(signed) == 0 {
		return Proof{}, fmt.Errorf("%w: %s has signed nothing of %s behind offset %d yet that is held here", plantmesh.ErrInvalidCheckpoint, s.Origin(), s, to)
	}
	p := Proof{Checkpoint: signed[0]}
	if err := check(p.Checkpoint); err != nil {
		return p, err
	}
	var at progress
	err = l.eachBlock(ctx, st, from-1, p.Checkpoint.Offset, func(b *Block) error {
		if p.Blocks == 0 {
			p.First = b.First()
			at = progress{stream: st, head: headRecord{offset: b.First() - 1, time: minTime, chain: b.Previous()}}
		}
		if b.First() <= to {
			p.Last = b.Last()
		}
		p.Blocks++
		at.blocks = at.blocks[:0]
		return at.follow(b)
	})
	if err == nil && at.head.chain != p.Checkpoint.Chain {
		err = fmt.Errorf("%w: the origin signed chain %s after offset %d, the blocks have %s", plantmesh.ErrChainDiverged, p.Checkpoint.Chain, p.Checkpoint.Offset, at.head.chain)
	}
	if err != nil {
		return p, fmt.Errorf("prove %s@%d to %d: %w", s, from, to, err)
	}
	return p, nil
}
