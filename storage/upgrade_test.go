package storage_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// firstFormat is a copy of what the first version wrote.
func firstFormat(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "format-1"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// heads lists the heads as heads.txt does.
func heads(l *storage.Log) string {
	var b strings.Builder
	for _, h := range l.Heads() {
		fmt.Fprintf(&b, "%s %d %d %s\n", h.Stream, h.Incarnation, h.Offset, h.Chain)
	}
	return b.String()
}

func readAll(t *testing.T, l *storage.Log, s plantmesh.StreamName) (ids []string) {
	t.Helper()
	blocks, err := l.Blocks(t.Context(), s, 0, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		batch, err := b.Batch()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range batch.GetEvents() {
			if got, want := string(e.GetEvent().GetData()), "data of event "+e.GetEvent().GetId(); got != want {
				t.Errorf("%s@%d holds %q, want %q", s, e.GetOffset(), got, want)
			}
			ids = append(ids, e.GetEvent().GetId())
		}
	}
	return ids
}

func TestFirstFormatIsOpenedReadAndContinued(t *testing.T) {
	dir := firstFormat(t)
	want, err := os.ReadFile(filepath.Join(dir, "heads.txt"))
	if err != nil {
		t.Fatal(err)
	}
	openFirst := func() *storage.Log {
		l, err := storage.Open(filepath.Join(dir, "log"), storage.Options{Mesh: "acme", Site: "plant-a"})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := openFirst()
	if got := heads(l); got != string(want) {
		t.Errorf("heads\n%s, want\n%s", got, want)
	}
	for s, n := range map[plantmesh.StreamName]int{production: 120, "plant-a/quality": 40, copied: 8} {
		if ids := readAll(t, l, s); len(ids) != n {
			t.Errorf("%s: %d events, want %d", s, len(ids), n)
		}
		if _, err := l.Verify(t.Context(), s); err != nil {
			t.Error(err)
		}
	}
	if o, err := l.Lookup(production, "//plant-a/mes", "100"); err != nil || o != 61 {
		t.Errorf("an id: %d, %v", o, err)
	}
	if c, err := l.Cursor("adapter/csv"); err != nil || string(c) != "119" {
		t.Errorf("cursor %q, %v", c, err)
	}
	again := event("100", "data of event 100")
	again.Time = timestamppb.New(time.Unix(100, 0))
	if r, err := l.Append(t.Context(), write(again, event("new", "data of event new"))); err != nil || !r[0].Duplicate || r[0].Offset != 61 || r[1].Offset != 121 {
		t.Errorf("appended: %+v, %v", r, err)
	}
	for _, o := range []int{9, 10} {
		block, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("orders-%d.block", o)))
		if err != nil {
			t.Fatal(err)
		}
		if head, err := l.AppendBlocks(t.Context(), copied, [][]byte{block}); err != nil || head.Offset != plantmesh.Offset(o) {
			t.Errorf("the replica goes on: %+v, %v", head, err)
		}
	}
	if begin, err := l.Trim(t.Context(), production, 0, 50); err != nil || begin == 1 {
		t.Errorf("trimmed to %d, %v", begin, err)
	}
	before := heads(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openFirst()
	defer l.Close()
	if got := heads(l); got != before {
		t.Errorf("after a restart heads\n%s, want\n%s", got, before)
	}
	for _, s := range []plantmesh.StreamName{production, "plant-a/quality", copied} {
		if _, err := l.Verify(t.Context(), s); err != nil {
			t.Error(err)
		}
	}
}

func TestStateOfTheFirstFormatIsOpened(t *testing.T) {
	s, err := storage.OpenState(filepath.Join(firstFormat(t), "state"), storage.Options{Mesh: "acme", Site: "plant-a"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Owner("consumer").View(func(tx *storage.Tx) error {
		if v, err := tx.Get([]byte("run")); err != nil || string(v) != "1" {
			t.Errorf("got %q, %v", v, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
