package retention_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/retention"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

const stream = plantmesh.StreamName("plant-a/production")

// site is a log with a keeper and a clock.
type site struct {
	*testing.T
	fs        vfs.FS
	now       time.Time
	rule      retention.Rule
	followers []retention.Reader
	consumers []retention.Reader
	log       *storage.Log
	*retention.Keeper
}

func newSite(t *testing.T) *site {
	s := &site{T: t, fs: vfs.NewMem(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s.open()
	t.Cleanup(func() { _ = s.log.Close() })
	return s
}

func (s *site) open() {
	s.Helper()
	var err error
	s.log, err = storage.Open("log", storage.Options{Mesh: "test", Site: "plant-a", FS: s.fs, Now: func() time.Time { return s.now }})
	if err != nil {
		s.Fatal(err)
	}
	s.Keeper, err = retention.New(retention.Parts{
		Log: s.log, Rule: func(plantmesh.StreamName) retention.Rule { return s.rule }, Now: func() time.Time { return s.now },
		Followers: func() []retention.Reader { return s.followers }, Consumers: func() []retention.Reader { return s.consumers },
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		s.Fatal(err)
	}
}

// record appends an event a day.
func (s *site) record(days int) {
	s.Helper()
	for range days {
		e := &eventv1.Event{Id: fmt.Sprint(s.now.Unix()), Source: "//test", Time: timestamppb.New(s.now), Data: []byte(strings.Repeat("x", 500))}
		if _, err := s.log.Append(s.Context(), storage.Write{Entries: []storage.Entry{{Stream: stream, Event: e}}}); err != nil {
			s.Fatal(err)
		}
		s.now = s.now.Add(24 * time.Hour)
	}
}

func (s *site) begins(want plantmesh.Offset) {
	s.Helper()
	if err := s.Keep(s.Context()); err != nil {
		s.Fatal(err)
	}
	if got := s.log.Streams()[0].Earliest; got != want {
		s.Errorf("the stream begins at %d, want %d", got, want)
	}
}

func (s *site) reader(name string, o plantmesh.Offset) retention.Reader {
	head, err := s.log.Head(stream)
	if err != nil {
		s.Fatal(err)
	}
	return retention.Reader{Name: name, Stream: stream, Incarnation: head.Incarnation, Offset: o}
}

func TestEventsGoByAgeAndBySize(t *testing.T) {
	s := newSite(t)
	s.record(20)
	s.begins(1)
	s.rule = retention.Rule{MaxAge: 15 * 24 * time.Hour}
	s.begins(6)
	s.rule = retention.Rule{MaxAge: 15 * 24 * time.Hour, MaxBytes: s.log.Streams()[0].StoredBytes / 15 * 10}
	s.begins(11)
	s.rule = retention.Rule{MaxBytes: 1}
	s.begins(20) // the last block stays
}

func TestNothingGoesThatAFollowerOrConsumerHasNotGot(t *testing.T) {
	s := newSite(t)
	s.record(20)
	s.rule = retention.Rule{MaxAge: 5 * 24 * time.Hour}
	s.followers, s.consumers = []retention.Reader{s.reader("site hq", 9)}, []retention.Reader{s.reader("consumer odoo", 4)}
	s.begins(5)
	if why := s.Hold(stream); !strings.Contains(why, "consumer odoo has it up to offset 4") {
		t.Errorf("held back because %q", why)
	}
	s.consumers[0].Offset = 12
	s.begins(10)
	if why := s.Hold(stream); !strings.Contains(why, "site hq has it up to offset 9") {
		t.Errorf("held back because %q", why)
	}
	s.followers[0].Offset = 20
	s.begins(13)
	s.rule.TrimUnfetched = true
	s.begins(16)
	if why := s.Hold(stream); why != "" {
		t.Errorf("held back because %q", why)
	}
}

func TestFollowerIsRememberedAcrossRestartsUntilItIsForgotten(t *testing.T) {
	s := newSite(t)
	s.record(20)
	s.rule = retention.Rule{MaxAge: 5 * 24 * time.Hour}
	s.followers = []retention.Reader{s.reader("site hq", 3)}
	s.begins(4)
	if err := s.log.Close(); err != nil {
		t.Fatal(err)
	}
	s.followers = nil // it does not call any more
	s.open()
	s.begins(4)
	if n, err := s.Forget(t.Context(), "site hq"); n != 1 || err != nil {
		t.Fatalf("forgot %d, %v", n, err)
	}
	s.begins(16)
}
