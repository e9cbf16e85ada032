package file

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/plantmesh/plantmesh/node/adapter"
)

// reject is a row that makes no event.
type reject struct {
	*adapter.RowError
	text string // the row as it stood in the file
}

// rejectHeader heads every reject file. The row stands last, as one field, so that it can be corrected and dropped again.
var rejectHeader = []string{"line", "field", "reason", "row"}

// rejectName finds a name beside the input that is not taken: earlier reject files wait for a person.
func rejectName(dir, input string) (string, error) {
	return freeName(dir, strings.TrimSuffix(input, filepath.Ext(input)), rejectsSuffix)
}

// freeName is base+suffix, or base.2+suffix and so on, whichever is not taken in dir.
func freeName(dir, base, suffix string) (string, error) {
	for n := 1; ; n++ {
		name := base + suffix
		if n > 1 {
			name = base + "." + strconv.Itoa(n) + suffix
		}
		_, err := os.Lstat(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// writeRejects makes the reject file hold its first size bytes and then these rows, on disk. It returns the new size. What a
// crash left behind size is cut off, so that no reject stands there twice.
func writeRejects(path string, size int64, rejects []reject) (_ int64, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return 0, fmt.Errorf("reject file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Truncate(size); err != nil {
		return 0, fmt.Errorf("reject file: %w", err)
	}
	end, err := file.Seek(size, io.SeekStart)
	if err != nil {
		return 0, fmt.Errorf("reject file: %w", err)
	}
	out := csv.NewWriter(file)
	if end == 0 {
		_ = out.Write(rejectHeader) // Flush reports
	}
	for _, r := range rejects {
		_ = out.Write([]string{strconv.Itoa(r.Line), r.Field, r.Reason, r.text})
	}
	out.Flush()
	if err := errors.Join(out.Error(), file.Sync()); err != nil {
		return 0, fmt.Errorf("reject file: %w", err)
	}
	return file.Seek(0, io.SeekCurrent)
}
