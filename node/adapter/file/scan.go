package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// candidate is a file in the folder that the adapter has to look at.
type candidate struct {
	name string
	identity
}

// scan reads the files that are complete, and says after how long to look again. Its error joins what went wrong with each.
func (a *Adapter) scan(ctx context.Context) (time.Duration, error) {
	candidates, faults := a.candidates()
	wait := rescanEvery
	for _, c := range candidates {
		if left := a.unsettled(c); left > 0 {
			wait = min(wait, left)
			continue
		}
		left, err := a.read(ctx, c)
		if err != nil {
			faults = append(faults, err)
		}
		if left > 0 {
			wait = min(wait, left)
		}
		if ctx.Err() != nil {
			break
		}
	}
	a.forget(candidates)
	return wait, errors.Join(faults...)
}

// candidates lists the matching files, oldest first, and what is wrong with those that cannot be looked at.
func (a *Adapter) candidates() (found []candidate, faults []error) {
	if err := os.MkdirAll(a.config.Dir, 0o755); err != nil {
		return nil, []error{fmt.Errorf("folder %s: %w; make it readable and writable for the node", a.config.Dir, err)}
	}
	entries, err := os.ReadDir(a.config.Dir)
	if err != nil {
		return nil, []error{fmt.Errorf("folder %s: %w; make it readable and writable for the node", a.config.Dir, err)}
	}
	for _, entry := range entries {
		name := entry.Name()
		if matches, _ := filepath.Match(a.config.Pattern, name); !matches || strings.HasPrefix(name, ".") || strings.HasSuffix(name, rejectsSuffix) {
			continue
		}
		info, err := os.Stat(filepath.Join(a.config.Dir, name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue // gone again, or a folder
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("file %s: %w; make it readable for the node, or remove it: it is tried again", name, err))
			continue
		}
		found = append(found, candidate{name: name, identity: identityOf(info)})
	}
	slices.SortFunc(found, func(x, y candidate) int {
		return cmp.Or(x.ModTime.Compare(y.ModTime), cmp.Compare(x.name, y.name))
	})
	return found, faults
}

// unsettled says how long a file has yet to stay unchanged before it is taken for complete. One that was last changed long
// enough ago, by its own time, is complete at first sight.
func (a *Adapter) unsettled(c candidate) time.Duration {
	now := time.Now()
	if age := now.Sub(c.ModTime); age >= a.config.Settle {
		return 0
	}
	before, ok := a.seen[c.name]
	if !ok || !before.same(c.identity) {
		a.seen[c.name] = sighting{identity: c.identity, since: now}
		return a.config.Settle
	}
	return max(0, a.config.Settle-now.Sub(before.since))
}

// forget drops sightings of files that are gone.
func (a *Adapter) forget(present []candidate) {
	for name := range a.seen {
		if !slices.ContainsFunc(present, func(c candidate) bool { return c.name == name }) {
			delete(a.seen, name)
		}
	}
}
