package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/adapter"
	"github.com/plantmesh/plantmesh/storage"
)

// Log is what the adapter needs of the site's log; *storage.Log is one.
type Log interface {
	Append(ctx context.Context, w storage.Write) ([]storage.Receipt, error)
	Lookup(s plantmesh.StreamName, source, id string) (plantmesh.Offset, error)
	Cursor(name string) ([]byte, error)
	Cursors(prefix string, fn func(name string, value []byte) error) error
}

// Adapter watches one folder. Status may be called at any time; Run once.
type Adapter struct {
	config  Config
	site    plantmesh.SiteID
	mapping *adapter.Mapping
	log     Log
	logger  *slog.Logger

	seen map[string]sighting // of files that are not settled yet; Run's own

	mu      sync.Mutex // guards what follows, and every progress in files
	total   totals
	files   map[string]*progress
	problem string
}

// sighting is when a file was first seen as it is now.
type sighting struct {
	identity
	since time.Time
}

// New makes an adapter and reads its progress. It starts nothing.
func New(config Config, site plantmesh.SiteID, mapping *adapter.Mapping, log Log, logger *slog.Logger) (*Adapter, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	a := &Adapter{
		config: config, site: site, mapping: mapping, log: log, logger: logger.With("adapter", config.Name), seen: map[string]sighting{},
	}
	if a.total, a.files, err = restore(config, log); err != nil {
		return nil, fmt.Errorf("adapter %s: %w", config.Name, err)
	}
	return a, nil
}

// Run reads what is dropped until ctx ends; it returns nil then. Trouble with a file or with the folder is shown in the status
// and tried again; only a log that has failed ends it with an error.
func (a *Adapter) Run(ctx context.Context) error {
	changed, stop := a.watch()
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-timer.C:
		}
		wait, err := a.scan(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, plantmesh.ErrStorageFailed) {
			return fmt.Errorf("adapter %s: %w", a.config.Name, err)
		}
		a.report(err)
		timer.Reset(wait)
	}
}

// watch notifies of changes in the folder, as far as the system does; the rescan finds the rest.
func (a *Adapter) watch() (<-chan fsnotify.Event, func()) {
	watcher, err := fsnotify.NewBufferedWatcher(64)
	if err != nil {
		a.logger.Warn("no notifications of file changes: the folder is only scanned", "error", err)
		return nil, func() {}
	}
	if err := errors.Join(os.MkdirAll(a.config.Dir, 0o755), watcher.Add(a.config.Dir)); err != nil {
		a.logger.Warn("no notifications of file changes: the folder is only scanned", "error", err)
	}
	return watcher.Events, func() { _ = watcher.Close() }
}

// report keeps what stops the adapter, for the status, and logs it when it changes.
func (a *Adapter) report(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	a.mu.Lock()
	before := a.problem
	a.problem = text
	a.mu.Unlock()
	switch {
	case text != "" && text != before:
		a.logger.Warn("files cannot be read", "error", text)
	case text == "" && before != "":
		a.logger.Info("files can be read again")
	}
}

// save commits the progress of a file without events.
func (a *Adapter) save(ctx context.Context, p *progress, next progress) error {
	if _, err := a.log.Append(ctx, storage.Write{Cursors: []storage.Cursor{next.cursor(a.config)}}); err != nil {
		return fmt.Errorf("record the progress of %s: %w", p.Name, err)
	}
	a.mu.Lock()
	*p = next
	a.mu.Unlock()
	return nil
}
