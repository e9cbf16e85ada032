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
}

// Verify reads every block of a stream from disk again, up to the head at the time of the call, and checks checksums,
// chain, offsets and payloads. The report says how far it came, also with an error.
//
// Errors: plantmesh.ErrUnknownStream; plantmesh.ErrCorruptBlock; plantmesh.ErrChainDiverged; those of ctx.
func (l *Log) Verify(ctx context.Context, s plantmesh.StreamName) (Report, error) {
	st, head, err := l.lookup(s)
	if err != nil {
		return Report{}, err
	}
	at := progress{stream: st, head: headRecord{chain: genesis(l.opts.Mesh, s, st.record.incarnation), time: minTime}}
	report := Report{Replica: s.Origin() != l.opts.Site}
	err = l.eachBlock(ctx, st, 0, head.offset, func(b *Block) error {
		at.blocks = at.blocks[:0]
		if err := at.follow(b); err != nil {
			return err
		}
		report.Blocks++
		report.Events += uint64(b.Count())
		return nil
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
