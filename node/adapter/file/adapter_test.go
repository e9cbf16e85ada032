package file_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/adapter"
	"github.com/plantmesh/plantmesh/node/adapter/file"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFileBecomesEventsAndIsPutAway(t *testing.T) {
	p := newPlant(t)
	p.drop("a.csv", header+rows(0, 1200))
	s := p.read(p.adapter(completions, p.log), "a.csv")
	if want := (file.Counts{Read: 1200, Recorded: 1200}); s.Total != want || s.Files[0].Counts != want {
		t.Errorf("total %+v, file %+v", s.Total, s.Files[0])
	}
	if _, err := os.Stat(filepath.Join(p.inbox, "done", "a.csv")); err != nil {
		t.Error(err)
	}
	recorded, err := p.log.Get("plant-a/production", 7)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := plantmesh.Payload(recorded.GetEvent())
	if err != nil {
		t.Fatal(err)
	}
	if got := payload.(*manufacturingv1.ProductionCompleted); got.GetOrderId() != "WO-6" || got.GetQuantity().GetValue() != "7" {
		t.Errorf("seventh event %v", got)
	}
	if at := recorded.GetEvent().GetTime().AsTime(); !at.Equal(time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("time %s", at)
	}
}

func TestRowsThatDoNotFitAreKeptWithLineFieldAndReason(t *testing.T) {
	p := newPlant(t)
	p.drop("bad.csv", header+
		"WO-1,bearing,5,2026-05-04 10:00\n"+ // 2
		"WO-2,bearing,many,2026-05-04 10:00\n"+ // 3
		"WO-3,bearing,5\n"+ // 4
		"\n"+
		"WO-4,\"bear\"ing,5,2026-05-04 10:00\n"+ // 6
		"WO-5,bearing,5,\n"+ // 7
		"WO-6,b\xffring,5,2026-05-04 10:00\n"+ // 8
		"WO-7,bearing,0,2026-05-04 10:00\n"+ // 9
		"\"WO\n8\",bearing,5,2026-05-04 10:00\n"+ // 10 and 11
		"skip,bearing,5,2026-05-04 10:00\n"+ // 12
		"WO-9,\"never closed,5,2026-05-04 10:00\n"+ // 13
		"WO-10,bearing,5,2026-05-04 10:00\n") // 14
	s := p.read(p.adapter(completions, p.log), "bad.csv")
	if want := (file.Counts{Read: 11, Recorded: 2, Rejected: 8, Skipped: 1}); s.Total != want {
		t.Errorf("counts %+v, want %+v", s.Total, want)
	}
	want := []struct{ line, field, reason string }{
		{"3", "quantity.value", `"many" is not a number`},
		{"4", "", "the row has 3 columns, the table has 4"},
		{"6", "", `extraneous or missing " in quoted-field`},
		{"7", "time", "no time is given"},
		{"8", "", "not UTF-8"},
		{"9", "", "quantity must be greater than zero"},
		{"10", "id", "does not match regex pattern"},
		{"13", "", "a quote is opened and not closed"},
	}
	got := p.rejects("bad.rejects.csv")
	if len(got) != len(want) {
		t.Fatalf("rejects %q", got)
	}
	for i, w := range want {
		if got[i][0] != w.line || got[i][1] != w.field || !strings.Contains(got[i][2], w.reason) {
			t.Errorf("reject %q, want %+v", got[i], w)
		}
	}
	if got[0][3] != "WO-2,bearing,many,2026-05-04 10:00" {
		t.Errorf("the row is kept as %q", got[0][3])
	}
}

