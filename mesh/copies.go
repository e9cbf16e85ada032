package mesh

import (
	"context"
	"fmt"

	"github.com/plantmesh/plantmesh"
)

// WaitCopies waits until an offset of one of this site's own streams is durable at as many sites, this one included.
//
// Errors: plantmesh.ErrCopiesMissing when ctx ends first, with who lacks it.
func (m *Mesh) WaitCopies(ctx context.Context, s plantmesh.StreamName, i plantmesh.Incarnation, off plantmesh.Offset, copies int) error {
	for {
		have, changed := m.followers.copies(s, i, off)
		if 1+have >= copies {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %s@%d is durable here and at %d other sites that reported it, %d were asked for; it stays recorded, and is replicated as soon as sites that subscribe to the stream are linked",
				plantmesh.ErrCopiesMissing, s, off, have, copies-1)
		}
	}
}

// copies counts the followers that hold an offset durably. changed is closed when the number may have changed.
func (f *followers) copies(s plantmesh.StreamName, i plantmesh.Incarnation, off plantmesh.Offset) (have int, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, e := range f.table {
		if key.stream == s && e.history == i && e.durable >= off {
			have++
		}
	}
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return have, f.changed
}

// moved wakes who waits for copies. f.mu is held.
func (f *followers) moved() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}
