package exceptions_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/exceptions"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func TestMain(m *testing.M) {
	warm() // what the process keeps for ever is made outside of virtual time
	goleak.VerifyTestMain(m)
}

func warm() {
	log, err := storage.Open("log", storage.Options{Mesh: "acme", Site: "plant-a", FS: vfs.NewMem()})
	if err != nil {
		panic(err)
	}
	defer log.Close()
	e, err := plantmesh.NewEvent("//test", "1", time.Now(), &manufacturingv1.ProductionOrderClosed{OrderId: strings.Repeat("x", 100), Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED})
	if err != nil {
		panic(err)
	}
	if _, err := log.Append(context.Background(), storage.Write{Entries: []storage.Entry{{Stream: "plant-a/production", Event: e}}}); err != nil {
		panic(err)
	}
	if _, err := log.Verify(context.Background(), "plant-a/production"); err != nil {
		panic(err)
	}
}

// site is a log and a derived database on a disk that can crash.
type site struct {
	*testing.T
	fs    vfs.FS
	log   *storage.Log
	state *storage.State
}

func newSite(t *testing.T) *site {
	s := &site{T: t, fs: vfs.NewCrashableMem()}
	s.open()
	return s
}

func (s *site) open() {
	s.Helper()
	options := storage.Options{Mesh: "acme", Site: "plant-a", FS: s.fs}
	var err, stateErr error
	s.log, err = storage.Open("log", options)
	s.state, stateErr = storage.OpenState("state", options)
	if err := errors.Join(err, stateErr); err != nil {
		s.Fatal(err)
	}
}

func (s *site) close() {
	s.Helper()
	if err := errors.Join(s.log.Close(), s.state.Close()); err != nil {
		s.Fatal(err)
	}
}

// world is a source whose conditions a test sets.
type world struct {
	holds []string
	ended map[string]bool
}

func (w *world) Kinds() []string { return []string{"test"} }

func (w *world) Conditions() (all []exceptions.Condition) {
	for _, about := range w.holds {
		all = append(all, exceptions.Condition{Kind: "test", About: about, Summary: "wrong", Action: "mend it", Owner: exceptions.Operations})
	}
	return all
}

func (w *world) Ended(o exceptions.Open) (bool, string) { return w.ended[o.About], "mended" }

// counts is what the metrics were told.
type counts struct{ raised, open int }

func (c *counts) Raised(string)         { c.raised++ }
func (c *counts) Open(_ string, by int) { c.open += by }

// run runs a keeper for a while.
func (s *site) run(w *world, length time.Duration) (open string, c counts) {
	s.Helper()
	k, err := exceptions.New("plant-a", s.log, s.state.Owner("exceptions"), &c, slog.New(slog.DiscardHandler), w)
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), length)
	defer cancel()
	if err := k.Run(ctx); err != nil {
		s.Fatal(err)
	}
	var all []string
	for _, o := range k.Open() {
		all = append(all, o.About)
	}
	return strings.Join(all, " "), c
}

// events are those of the stream, in short.
func (s *site) events() string {
	s.Helper()
	head, err := s.log.Head("plant-a/exceptions")
	if errors.Is(err, plantmesh.ErrUnknownStream) {
		return ""
	}
	if err != nil {
		s.Fatal(err)
	}
	var all []string
	for off := plantmesh.Offset(1); off <= head.Offset; off++ {
		e, err := s.log.Get("plant-a/exceptions", off)
		if err != nil {
			s.Fatal(err)
		}
		payload, err := plantmesh.Payload(e.GetEvent())
		if err != nil {
			s.Fatal(err)
		}
		switch p := payload.(type) {
		case *manufacturingv1.ExceptionRaised:
			all = append(all, "+"+p.GetAbout())
		case *manufacturingv1.ExceptionResolved:
			all = append(all, "-"+p.GetAbout())
		}
	}
	return strings.Join(all, " ")
}

func (s *site) want(open, events, gotOpen string) {
	s.Helper()
	if got := s.events(); gotOpen != open || got != events {
		s.Errorf("open %q of %q, want %q of %q", gotOpen, got, open, events)
	}
}

