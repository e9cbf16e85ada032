package storage

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// damagedLog has ten blocks of one event each, and does to the fifth what change does. Nothing is kept in memory.
func damagedLog(t *testing.T, change func(db *pebble.DB, key, block []byte) error) (*Log, func(id string) error) {
	t.Helper()
	l, err := Open("log", Options{Mesh: "acme", Site: "plant-a", FS: vfs.NewMem(), TailBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	record := func(id string) error {
		e := &eventv1.Event{Id: id, Source: "//plant-a/mes", Type: "a.B", Time: timestamppb.New(time.Unix(1, 0)), Data: []byte(id)}
		_, err := l.Append(t.Context(), Write{Entries: []Entry{{Stream: "plant-a/production", Event: e}}})
		return err
	}
	for i := range 10 {
		if err := record(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	key := blockKey(1, 5)
	block, err := l.get(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := change(l.db, key, block); err != nil {
		t.Fatal(err)
	}
	return l, record
}

func TestDamageIsFoundAndTheRestGoesOn(t *testing.T) {
	for name, change := range map[string]func(*pebble.DB, []byte, []byte) error{
		"changed": func(db *pebble.DB, key, block []byte) error {
			block[len(block)-1] ^= 1
			return db.Set(key, block, pebble.Sync)
		},
		"cut":     func(db *pebble.DB, key, block []byte) error { return db.Set(key, block[:50], pebble.Sync) },
		"missing": func(db *pebble.DB, key, _ []byte) error { return db.Delete(key, pebble.Sync) },
		"another": func(db *pebble.DB, key, _ []byte) error {
			other, closer, err := db.Get(blockKey(1, 6))
			if err != nil {
				return err
			}
			return errors.Join(db.Set(key, other, pebble.Sync), closer.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, record := damagedLog(t, change)
			const s = plantmesh.StreamName("plant-a/production")
			report, err := l.Verify(t.Context(), s)
			if !errors.Is(err, plantmesh.ErrCorruptBlock) || report.Head.Offset != 4 || report.Events != 4 {
				t.Errorf("verify: %+v, %v", report, err)
			}
			if _, err := l.Blocks(t.Context(), s, 4, 1); !errors.Is(err, plantmesh.ErrCorruptBlock) {
				t.Errorf("blocks: %v", err)
			}
			if _, err := l.Get(s, 5); !errors.Is(err, plantmesh.ErrCorruptBlock) {
				t.Errorf("get: %v", err)
			}
			if _, err := l.ChainAt(t.Context(), s, 5); !errors.Is(err, plantmesh.ErrCorruptBlock) {
				t.Errorf("chain: %v", err)
			}
			if blocks, err := l.Blocks(t.Context(), s, 5, 1<<20); err != nil || len(blocks) != 5 {
				t.Errorf("behind the damage: %d blocks, %v", len(blocks), err)
			}
			if err := record("4"); !errors.Is(err, plantmesh.ErrCorruptBlock) {
				t.Errorf("repeating the event that is damaged: %v", err)
			}
			if err := errors.Join(record("5"), record("new"), l.Err()); err != nil {
				t.Errorf("the log goes on: %v", err)
			}
		})
	}
}

func TestVerifyComparesTheBlocksWithTheHead(t *testing.T) {
	l, _ := damagedLog(t, func(db *pebble.DB, _, _ []byte) error { return nil })
	l.mu.Lock()
	l.streams["plant-a/production"].head.chain[0] ^= 1
	l.mu.Unlock()
	if _, err := l.Verify(t.Context(), "plant-a/production"); !errors.Is(err, plantmesh.ErrCorruptBlock) {
		t.Errorf("got %v", err)
	}
}
