package mesh

import "time"

const (
	// maxFrameBytes is the most that a frame of blocks may hold.
	maxFrameBytes = 4 << 20
	// minFrameBytes is what a slow line gets: little enough to arrive whole between two interruptions.
	minFrameBytes = 64 << 10
	// A frame that the line took faster than fast may be twice as large next time; slower than slow, half.
	fastFrame = 200 * time.Millisecond
	slowFrame = time.Second
)

// frameSize fits frames to the line: blocks of a frame are made durable together and lost together when the line breaks,
// so a frame should take the line about a second at most. The zero value starts small.
type frameSize struct{ shift uint }

func (f *frameSize) bytes() int { return minFrameBytes << f.shift }

// took adjusts the size by how long the line was busy with a frame.
func (f *frameSize) took(d time.Duration) {
	switch {
	case d < fastFrame && f.bytes() < maxFrameBytes:
		f.shift++
	case d > slowFrame && f.shift > 0:
		f.shift--
	}
}