// However often a condition is seen, however the node ends, and whatever is left of its derived database: it is raised once,
// and resolved once, when it has certainly ended.
func TestConditionIsRaisedAndResolvedOnceOverRestartsAndPowerCuts(t *testing.T) {
	for name, restart := range map[string]func(s *site){
		"restart": func(s *site) { s.close(); s.open() },
		"power cut": func(s *site) {
			survivor := s.fs.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{}) // nothing that was not synced: all of the state
			s.close()
			s.fs = survivor
			s.open()
		},
		"derived database removed": func(s *site) {
			s.close()
			if err := s.fs.RemoveAll("state"); err != nil {
				s.Fatal(err)
			}
			s.open()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				defer func() { s.close() }()
				w := &world{ended: map[string]bool{}}
				open, _ := s.run(w, time.Minute)
				s.want("", "", open)
				w.holds = []string{"a", "b", "a"}
				open, c := s.run(w, time.Hour)
				s.want("a b", "+a +b", open)
				if c.raised != 2 || c.open != 2 {
					t.Errorf("counted %+v", c)
				}
				restart(s)
				w.holds = nil // nothing has been looked at yet
				open, _ = s.run(w, time.Hour)
				s.want("a b", "+a +b", open)
				w.holds = []string{"b"}
				w.ended["a"] = true
				restart(s)
				open, c = s.run(w, time.Hour)
				s.want("b", "+a +b -a", open)
				if c.raised != 0 || c.open != 1 {
					t.Errorf("counted %+v", c)
				}
				w.holds = []string{"b", "a"} // it is back
				restart(s)
				open, _ = s.run(w, time.Hour)
				s.want("b a", "+a +b -a +a", open)
			})
		})
	}
}

// The log is restored from a backup, the derived database is not.
func TestLogThatIsOlderThanTheDerivedDatabaseCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		defer func() { s.close() }()
		w := &world{holds: []string{"a"}, ended: map[string]bool{}}
		s.run(w, time.Minute)
		backup := s.fs.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
		w.holds = []string{"a", "b", "c"}
		s.run(w, time.Minute)
		if err := s.log.Close(); err != nil {
			t.Fatal(err)
		}
		var err error
		if s.log, err = storage.Open("log", storage.Options{Mesh: "acme", Site: "plant-a", FS: backup}); err != nil {
			t.Fatal(err)
		}
		open, _ := s.run(w, time.Hour)
		s.want("a b c", "+a +b +c", open)
	})
}

func TestMoreConditionsThanAnybodyReadsRaiseNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		defer func() { s.close() }()
		w := &world{ended: map[string]bool{}}
		for i := range 3000 {
			w.holds = append(w.holds, fmt.Sprint("line\n", i, strings.Repeat("ä", 400))) // and names that no event takes as they are
		}
		_, c := s.run(w, 20*time.Second)
		if head, err := s.log.Head("plant-a/exceptions"); err != nil || head.Offset != plantmesh.Offset(c.raised) || c.raised != 1000 {
			t.Errorf("%d raised, head %+v, %v", c.raised, head, err)
		}
	})
}

// heads are what a jump source sees of a log.
type heads []plantmesh.Head

func (h heads) AllHeads() []plantmesh.Head { return h }

func TestJumpsAreShownForADayAndNoneOfTheNodesOwnStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := heads{{Stream: "plant-b/production", Incarnation: 5, Offset: 7}}
		var counted []string
		j := exceptions.NewJumps("plant-a", &h, func(reader, kind, stream string) { counted = append(counted, reader+" "+kind+" "+stream) })
		if got := j.Conditions(); len(got) != 0 {
			t.Errorf("before anything: %v", got)
		}
		h = append(h, plantmesh.Head{Stream: "plant-b/production", Incarnation: 9}, plantmesh.Head{Stream: "plant-a/production", Incarnation: 9})
		trimmed := storage.Jump{Kind: storage.JumpTrimmed, From: storage.Position{Incarnation: 5, Offset: 2}, To: storage.Position{Incarnation: 5, Offset: 4}}
		j.Jumped(exceptions.ReaderConsumer, "odoo", "plant-b/quality", trimmed)
		j.Jumped(exceptions.ReaderConsumer, "odoo", "plant-a/exceptions", trimmed) // counts, and raises nothing
		got := j.Conditions()
		if len(got) != 2 || got[0].About != "consumer odoo plant-b/quality" || got[0].Summary != "Offsets 3 to 4 of incarnation 5 could not be read: trimmed." ||
			got[1].About != "replica plant-b/production" || !strings.Contains(got[1].Summary, "read up to offset 7") {
			t.Errorf("conditions %+v", got)
		}
		if len(counted) != 3 || counted[2] != "replica recreated plant-b/production" {
			t.Errorf("counted %v", counted)
		}
		open := exceptions.Open{Condition: got[0], Raised: time.Now()}
		<-time.After(23 * time.Hour)
		if ended, _ := j.Ended(open); ended || len(j.Conditions()) != 2 {
			t.Error("it ended within the day")
		}
		<-time.After(2 * time.Hour)
		if ended, _ := j.Ended(open); !ended || len(j.Conditions()) != 0 {
			t.Error("it stays open")
		}
	})
}
