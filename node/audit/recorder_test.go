package audit

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func TestMain(m *testing.M) {
	if _, err := New("plant-a", nil, nil, nil).event(&manufacturingv1.AccessRefused{}); err == nil { // makes the validator outside of virtual time
		panic("an empty event passes")
	}
	goleak.VerifyTestMain(m)
}

// fakeLog keeps what is appended, or fails.
type fakeLog struct {
	mu     sync.Mutex
	events []*manufacturingv1.AccessRefused
	fail   error
}

func (l *fakeLog) Append(_ context.Context, w storage.Write) ([]storage.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	for _, e := range w.Entries {
		if e.Stream != "plant-a/audit" {
			return nil, fmt.Errorf("%s", e.Stream)
		}
		payload, err := plantmesh.Payload(e.Event)
		if err != nil {
			return nil, err
		}
		l.events = append(l.events, payload.(*manufacturingv1.AccessRefused))
	}
	return make([]storage.Receipt, len(w.Entries)), nil
}

func (l *fakeLog) set(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func (l *fakeLog) counts() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, e := range l.events {
		all = append(all, fmt.Sprintf("%s %d", e.GetPeerId(), e.GetCount()))
	}
	return strings.Join(all, ", ")
}

func run(t *testing.T, test func(t *testing.T, r *Recorder, l *fakeLog)) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLog{}
		r := New("plant-a", l, func(string, string) {}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		test(t, r, l)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

var denied = Refusal{Peer: "hq", Region: "eu", Action: "replicate", Stream: "plant-a/finance", Reason: "EXPORT_DENIED", Detail: "no\nrule"}

// The audit stream is asked for here: what is refused of it makes events in it, and yet there are no more of them.
func TestPeerThatAsksEachSecondIsRecordedOnceAndThenInSummaries(t *testing.T) {
	run(t, func(t *testing.T, r *Recorder, l *fakeLog) {
		one := denied
		one.Stream = "plant-a/audit"
		for range 3600 {
			r.Refused(one)
			<-time.After(time.Second)
		}
		synctest.Wait()
		if got := l.counts(); !strings.HasPrefix(got, "hq 1, hq ") || len(l.events) != 7 {
			t.Errorf("recorded %s", got)
		}
		if e := r.Entries(); len(e) != 1 || e[0].Count != 3600 {
			t.Errorf("entries %+v", e)
		}
		first := l.events[0]
		if first.GetStream() != "plant-a/audit" || first.GetDetail() != "no rule" || first.GetReason() != "EXPORT_DENIED" || first.GetPeerRegion() != "eu" {
			t.Errorf("event %v", first)
		}
	})
}

func TestRefusalsOfAFailedDiskAreRecordedWhenItTakesEventsAgain(t *testing.T) {
	run(t, func(t *testing.T, r *Recorder, l *fakeLog) {
		l.set(plantmesh.ErrDiskReserve)
		for range 100 {
			r.Refused(denied)
			<-time.After(time.Second)
		}
		if l.counts() != "" {
			t.Errorf("recorded %s", l.counts())
		}
		l.set(nil)
		<-time.After(retryAfter + time.Second)
		if l.counts() != "hq 100" {
			t.Errorf("recorded %s", l.counts())
		}
	})
}

func TestKindsBeyondTheLimitCountTogether(t *testing.T) {
	run(t, func(t *testing.T, r *Recorder, l *fakeLog) {
		for i := range 3 * maxKinds {
			one := denied
			one.Peer = fmt.Sprint("client/", i)
			r.Refused(one)
		}
		synctest.Wait()
		if e := r.Entries(); len(e) != maxKinds+1 {
			t.Errorf("%d entries", len(e))
		}
		if !strings.Contains(l.counts(), overflow) {
			t.Error("what is beyond the limit is not recorded")
		}
	})
}
