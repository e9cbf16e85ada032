package storage

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

const scrubbed = plantmesh.StreamName("plant-a/production")

// scrubAll scrubs a stream from its beginning to its head, a little at a time.
func scrubAll(t *testing.T, l *Log) (found []Damage) {
	t.Helper()
	head, err := l.Head(scrubbed)
	if err != nil {
		t.Fatal(err)
	}
	for at := plantmesh.Offset(0); at < head.Offset; {
		next, some, err := l.Scrub(t.Context(), scrubbed, 0, at, 3000)
		if err != nil || next <= at {
			t.Fatalf("scrubbed from %d to %d, %v", at, next, err)
		}
		at, found = next, append(found, some...)
	}
	return found
}

func TestScrubFindsDamageAndRepairsItWithNothingButTheBytesThatWereThere(t *testing.T) {
	var whole []byte
	l, record := damagedLog(t, func(db *pebble.DB, key, block []byte) error {
		whole = append([]byte(nil), block...)
		block[len(block)/2] ^= 0x10
		return db.Set(key, block, pebble.Sync)
	})
	found := scrubAll(t, l)
	if len(found) != 1 || found[0].First != 5 || found[0].Last != 5 || len(l.Damages()) != 1 {
		t.Fatalf("found %+v, remembers %+v", found, l.Damages())
	}
	forged := buildBlock(header{incarnation: mustParse(t, whole).incarnation, base: 5, count: 1, previous: found[0].Before}, []byte("x")).bytes
	for name, blocks := range map[string][][]byte{"nothing": nil, "a forged block": {forged}, "too much": {whole, whole}} {
		if err := l.Repair(t.Context(), found[0], blocks); err == nil {
			t.Errorf("repaired with %s", name)
		}
	}
	if err := l.Repair(t.Context(), found[0], [][]byte{whole}); err != nil {
		t.Fatal(err)
	}
	if report, err := l.Verify(t.Context(), scrubbed); err != nil || report.Events != 10 || len(l.Damages()) != 0 {
		t.Errorf("verified %+v, %v; %+v", report, err, l.Damages())
	}
	if err := record("4"); err != nil {
		t.Errorf("the event that was damaged, again: %v", err)
	}
}

func mustParse(t *testing.T, b []byte) *Block {
	t.Helper()
	block, err := ParseBlock(b)
	if err != nil {
		t.Fatal(err)
	}
	return block
}

func TestLostDamageLeadsReadersPastIt(t *testing.T) {
	l, _ := damagedLog(t, func(db *pebble.DB, key, _ []byte) error { return db.Delete(key, pebble.Sync) })
	head, err := l.Head(scrubbed)
	if err != nil {
		t.Fatal(err)
	}
	at := Position{Incarnation: head.Incarnation, Offset: 4}
	found := scrubAll(t, l)
	if _, jump, err := l.Resume(scrubbed, at); jump != nil || err != nil {
		t.Fatalf("before it is given up: %+v, %v", jump, err)
	}
	l.Lose(found[0])
	to, jump, err := l.Resume(scrubbed, at)
	if err != nil || jump == nil || jump.Kind != JumpLost || to.Offset != 5 {
		t.Errorf("goes on at %+v by %+v, %v", to, jump, err)
	}
	if _, jump, _ := l.Resume(scrubbed, to); jump != nil {
		t.Errorf("behind it: %+v", jump)
	}
}

// A bit that turns on the disk, anywhere in a table: what it makes unreadable is found and repaired from another copy, and
// nothing else than what was written is ever served.
func TestBitThatTurnsAnywhereInATableIsRepairedFromAnotherCopy(t *testing.T) {
	const events = 60
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 12 {
		fs := vfs.NewMem()
		options := Options{Mesh: "acme", Site: "hq", FS: fs, TailBytes: 1, CacheBytes: 1}
		blocks := replicaOnDisk(t, options, events)
		where := turnABit(t, fs, random)
		l, err := Open("log", options)
		if err != nil {
			if !errors.Is(err, pebble.ErrCorruption) && !strings.Contains(err.Error(), "corrupt") {
				t.Errorf("round %d, %s: %v", round, where, err)
			}
			continue // what says whose folder it is was hit: the node does not start, and says so
		}
		for _, d := range scrubAll(t, l) {
			if err := l.Repair(t.Context(), d, blocks[d.First-1:d.Last]); err != nil {
				t.Errorf("round %d, %s: %v", round, where, err)
			}
		}
		report, err := l.Verify(t.Context(), scrubbed)
		if err != nil || report.Events != events {
			t.Errorf("round %d, %s: verified %+v, %v", round, where, report, err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
	}
}

// replicaOnDisk writes a replica of one block an event, all of it in tables, and returns its blocks.
func replicaOnDisk(t *testing.T, options Options, events int) [][]byte {
	t.Helper()
	o, err := Open("origin", Options{Mesh: "acme", Site: "plant-a", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	random := rand.New(rand.NewPCG(3, 4))
	for i := range events {
		data := make([]byte, 3000)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		e := &eventv1.Event{Id: fmt.Sprint(i), Source: "//plant-a/mes", Data: data}
		if _, err := o.Append(t.Context(), Write{Entries: []Entry{{Stream: scrubbed, Event: e}}}); err != nil {
			t.Fatal(err)
		}
	}
	blocks, err := o.RawBlocks(t.Context(), scrubbed, 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open("log", options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.AppendBlocks(t.Context(), scrubbed, blocks); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.db.Flush(), l.Close()); err != nil {
		t.Fatal(err)
	}
	return blocks
}

// turnABit turns one in the largest table, and says where.
func turnABit(t *testing.T, fs vfs.FS, random *rand.Rand) string {
	t.Helper()
	names, err := fs.List("log")
	if err != nil {
		t.Fatal(err)
	}
	var largest string
	var content []byte
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		f, err := fs.Open("log/" + name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if len(b) > len(content) {
			largest, content = name, b
		}
	}
	at := random.IntN(len(content) * 9 / 10) // the index at the end makes all of the table unreadable: see below
	content[at] ^= 1 << random.IntN(8)
	f, err := fs.Create("log/"+largest, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s at %d of %d", largest, at, len(content))
}