func TestFileDroppedAgainIsAllDuplicates(t *testing.T) {
	p := newPlant(t)
	a := p.adapter(completions, p.log)
	p.drop("a.csv", header+rows(0, 700)+rows(0, 10))
	p.read(a, "a.csv")
	p.drop("a.csv", header+rows(0, 700)+rows(0, 10)) // the same name
	p.drop("b.csv", header+rows(0, 700))             // and another
	p.runUntil(a, "files stay", func(s file.Status) bool {
		return s.Total.Read == 710+710+700 && len(s.Files) == 2 && s.Files[0].Done && s.Files[1].Done
	})
	s := a.Status()
	if want := (file.Counts{Read: 2120, Recorded: 700, Duplicates: 10 + 710 + 700}); s.Total != want {
		t.Errorf("counts %+v, want %+v", s.Total, want)
	}
	if names, _ := filepath.Glob(filepath.Join(p.inbox, "done", "a*.csv")); len(names) != 2 {
		t.Errorf("done holds %q", names)
	}
}

func TestSameIDWithOtherContentIsRejected(t *testing.T) {
	p := newPlant(t)
	p.drop("a.csv", header+"WO-1,bearing,5,2026-05-04 10:00\nWO-1,bearing,6,2026-05-04 10:00\nWO-2,bearing,6,2026-05-04 10:00\n")
	s := p.read(p.adapter(completions, p.log), "a.csv")
	if want := (file.Counts{Read: 3, Recorded: 2, Rejected: 1}); s.Total != want {
		t.Errorf("counts %+v, want %+v", s.Total, want)
	}
	if got := p.rejects("a.rejects.csv"); got[0][0] != "3" || got[0][1] != "id" {
		t.Errorf("rejects %q", got)
	}
}

// dyingLog is a log whose process dies at its n-th write: before it reaches the disk, or right after.
type dyingLog struct {
	*storage.Log
	left  int
	after bool
}

var errDied = errors.New("died")

func (d *dyingLog) Append(ctx context.Context, w storage.Write) ([]storage.Receipt, error) {
	d.left--
	switch {
	case d.left < 0, d.left == 0 && !d.after:
		return nil, fmt.Errorf("%w: %w", plantmesh.ErrStorageFailed, errDied)
	case d.left == 0:
		if _, err := d.Log.Append(ctx, w); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", plantmesh.ErrStorageFailed, errDied)
	}
	return d.Log.Append(ctx, w)
}

// A crash at every write of an import, before or after it reaches the disk, changes nothing in what is recorded, counted
// and rejected in the end.
func TestCrashAtEveryWriteLeavesCountsAndRejectsExact(t *testing.T) {
	text := header + rows(0, 600) + "WO-x,bearing,many,2026-05-04 10:00\n" + rows(590, 1100) + "WO-y,bearing,,2026-05-04 10:00\n"
	want := file.Counts{Read: 1112, Recorded: 1100, Duplicates: 10, Rejected: 2}
	for crash, finished := 1, false; !finished; crash++ {
		for _, after := range []bool{false, true} {
			p := newPlant(t)
			p.drop("a.csv", text)
			dying := &dyingLog{Log: p.log, left: crash, after: after}
			err := p.adapter(completions, dying).Run(deadline(t, p))
			finished = err == nil
			if err != nil && !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			p.restart()
			s := p.read(p.adapter(completions, p.log), "a.csv")
			if s.Total != want || s.Files[0].Counts != want {
				t.Fatalf("crash at write %d (after %t): total %+v, file %+v", crash, after, s.Total, s.Files[0].Counts)
			}
			if names, _ := filepath.Glob(filepath.Join(p.inbox, "*.rejects.csv")); len(names) != 1 || len(p.rejects(filepath.Base(names[0]))) != 2 {
				t.Fatalf("crash at write %d (after %t): reject files %q", crash, after, names)
			}
		}
	}
}

// deadline ends when the file is put away.
func deadline(t *testing.T, p *plant) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			if _, err := os.Stat(filepath.Join(p.inbox, "done", "a.csv")); err == nil {
				cancel()
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return ctx
}

func TestWrongHeaderIsReportedAndTriedAgain(t *testing.T) {
	p := newPlant(t)
	a := p.adapter(completions, p.log)
	p.drop("a.csv", "order;item;quantity;time\nWO-1;bearing;5;2026-05-04 10:00\n")
	s := p.runUntil(a, "no problem is shown", func(s file.Status) bool { return s.Problem != "" })
	if !strings.Contains(s.Problem, `no column ["item" "order" "quantity" "time"]`) {
		t.Errorf("problem %q", s.Problem)
	}
	p.drop("a.csv", header+rows(0, 3))
	if s := p.read(a, "a.csv"); s.Total.Recorded != 3 || s.Problem != "" {
		t.Errorf("status %+v", s)
	}
}

