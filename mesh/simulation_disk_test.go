package mesh_test

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/storage"
)

// simDisk is a disk that can lose its power and run full.
type simDisk struct {
	vfs.FS
	memory *vfs.MemFS
	full   *atomic.Bool // nothing can be written any more
	scarce *atomic.Bool // only the reserve is left
}

func newSimDisk(memory *vfs.MemFS, full, scarce *atomic.Bool) *simDisk {
	d := &simDisk{memory: memory, full: full, scarce: scarce}
	writes := []errorfs.OpKind{errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFilePreallocate}
	d.FS = errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && slices.Contains(writes, op.Kind) {
			return syscall.ENOSPC
		}
		return nil
	}))
	return d
}

func (d *simDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	if d.scarce.Load() || d.full.Load() {
		return vfs.DiskUsage{AvailBytes: 10 << 20, TotalBytes: 1 << 40}, nil
	}
	return vfs.DiskUsage{AvailBytes: 1 << 39, TotalBytes: 1 << 40}, nil
}

// simLie is in what a holder of a stream lies to those that replicate from it.
type simLie int32

const (
	honest       simLie = iota
	lieBlocks           // a byte of a block is another
	lieForged           // the same, with a checksum that fits; of other sites' streams
	lieSignature        // the origin's signature is not its own; of other sites' streams
)

// lyingLog is a log whose holder alters what it serves.
type lyingLog struct {
	*storage.Log
	lie *atomic.Int32
}

// wrapLies lets a site lie.
func (n *simNode) wrapLies() func(*storage.Log) mesh.Log {
	return func(l *storage.Log) mesh.Log { return lyingLog{l, &n.lie} }
}

func (l lyingLog) RawBlocksOf(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, maxBytes int) ([][]byte, error) {
	blocks, err := l.Log.RawBlocksOf(ctx, s, i, after, maxBytes)
	lie, own := simLie(l.lie.Load()), s.Origin() == l.Site()
	if err != nil || len(blocks) == 0 || lie != lieBlocks && (lie != lieForged || own) {
		return blocks, err
	}
	at := int(after) % len(blocks)
	blocks[at] = slices.Clone(blocks[at])
	blocks[at][len(blocks[at])-1-int(after)%8] ^= 0x40
	if lie == lieForged {
		fitChecksum(blocks[at])
	}
	return blocks, nil
}

// fitChecksum computes the checksum of an altered block, which stands at 36 in its header.
func fitChecksum(block []byte) {
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.BigEndian.PutUint32(block[36:], crc32.Update(crc32.Checksum(block[:36], table), table, block[40:]))
}

func (l lyingLog) Checkpoint(s plantmesh.StreamName, i plantmesh.Incarnation) (plantmesh.Checkpoint, error) {
	c, err := l.Log.Checkpoint(s, i)
	return l.forge(c), err
}

func (l lyingLog) Checkpoints(s plantmesh.StreamName, i plantmesh.Incarnation, after plantmesh.Offset, limit int) ([]plantmesh.Checkpoint, error) {
	all, err := l.Log.Checkpoints(s, i, after, limit)
	for at := range all {
		all[at] = l.forge(all[at])
	}
	return all, err
}

func (l lyingLog) forge(c plantmesh.Checkpoint) plantmesh.Checkpoint {
	if simLie(l.lie.Load()) == lieSignature && len(c.Signed) > 0 && c.Stream.Origin() != l.Site() {
		c.Signed = slices.Clone(c.Signed)
		c.Signed[len(c.Signed)-1] ^= 1
	}
	return c
}
