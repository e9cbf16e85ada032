package file

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/plantmesh/plantmesh/storage"
)

// Counts counts rows. Read is the sum of the others.
type Counts struct {
	Read       uint64 `json:"read"`
	Recorded   uint64 `json:"recorded"`
	Duplicates uint64 `json:"duplicates"`
	Rejected   uint64 `json:"rejected"`
	Skipped    uint64 `json:"skipped"`
}

func (c *Counts) add(d Counts) {
	c.Read += d.Read
	c.Recorded += d.Recorded
	c.Duplicates += d.Duplicates
	c.Rejected += d.Rejected
	c.Skipped += d.Skipped
}

// identity tells one drop of a file from another of the same name.
type identity struct {
	Size    int64     `json:"size"`
	ModTime time.Time `json:"mod_time"`
	Inode   uint64    `json:"inode"` // 0 where the system has none
}

func identityOf(info os.FileInfo) identity {
	return identity{Size: info.Size(), ModTime: info.ModTime().UTC(), Inode: inodeOf(info)}
}

// same tells whether the file is unchanged.
func (i identity) same(other identity) bool {
	return i.Size == other.Size && i.ModTime.Equal(other.ModTime) && i.Inode == other.Inode
}

// grown tells whether other is the same file with more in it.
func (i identity) grown(other identity) bool {
	return i.Inode != 0 && i.Inode == other.Inode && other.Size > i.Size
}

// progress is how far one file has been read. It is committed with the events that it covers.
type progress struct {
	Name        string    `json:"name"`
	File        identity  `json:"file"`
	Sequence    uint64    `json:"sequence"` // order in which the adapter began its files
	Offset      int64     `json:"offset"`   // bytes dealt with
	Line        int       `json:"line"`     // lines dealt with
	Columns     []string  `json:"columns,omitempty"`
	Counts      Counts    `json:"counts"`
	Rejects     string    `json:"rejects,omitempty"` // name of the reject file
	RejectBytes int64     `json:"reject_bytes,omitempty"`
	Done        bool      `json:"done"`
	Problem     string    `json:"problem,omitempty"` // first reject, or why it cannot be read
	Finished    time.Time `json:"finished,omitzero"`
}

// totals is what an adapter has read over its life.
type totals struct {
	Counts   Counts `json:"counts"`
	Sequence uint64 `json:"sequence"`
}

func (c Config) totalsCursor() string          { return "adapter/" + c.Name + "/total" }
func (c Config) filesPrefix() string           { return "adapter/" + c.Name + "/file/" }
func (c Config) fileCursor(name string) string { return c.filesPrefix() + name }

func (p progress) cursor(c Config) storage.Cursor {
	return storage.Cursor{Name: c.fileCursor(p.Name), Value: encode(p)}
}

func (t totals) cursor(c Config) storage.Cursor {
	return storage.Cursor{Name: c.totalsCursor(), Value: encode(t)}
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("encode the progress of a file: " + err.Error()) // plain values only
	}
	return b
}

// restore reads what was committed.
func restore(c Config, log Log) (totals, map[string]*progress, error) {
	var t totals
	value, err := log.Cursor(c.totalsCursor())
	if err != nil {
		return t, nil, err
	}
	if value != nil {
		if err := json.Unmarshal(value, &t); err != nil {
			return t, nil, fmt.Errorf("cursor %s: %w", c.totalsCursor(), err)
		}
	}
	files := map[string]*progress{}
	err = log.Cursors(c.filesPrefix(), func(name string, value []byte) error {
		p := &progress{}
		if err := json.Unmarshal(value, p); err != nil {
			return fmt.Errorf("cursor %s: %w", name, err)
		}
		files[p.Name] = p
		return nil
	})
	return t, files, err
}
