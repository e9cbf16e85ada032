package storage

import (
	"slices"
	"sort"

	"github.com/plantmesh/plantmesh"
)

// tail holds the newest blocks of all streams, up to a number of bytes. It is guarded by Log.mu.
type tail struct {
	limit  int
	bytes  int
	order  []*stream            // one entry for each block held, oldest first
	blocks map[*stream][]*Block // each contiguous, up to the stream's head
}

// blockOverhead is what a block costs beside its bytes.
const blockOverhead = 256

func (b *Block) cost() int {
	cost := len(b.bytes) + blockOverhead
	if b.codec != codecRaw {
		cost += int(b.rawBytes)
	}
	return cost
}

// add appends blocks that have just become durable and lets the oldest go.
func (t *tail) add(s *stream, blocks []*Block) {
	if t.blocks == nil {
		t.blocks = map[*stream][]*Block{}
	}
	for _, b := range blocks {
		t.blocks[s] = append(t.blocks[s], b)
		t.order = append(t.order, s)
		t.bytes += b.cost()
	}
	for t.bytes > t.limit && len(t.order) > 0 {
		oldest := t.order[0]
		t.order = t.order[1:]
		held := t.blocks[oldest]
		t.bytes -= held[0].cost()
		held[0] = nil
		if t.blocks[oldest] = held[1:]; len(held) == 1 {
			delete(t.blocks, oldest)
		}
	}
}

// forget lets go of all blocks of a stream.
func (t *tail) forget(s *stream) {
	for _, b := range t.blocks[s] {
		t.bytes -= b.cost()
	}
	delete(t.blocks, s)
	t.order = slices.DeleteFunc(t.order, func(o *stream) bool { return o == s })
}

// after returns the blocks that hold offsets behind after, if the tail reaches back that far. The slice is shared: blocks
// are appended to it and let go, but those in it stay.
func (t *tail) after(s *stream, after plantmesh.Offset, maxBytes int) ([]*Block, bool) {
	held := t.blocks[s]
	if len(held) == 0 || held[0].First() > after+1 {
		return nil, false
	}
	from := sort.Search(len(held), func(i int) bool { return held[i].Last() > after })
	to, bytes := from, 0
	for to < len(held) && (to == from || bytes+len(held[to].bytes) <= maxBytes) {
		bytes += len(held[to].bytes)
		to++
	}
	return append([]*Block(nil), held[from:to]...), true
}