func TestHalfWrittenFileIsWaitedFor(t *testing.T) {
	p := newPlant(t)
	p.settle = 20 * time.Millisecond
	a := p.adapter(completions, p.log)
	path := filepath.Join(p.inbox, "a.csv")
	if err := os.WriteFile(path, []byte(header+rows(0, 5)+"WO-5,bearing,"), 0o644); err != nil { // its time is now
		t.Fatal(err)
	}
	s := p.runUntil(a, "the file is not begun", func(s file.Status) bool { return len(s.Files) == 1 })
	if s.Total.Read != 0 || s.Files[0].Done {
		t.Errorf("half a line was read: %+v", s)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("6,2026-05-04 10:00\n" + rows(6, 9)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if s := p.read(a, "a.csv"); s.Total != (file.Counts{Read: 9, Recorded: 9}) {
		t.Errorf("counts %+v", s.Total)
	}
}

func TestOverlongLineCostsItselfOnly(t *testing.T) {
	p := newPlant(t)
	p.drop("a.csv", header+rows(0, 2)+strings.Repeat("x", 1<<20)+"\n"+rows(2, 4))
	if s := p.read(p.adapter(completions, p.log), "a.csv"); s.Total != (file.Counts{Read: 5, Recorded: 4, Rejected: 1}) {
		t.Errorf("counts %+v", s.Total)
	}
}

func TestUnreadableFileIsShownAndHoldsUpNoOther(t *testing.T) {
	p := newPlant(t)
	if err := os.Symlink("loop.csv", filepath.Join(p.inbox, "loop.csv")); err != nil { // not even root can read it
		t.Fatal(err)
	}
	p.drop("a.csv", header+rows(0, 3))
	a := p.adapter(completions, p.log)
	if s := p.read(a, "a.csv"); s.Total.Recorded != 3 {
		t.Errorf("counts %+v", s.Total)
	}
	s := p.runUntil(a, "no problem is shown", func(s file.Status) bool { return s.Problem != "" })
	if !strings.Contains(s.Problem, "file loop.csv: ") || !strings.Contains(s.Problem, "make it readable for the node") {
		t.Errorf("problem %q", s.Problem)
	}
}

func TestUnreadableFolderIsShownAndRecovers(t *testing.T) {
	p := newPlant(t)
	if err := os.RemoveAll(p.inbox); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.inbox, nil, 0o644); err != nil { // a file is in the folder's place
		t.Fatal(err)
	}
	a := p.adapter(completions, p.log)
	s := p.runUntil(a, "no problem is shown", func(s file.Status) bool { return s.Problem != "" })
	if !strings.Contains(s.Problem, "make it readable and writable") {
		t.Errorf("problem %q", s.Problem)
	}
	if err := errors.Join(os.Remove(p.inbox), os.Mkdir(p.inbox, 0o755)); err != nil {
		t.Fatal(err)
	}
	p.drop("a.csv", header+rows(0, 3))
	if s := p.read(a, "a.csv"); s.Total.Recorded != 3 {
		t.Errorf("counts %+v", s.Total)
	}
}

func BenchmarkImport(b *testing.B) {
	config, err := adapter.ParseMapping("bench.yaml", []byte(completions))
	if err != nil {
		b.Fatal(err)
	}
	m, err := adapter.Compile(config, "plant-a")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	log, err := storage.Open(filepath.Join(dir, "log"), storage.Options{Mesh: "acme-test", Site: "plant-a", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	a, err := file.New(file.Config{Name: "mes", Dir: dir, Pattern: "*.csv", Settle: time.Nanosecond}, "plant-a", m, log, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a.csv"), []byte(header+rows(0, b.N)), 0o644); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	for tick := time.NewTicker(time.Millisecond); a.Status().Total.Read < uint64(b.N); {
		<-tick.C
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
