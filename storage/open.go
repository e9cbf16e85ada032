package storage

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// What a folder says about itself, under meta keys.
const (
	metaFormat = "format" // version of everything in this package's keys and values
	metaKind   = "kind"   // log or state
	metaMesh   = "mesh"
	metaSite   = "site"
	metaIDKey  = "id-key" // secret of the id hashes; logs only

	formatVersion = 1
	kindLog       = "log"
	kindState     = "state"
)

// database is an open folder: what Log and State share.
type database struct {
	dir  string
	db   *pebble.DB
	fs   *walFS
	lock *pebble.Lock
	opts Options
	failureBox
}

// openDatabase opens or creates a folder and checks that it is what the caller means.
func openDatabase(dir, kind string, o Options) (*database, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	dir = filepath.Clean(dir)
	logger := o.Logger.With("dir", dir)
	d := &database{dir: dir, opts: o, failureBox: failureBox{failed: make(chan struct{})}}
	d.report = func(f *failure) {
		logger.Error("storage failed: nothing more is written until a restart", "error", f.cause)
	}
	d.fs = newWALFS(o.FS, kind == kindState, func(cause error) { d.fail(&failure{dir: dir, cause: cause}) })
	fatal := func(cause error) { d.fs.fail("storage engine", cause) }
	if err := d.open(kind, pebbleLogger{logger: logger, failed: fatal, last: &atomic.Pointer[string]{}}); err != nil {
		return nil, fmt.Errorf("open %s %s: %w", kind, dir, err)
	}
	return d, nil
}

func (d *database) open(kind string, logger pebbleLogger) (err error) {
	if err := d.opts.FS.MkdirAll(d.dir, 0o750); err != nil {
		return explain(err)
	}
	if d.lock, err = lockDir(d.opts.FS, d.dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.lock.Close())
		}
	}()
	if d.db, err = pebble.Open(d.dir, d.opts.pebble(kind, d.fs, d.lock, logger)); err != nil {
		return explain(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.db.Close())
		}
	}()
	if err := d.identify(kind); err != nil {
		return err
	}
	if f := d.failure(); f != nil {
		return f
	}
	return nil
}

func lockDir(fsys vfs.FS, dir string) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(dir, fsys)
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EACCES) && !isPathError(err), strings.Contains(err.Error(), "held by current process"):
		return nil, fmt.Errorf("%w: another node has it open; stop that node, or give this one a folder of its own (data_dir)", ErrInUse)
	default:
		return nil, explain(err)
	}
}

// isPathError tells a file that may not be opened from a lock that is held: both can be EACCES.
func isPathError(err error) bool {
	var p *fs.PathError
	return errors.As(err, &p)
}

// explain adds to an error of the disk what to do about it.
func explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: the folder and all in it must belong to the user that runs the node and be writable (chown -R, chmod -R u+rwX)", err)
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: free space on this disk; nothing recorded is lost", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w: a file is in the way; give the node a folder (data_dir)", err)
	case strings.Contains(err.Error(), "unknown format major version"):
		return fmt.Errorf("%w: %w; run the version of plantmesh that wrote it, or a newer one", ErrNewerFormat, err)
	case errors.Is(err, pebble.ErrCorruption):
		return fmt.Errorf("%w: the folder is damaged; restore it from a copy, or set it aside and let the node start anew", err)
	}
	return err
}

// identify compares what the folder says about itself with what is wanted; an empty folder is given its identity.
func (d *database) identify(kind string) error {
	found, err := d.meta(metaFormat)
	if err != nil {
		return err
	}
	if found == "" {
		return d.initialize(kind)
	}
	if v, err := strconv.Atoi(found); err != nil || v > formatVersion {
		return fmt.Errorf("%w: format %s, this one knows up to %d; run the version of plantmesh that wrote it, or a newer one", ErrNewerFormat, found, formatVersion)
	}
	for _, want := range []struct{ name, value string }{{metaKind, kind}, {metaMesh, d.opts.Mesh}, {metaSite, string(d.opts.Site)}} {
		found, err := d.meta(want.name)
		if err != nil {
			return err
		}
		if found != want.value {
			return fmt.Errorf("%w: its %s is %q, not %q; correct the configuration (mesh, site or data_dir)", ErrOtherSite, want.name, found, want.value)
		}
	}
	return nil
}

func (d *database) initialize(kind string) error {
	if err := d.expectEmpty(); err != nil {
		return err
	}
	b := d.db.NewBatch()
	defer b.Close()
	values := map[string]string{metaKind: kind, metaMesh: d.opts.Mesh, metaSite: string(d.opts.Site), metaFormat: strconv.Itoa(formatVersion)}
	if kind == kindLog {
		values[metaIDKey] = rand.Text() + rand.Text()
	}
	for name, value := range values {
		if err := b.Set(metaKey(name), []byte(value), nil); err != nil {
			return err
		}
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return explain(err)
	}
	return nil
}

// expectEmpty keeps a Pebble database of something else from being taken over.
func (d *database) expectEmpty() error {
	iter, err := d.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer iter.Close()
	if iter.First() {
		return fmt.Errorf("%w: it holds a database of another program; give the node a folder of its own (data_dir)", ErrOtherSite)
	}
	return iter.Error()
}

// meta returns a value that the folder says about itself; empty if it says none.
func (d *database) meta(name string) (string, error) {
	b, err := d.get(metaKey(name))
	if errors.Is(err, pebble.ErrNotFound) {
		return "", nil
	}
	return string(b), err
}

// get copies a value out of the database.
func (d *database) get(key []byte) ([]byte, error) {
	value, closer, err := d.db.Get(key)
	if err != nil {
		return nil, damaged(err)
	}
	b := append([]byte(nil), value...)
	return b, closer.Close()
}

// damaged marks Pebble's errors about damaged files as ours.
func damaged(err error) error {
	if errors.Is(err, pebble.ErrCorruption) {
		return corrupt("%w", err)
	}
	return err
}

// close closes everything. After a failure Pebble's own complaints about the frozen disk are of no interest.
func (d *database) close() error {
	d.fs.release()
	err := d.db.Close()
	if d.failure() != nil {
		err = nil
	}
	if err = errors.Join(err, d.lock.Close()); err != nil {
		return fmt.Errorf("close %s: %w", d.dir, err)
	}
	return nil
}
