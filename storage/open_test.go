package storage_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/plantmesh/plantmesh/storage"
)

func options(fs vfs.FS) storage.Options {
	return storage.Options{Mesh: "acme", Site: "plant-a", FS: fs}
}

// expectOpenError opens a log and expects an error that is want and says the words.
func expectOpenError(t *testing.T, dir string, o storage.Options, want error, words ...string) {
	t.Helper()
	l, err := storage.Open(dir, o)
	if err == nil {
		_ = l.Close()
	}
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
	for _, word := range append(words, dir) {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

func TestFolderInUseIsRefused(t *testing.T) {
	for name, disk := range map[string]vfs.FS{"memory": vfs.NewMem(), "disk": vfs.Default} {
		t.Run(name, func(t *testing.T) {
			dir := "log"
			if name == "disk" {
				dir = filepath.Join(t.TempDir(), "log")
			}
			l, err := storage.Open(dir, options(disk))
			if err != nil {
				t.Fatal(err)
			}
			expectOpenError(t, dir, options(disk), storage.ErrInUse, "stop that node", "data_dir")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if l, err = storage.Open(dir, options(disk)); err != nil {
				t.Fatalf("after it was closed: %v", err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFolderOfAnotherSiteOrMeshIsRefused(t *testing.T) {
	disk := vfs.NewMem()
	if err := open(t, disk, "plant-a").Close(); err != nil {
		t.Fatal(err)
	}
	site, mesh := options(disk), options(disk)
	site.Site, mesh.Mesh = "plant-b", "acme-test"
	expectOpenError(t, "log", site, storage.ErrOtherSite, "plant-a", "plant-b")
	expectOpenError(t, "log", mesh, storage.ErrOtherSite, `"acme"`, "acme-test")
	if s, err := storage.OpenState("log", options(disk)); !errors.Is(err, storage.ErrOtherSite) {
		t.Errorf("a log opened as state: %v, %v", s, err)
	}
	if err := open(t, disk, "plant-a").Close(); err != nil {
		t.Errorf("after the refusals: %v", err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	disk := vfs.NewMem()
	if err := open(t, disk, "plant-a").Close(); err != nil {
		t.Fatal(err)
	}
	db, err := pebble.Open("log", &pebble.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Set([]byte("mformat"), []byte("2"), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	expectOpenError(t, "log", options(disk), storage.ErrNewerFormat, "format 2", "newer one")
}

func TestFolderOfANewerStorageEngineIsRefused(t *testing.T) {
	disk := vfs.NewMem()
	if err := open(t, disk, "plant-a").Close(); err != nil {
		t.Fatal(err)
	}
	names, err := disk.List("log")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "marker.format-version.") {
			if err := disk.Rename(disk.PathJoin("log", name), disk.PathJoin("log", "marker.format-version.000099.999")); err != nil {
				t.Fatal(err)
			}
		}
	}
	expectOpenError(t, "log", options(disk), storage.ErrNewerFormat, "newer one")
}

func TestDatabaseOfAnotherProgramIsRefused(t *testing.T) {
	disk := vfs.NewMem()
	db, err := pebble.Open("log", &pebble.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Set([]byte("k"), nil, pebble.Sync), db.Close()); err != nil {
		t.Fatal(err)
	}
	expectOpenError(t, "log", options(disk), storage.ErrOtherSite, "another program")
}

func TestMissingPermissionSaysWhatToDo(t *testing.T) {
	for _, kind := range []errorfs.OpKind{errorfs.OpMkdirAll, errorfs.OpLock, errorfs.OpList, errorfs.OpCreate} {
		disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == kind {
				return &fs.PathError{Op: "open", Path: op.Path, Err: oserror.ErrPermission}
			}
			return nil
		}))
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			expectOpenError(t, "log", options(disk), fs.ErrPermission, "must belong to the user", "chown")
		})
	}
}

func TestFileInTheWayIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := storage.Open(filepath.Join(file, "log"), options(nil))
	if err == nil || !strings.Contains(err.Error(), "a file is in the way") {
		t.Errorf("got %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for word, change := range map[string]func(*storage.Options){
		"mesh":              func(o *storage.Options) { o.Mesh = "" },
		"site":              func(o *storage.Options) { o.Site = "Plant A" },
		"tail_bytes":        func(o *storage.Options) { o.TailBytes = -1 },
		"max_block_bytes":   func(o *storage.Options) { o.MaxBlockBytes = storage.MaxBlockBytesLimit + 1 },
		"cache_bytes":       func(o *storage.Options) { o.CacheBytes = -1 },
		"max_pending_bytes": func(o *storage.Options) { o.MaxPendingBytes = -1 },
	} {
		o := options(vfs.NewMem())
		change(&o)
		if _, err := storage.Open("log", o); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: got %v", word, err)
		}
	}
}
