package file

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Defaults and bounds.
const (
	// DefaultSettle is how long a file must not have changed before it is taken for complete. Longer is safer with slow
	// writers and costs that much delay.
	DefaultSettle = time.Second
	// unfinishedSettle replaces the settle time, if longer, for a last line that has no line end: it may be half a line.
	unfinishedSettle = 5 * time.Second
	// rescanEvery finds what notifications miss: network drives send none.
	rescanEvery = 2 * time.Second
	// chunkRows and chunkBytes bound one write of the log. Larger chunks save fsyncs and cost memory.
	chunkRows  = 500
	chunkBytes = 1 << 20
	// maxRecordBytes bounds one row, so that a stray quote cannot swallow a file.
	maxRecordBytes = 256 << 10
	// keptFiles is how many files are remembered after they are done.
	keptFiles = 200

	doneDir       = "done"
	rejectsSuffix = ".rejects.csv"
)

// Config says which folder, and which files in it.
type Config struct {
	Name    string        // of the adapter; its progress is kept under it
	Dir     string        // the watched folder; made if it is not there
	Pattern string        // of file names, as in path/filepath.Match
	Settle  time.Duration // 0: DefaultSettle
}

func (c Config) withDefaults() (Config, error) {
	if c.Settle == 0 {
		c.Settle = DefaultSettle
	}
	if c.Name == "" || strings.Contains(c.Name, "/") {
		return c, fmt.Errorf("adapter %q: give it a name without /", c.Name)
	}
	if c.Dir == "" {
		return c, fmt.Errorf("adapter %s: dir: name the folder to watch", c.Name)
	}
	if _, err := filepath.Match(c.Pattern, "x"); err != nil || c.Pattern == "" {
		return c, errors.Join(fmt.Errorf("adapter %s: pattern %q: give one such as *.csv", c.Name, c.Pattern), err)
	}
	if c.Settle < 0 {
		return c, fmt.Errorf("adapter %s: settle %s: must not be negative", c.Name, c.Settle)
	}
	return c, nil
}
