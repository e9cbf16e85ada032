package demo

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/plantmesh/plantmesh"
)

// rounds is how many files each plant gets.
const rounds = 12

// Names of the files that are dropped.
const (
	chunkPrefix  = "drop-"
	redropPrefix = "again-"
)

// feed is the input as files, a round at a time, in the order of the input.
type feed struct {
	in     *input
	chunks map[plantmesh.SiteID][]chunk
}

// chunk is one file. lines maps its lines, the first being 1, to those of the input.
type chunk struct {
	name  string
	rows  uint64
	text  []byte
	lines []int
}

// newFeed cuts the input into rounds of about equal length, and each of these by site.
func newFeed(in *input) *feed {
	f := &feed{in: in, chunks: map[plantmesh.SiteID][]chunk{}}
	for round := range rounds {
		begin, end := len(in.rows)*round/rounds, len(in.rows)*(round+1)/rounds
		texts := map[plantmesh.SiteID]*chunk{}
		for _, r := range in.rows[begin:end] {
			c := texts[r.site]
			if c == nil {
				c = &chunk{name: fmt.Sprintf("%s%02d.csv", chunkPrefix, round+1), text: bytes.Clone(in.header)}
				c.lines = make([]int, bytes.Count(in.header, []byte("\n")))
				texts[r.site] = c
			}
			c.rows++
			c.text = append(c.text, r.text...)
			for i := range bytes.Count(r.text, []byte("\n")) {
				c.lines = append(c.lines, r.line+i)
			}
		}
		for _, plant := range plants {
			if c := texts[plant]; c != nil {
				f.chunks[plant] = append(f.chunks[plant], *c)
			} else {
				f.chunks[plant] = append(f.chunks[plant], chunk{})
			}
		}
	}
	return f
}

// drop puts a plant's file of a round into its inbox, complete at once. It tells whether there was one.
func (f *feed) drop(s *site, round int) (bool, error) {
	c := f.chunks[s.name][round]
	if c.name == "" {
		return false, nil
	}
	return true, place(s, c.name, c.text)
}

// dropAgain puts a plant's first file into its inbox a second time, under the name that it returns; empty if it had none.
func (f *feed) dropAgain(s *site) (name string, rows uint64, err error) {
	for _, c := range f.chunks[s.name] {
		if c.name != "" {
			name = redropPrefix + strings.TrimPrefix(c.name, chunkPrefix)
			return name, c.rows, place(s, name, c.text)
		}
	}
	return "", 0, nil
}

// place writes a file beside the inbox and renames it into place.
func place(s *site, name string, text []byte) error {
	if err := os.MkdirAll(s.inbox, 0o755); err != nil {
		return err
	}
	temporary := filepath.Join(s.dir, name+".part")
	if err := os.WriteFile(temporary, text, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(s.inbox, name))
}

// original is the line of the input that a line of a dropped file came from.
func (f *feed) original(plant plantmesh.SiteID, file string, line int) int {
	for _, c := range f.chunks[plant] {
		if c.name == file && line >= 1 && line <= len(c.lines) {
			return c.lines[line-1]
		}
	}
	return 0
}
