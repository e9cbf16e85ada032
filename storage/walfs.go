package storage

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// walFS is the file system as Pebble sees it. It is there because Pebble ends the process when it cannot write, sync or
// rotate its write-ahead log.
//
// At the first such error walFS reports it, and from then on the disk stays as it was: further writes to the write-ahead
// log go nowhere, everything else that would change the disk waits until release and then fails. Reads go on. Pebble sees
// no error, so whoever waits for a sync has to ask whether one was reported before it believes that the sync took place.
//
// With lazy set, the write-ahead log is written to the operating system at every commit and fsynced only when it is
// closed: its data survives the process, not the machine.
type walFS struct {
	vfs.FS
	lazy   bool
	failed func(cause error) // called once

	mu       sync.Mutex
	broken   error
	released chan struct{}
}

var errFrozen = fmt.Errorf("the disk failed before: nothing more is written")

func newWALFS(fs vfs.FS, lazy bool, failed func(error)) *walFS {
	return &walFS{FS: fs, lazy: lazy, failed: failed, released: make(chan struct{})}
}

// release lets what waits go on, into an error.
func (f *walFS) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.released:
	default:
		close(f.released)
	}
}

// isWAL tells the write-ahead log's files by name.
func isWAL(name string) bool { return strings.HasSuffix(name, ".log") }

func (f *walFS) isBroken() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken != nil
}

// fail notes the first error of the write-ahead log.
func (f *walFS) fail(op string, err error) {
	f.mu.Lock()
	first := f.broken == nil
	if first {
		f.broken = fmt.Errorf("%s: %w", op, err)
	}
	cause := f.broken
	f.mu.Unlock()
	if first {
		f.failed(cause)
	}
}

// frozen waits while the disk must stay as it is. It returns an error if it must.
func (f *walFS) frozen() error {
	if !f.isBroken() {
		return nil
	}
	<-f.released
	return errFrozen
}

// isMarker tells the files by whose names Pebble finds its manifest and its format.
func (f *walFS) isMarker(name string) bool { return strings.HasPrefix(f.PathBase(name), "marker.") }

// syncFolder makes what was created and removed beside a file durable. Pebble creates a manifest, then the marker that
// names it, then removes the marker before, and only then syncs the folder: on a disk that keeps some of these and not
// others a power cut could leave a marker that names nothing, or none.
func (f *walFS) syncFolder(name string) error {
	dir, err := f.FS.OpenDir(f.PathDir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (f *walFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if f.isMarker(name) && !f.isBroken() {
		if err := f.syncFolder(name); err != nil {
			f.fail("sync the folder", err)
		}
	}
	return f.open(name, func() (vfs.File, error) { return f.FS.Create(name, category) })
}

func (f *walFS) ReuseForWrite(from, to string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(to, func() (vfs.File, error) { return f.FS.ReuseForWrite(from, to, category) })
}

func (f *walFS) open(name string, create func() (vfs.File, error)) (vfs.File, error) {
	if !isWAL(name) {
		if err := f.frozen(); err != nil {
			return nil, err
		}
		file, err := create()
		if err != nil {
			return nil, err
		}
		return &otherFile{File: file, fs: f}, nil
	}
	if !f.isBroken() {
		file, err := create()
		if err == nil {
			return &walFile{File: file, fs: f}, nil
		}
		f.fail("create "+name, err)
	}
	return &walFile{File: vfs.NewMemFile(nil), fs: f}, nil
}

func (f *walFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &walDir{File: file, fs: f}, nil
}

func (f *walFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if err := f.frozen(); err != nil {
		return nil, err
	}
	return f.FS.OpenReadWrite(name, category, opts...)
}

func (f *walFS) Link(from, to string) error {
	if err := f.frozen(); err != nil {
		return err
	}
	return f.FS.Link(from, to)
}

func (f *walFS) Remove(name string) error {
	if err := f.frozen(); err != nil {
		return err
	}
	if f.isMarker(name) {
		if err := f.syncFolder(name); err != nil {
			return err
		}
	}
	return f.FS.Remove(name)
}

func (f *walFS) RemoveAll(name string) error {
	if err := f.frozen(); err != nil {
		return err
	}
	return f.FS.RemoveAll(name)
}

func (f *walFS) Rename(from, to string) error {
	if err := f.frozen(); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f *walFS) MkdirAll(dir string, perm os.FileMode) error {
	if err := f.frozen(); err != nil {
		return err
	}
	return f.FS.MkdirAll(dir, perm)
}

func (f *walFS) Unwrap() vfs.FS { return f.FS }

// walFile is a file of the write-ahead log: its errors are reported to walFS and not to Pebble.
type walFile struct {
	vfs.File
	fs *walFS
}

func (w *walFile) do(op string, fn func() error) {
	if w.fs.isBroken() {
		return
	}
	if err := fn(); err != nil {
		w.fs.fail(op, err)
	}
}

func (w *walFile) Write(b []byte) (int, error) {
	w.do("write the write-ahead log", func() error { _, err := w.File.Write(b); return err })
	return len(b), nil
}

func (w *walFile) Preallocate(offset, length int64) error {
	if w.fs.isBroken() {
		return nil
	}
	return w.File.Preallocate(offset, length)
}

func (w *walFile) Sync() error {
	if !w.fs.lazy {
		w.do("sync the write-ahead log", w.File.Sync)
	}
	return nil
}

func (w *walFile) SyncData() error {
	if !w.fs.lazy {
		w.do("sync the write-ahead log", w.File.SyncData)
	}
	return nil
}

func (w *walFile) SyncTo(length int64) (full bool, err error) {
	if !w.fs.lazy {
		w.do("sync the write-ahead log", func() (err error) { full, err = w.File.SyncTo(length); return err })
	}
	return full, nil
}

func (w *walFile) Close() error {
	if w.fs.lazy {
		w.do("sync the write-ahead log", w.File.Sync)
	}
	err := w.File.Close()
	w.do("close the write-ahead log", func() error { return err })
	return nil
}

// walDir is the folder: a new file of the write-ahead log exists only when it is synced.
type walDir struct {
	vfs.File
	fs *walFS
}

func (d *walDir) Sync() error {
	if d.fs.isBroken() {
		return nil
	}
	if err := d.File.Sync(); err != nil {
		d.fs.fail("sync the folder", err)
	}
	return nil
}

// otherFile is any other file that is written: tables and manifests.
type otherFile struct {
	vfs.File
	fs *walFS
}

func (o *otherFile) Write(b []byte) (int, error) {
	if err := o.fs.frozen(); err != nil {
		return 0, err
	}
	return o.File.Write(b)
}

func (o *otherFile) Sync() error {
	if err := o.fs.frozen(); err != nil {
		return err
	}
	return o.File.Sync()
}

func (o *otherFile) SyncData() error {
	if err := o.fs.frozen(); err != nil {
		return err
	}
	return o.File.SyncData()
}
