package storagetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// model is a log in a few lines: what each stream holds, in order.
type model struct {
	events  map[plantmesh.StreamName][]modelEvent
	cursors map[string]string
}

type modelEvent struct{ id, data string }

// testModel compares a log with the model under random writes, repetitions, conflicts, clock jumps and restarts.
func testModel(t *testing.T, open Open) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{
			model:   model{events: map[plantmesh.StreamName][]modelEvent{}, cursors: map[string]string{}},
			open:    open,
			clock:   &clock{now: time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)},
			options: storage.Options{Mesh: mesh, Site: origin, FS: vfs.NewMem()},
		}
		m.options.Now = m.clock.read
		m.options.TailBytes = rapid.SampledFrom([]int{1, 2000, 1 << 20}).Draw(t, "tail bytes")
		m.options.MaxBlockBytes = rapid.SampledFrom([]int{1, 500, 1 << 20}).Draw(t, "max block bytes")
		m.restart(t)
		defer func() { _ = m.log.Close() }()
		t.Repeat(map[string]func(*rapid.T){
			"write":   m.write,
			"restart": m.restart,
			"jump": func(t *rapid.T) {
				m.clock.advance(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "jump")))
			},
			"": m.compare,
		})
	})
}

// machine drives a log and the model side by side.
type machine struct {
	model
	open    Open
	clock   *clock
	options storage.Options
	log     Log
}

func (m *machine) restart(t *rapid.T) {
	if m.log != nil {
		if err := m.log.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	l, err := m.open(m.options)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	m.log = l
}

// write draws a write from few ids, so that repetitions and conflicts are common.
func (m *machine) write(t *rapid.T) {
	var w storage.Write
	for range rapid.IntRange(0, 5).Draw(t, "entries") {
		s := rapid.SampledFrom([]plantmesh.StreamName{production, quality}).Draw(t, "stream")
		id := fmt.Sprint(rapid.IntRange(0, 40).Draw(t, "id"))
		data := rapid.SampledFrom([]string{"x", "x", "x", "x", "y"}).Draw(t, "data")
		w.Entries = append(w.Entries, storage.Entry{Stream: s, Event: event(id, data)})
	}
	if rapid.Bool().Draw(t, "cursor") {
		w.Cursors = []storage.Cursor{{Name: "c", Value: []byte(fmt.Sprint(len(m.events[production])))}}
	}
	wanted, conflict := m.apply(w)
	receipts, err := m.log.Append(t.Context(), w)
	if conflict >= 0 {
		var c *plantmesh.ConflictError
		if !errors.As(err, &c) || c.Index != conflict {
			t.Fatalf("got %v, want a conflict at entry %d", err, conflict)
		}
		return
	}
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	for i, want := range wanted {
		if got := receipts[i]; got.Offset != want.Offset || got.Duplicate != want.Duplicate || got.Stream != want.Stream {
			t.Fatalf("receipt %d is %+v, want %+v", i, got, want)
		}
	}
}

// apply changes the model as the write should change the log, or returns the first entry in conflict.
func (m *machine) apply(w storage.Write) ([]storage.Receipt, int) {
	events := map[plantmesh.StreamName][]modelEvent{}
	for s, held := range m.events {
		events[s] = held[:len(held):len(held)]
	}
	var receipts []storage.Receipt
	for i, e := range w.Entries {
		r := storage.Receipt{Stream: e.Stream}
		for at, held := range events[e.Stream] {
			if held.id != e.Event.GetId() {
				continue
			}
			if held.data != string(e.Event.GetData()) {
				return nil, i
			}
			r.Offset, r.Duplicate = plantmesh.Offset(at+1), true
		}
		if !r.Duplicate {
			events[e.Stream] = append(events[e.Stream], modelEvent{e.Event.GetId(), string(e.Event.GetData())})
			r.Offset = plantmesh.Offset(len(events[e.Stream]))
		}
		receipts = append(receipts, r)
	}
	m.events = events
	for _, c := range w.Cursors {
		m.cursors[c.Name] = string(c.Value)
	}
	return receipts, -1
}

// compare holds the whole log against the model.
func (m *machine) compare(t *rapid.T) {
	if value, err := m.log.Cursor("c"); err != nil || string(value) != m.cursors["c"] {
		t.Fatalf("cursor %q, %v, want %q", value, err, m.cursors["c"])
	}
	for s, held := range m.events {
		if len(held) == 0 {
			continue
		}
		report, err := m.log.Verify(t.Context(), s)
		if err != nil || report.Events != uint64(len(held)) {
			t.Fatalf("verify %s: %+v, %v, want %d events", s, report, err, len(held))
		}
		blocks, err := m.log.Blocks(t.Context(), s, 0, everything)
		if err != nil {
			t.Fatalf("blocks of %s: %v", s, err)
		}
		at := 0
		for _, b := range blocks {
			batch, err := b.Batch()
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range batch.GetEvents() {
				if got := (modelEvent{e.GetEvent().GetId(), string(e.GetEvent().GetData())}); got != held[at] {
					t.Fatalf("%s@%d is %v, want %v", s, e.GetOffset(), got, held[at])
				}
				at++
			}
		}
		if at != len(held) {
			t.Fatalf("%s: %d events read, want %d", s, at, len(held))
		}
	}
}
