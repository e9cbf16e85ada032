package storage

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/plantmesh/plantmesh"
)

// Why a folder cannot be opened. The error's text says what to do.
var (
	ErrInUse       = errors.New("folder in use")
	ErrNewerFormat = errors.New("written by a newer version")
	ErrOtherSite   = errors.New("folder of another site or mesh")
)

// failure is the first error that made a database stop writing.
type failure struct {
	dir   string
	cause error
}

// Error says what happened and what to do, once for every write that is refused.
func (f *failure) Error() string {
	return fmt.Sprintf("%v: %s: %v: nothing more is written until the node restarts; check the disk, its free space and the system's log, then restart",
		plantmesh.ErrStorageFailed, f.dir, f.cause)
}

func (f *failure) Unwrap() []error { return []error{plantmesh.ErrStorageFailed, f.cause} }

// corrupt marks an error as damage to what is stored.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", plantmesh.ErrCorruptBlock, fmt.Errorf(format, args...))
}

// failureBox holds the first failure.
type failureBox struct {
	report func(*failure)
	first  atomic.Pointer[failure]
	failed chan struct{} // closed after first is set
}

// fail notes a failure; only the first counts.
func (b *failureBox) fail(f *failure) {
	if b.first.CompareAndSwap(nil, f) {
		close(b.failed)
		b.report(f)
	}
}

// failure returns the first failure, or nil.
func (b *failureBox) failure() *failure { return b.first.Load() }
