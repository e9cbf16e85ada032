package file_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/adapter"
	"github.com/plantmesh/plantmesh/node/adapter/file"
	"github.com/plantmesh/plantmesh/storage"
)

const header = "order,item,quantity,time\n"

// completions maps a table of completions; a row whose order is "" is skipped.
const completions = `
time_zone: Europe/Berlin
source: '"//plant-a/scanner"'
skip: row["order"] == "skip"
events:
  - type: plantmesh.manufacturing.v1.ProductionCompleted
    id: 'row["order"] + "/" + row["time"]'
    time: time(row["time"], "2006-01-02 15:04")
    fields:
      order_id: row["order"]
      item_id: row["item"]
      quantity: {value: 'decimal(row["quantity"])', unit: '"C62"'}
`

// plant is a site with one folder.
type plant struct {
	t     *testing.T
	dir   string
	inbox string
	log   *storage.Log

	settle time.Duration
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	dir := t.TempDir()
	p := &plant{t: t, dir: dir, inbox: filepath.Join(dir, "inbox")}
	if err := os.MkdirAll(p.inbox, 0o755); err != nil {
		t.Fatal(err)
	}
	p.open()
	t.Cleanup(func() { _ = p.log.Close() })
	return p
}

func (p *plant) open() {
	p.t.Helper()
	log, err := storage.Open(filepath.Join(p.dir, "log"), storage.Options{Mesh: "acme-test", Site: "plant-a", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
	p.log = log
}

// restart closes the log and opens it again.
func (p *plant) restart() {
	p.t.Helper()
	if err := p.log.Close(); err != nil {
		p.t.Fatal(err)
	}
	p.open()
}

// drop writes a file whose time is long ago, so that it is complete at first sight.
func (p *plant) drop(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.inbox, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.age(name)
}

func (p *plant) age(name string) {
	p.t.Helper()
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(p.inbox, name), old, old); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plant) adapter(mapping string, log file.Log) *file.Adapter {
	p.t.Helper()
	config, err := adapter.ParseMapping("test.yaml", []byte(mapping))
	if err != nil {
		p.t.Fatal(err)
	}
	m, err := adapter.Compile(config, "plant-a")
	if err != nil {
		p.t.Fatal(err)
	}
	a, err := file.New(file.Config{Name: "mes", Dir: p.inbox, Pattern: "*.csv", Settle: p.settle}, "plant-a", m, log, slog.New(slog.DiscardHandler))
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// runUntil runs an adapter until its status satisfies a condition.
func (p *plant) runUntil(a *file.Adapter, what string, holds func(file.Status) bool) file.Status {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds(a.Status()) && ctx.Err() == nil {
		<-tick.C
	}
	late := ctx.Err() != nil
	cancel()
	if err := <-ended; err != nil {
		p.t.Fatal(err)
	}
	if late {
		p.t.Fatalf("%s: %+v", what, a.Status())
	}
	return a.Status()
}

// read runs an adapter until the files of these names are done and put away.
func (p *plant) read(a *file.Adapter, names ...string) file.Status {
	p.t.Helper()
	return p.runUntil(a, "files are not read", func(s file.Status) bool {
		for _, name := range names {
			done := false
			for _, f := range s.Files {
				done = done || f.Name == name && f.Done
			}
			if _, err := os.Stat(filepath.Join(p.inbox, name)); !done || err == nil {
				return false
			}
		}
		return true
	})
}

func (p *plant) rejects(name string) [][]string {
	p.t.Helper()
	f, err := os.Open(filepath.Join(p.inbox, name))
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		p.t.Fatal(err)
	}
	return records[1:]
}

func rows(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "WO-%d,bearing,%d,2026-05-04 10:00\n", i, 1+i%9)
	}
	return b.String()
}
