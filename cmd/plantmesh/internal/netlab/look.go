//go:build linux

package netlab

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

const (
	// lookEvery is how often a condition is looked at.
	lookEvery = 50 * time.Millisecond
	// lookTimeout bounds one question: the node may be paused.
	lookTimeout = 2 * time.Second
	// patience is how long a condition may take before it is taken never to come about.
	patience = 4 * time.Minute
)

// status is what the node says now; an error if it says nothing.
func (s *Site) status() (*adminv1.GetStatusResponse, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), lookTimeout)
	defer cancel()
	return s.client.Admin().GetStatus(ctx, &adminv1.GetStatusRequest{})
}

// Await waits until the node's status is as it should be, and returns how long that took. The condition also says what is
// missing.
func (s *Site) Await(what string, holds func(*adminv1.GetStatusResponse) (bool, string)) time.Duration {
	s.t.Helper()
	began := time.Now()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	missing := "no answer yet"
	for time.Since(began) < patience {
		status, err := s.status()
		if err != nil {
			missing = err.Error()
		} else {
			var ok bool
			if ok, missing = holds(status); ok {
				return time.Since(began)
			}
		}
		<-tick.C
	}
	s.t.Fatalf("%s: %s: not within %s: %s", s.Name, what, patience, missing)
	return 0
}

// link is the status of the link to an address.
func link(s *adminv1.GetStatusResponse, address string) *adminv1.Link {
	for _, l := range s.GetLinks() {
		if l.GetAddress() == address {
			return l
		}
	}
	return nil
}

// AwaitLink waits until the link to an address stands.
func (s *Site) AwaitLink(address string) time.Duration {
	s.t.Helper()
	return s.Await("link to "+address, func(status *adminv1.GetStatusResponse) (bool, string) {
		l := link(status, address)
		return l.GetState() == adminv1.LinkState_LINK_STATE_CONNECTED, l.String()
	})
}

// AwaitBroken waits until the link to an address is known to be down for a reason that holds all of the texts, and until
// the command line shows it, too.
func (s *Site) AwaitBroken(address string, reason ...string) time.Duration {
	s.t.Helper()
	told := ""
	took := s.Await(fmt.Sprintf("link to %s down: %q", address, reason), func(status *adminv1.GetStatusResponse) (bool, string) {
		l := link(status, address)
		told = l.GetReason()
		for _, text := range reason {
			if !strings.Contains(told, text) {
				return false, l.String()
			}
		}
		return l.GetState() != adminv1.LinkState_LINK_STATE_CONNECTED && told != "", l.String()
	})
	for shown := s.Plantmesh("status"); !strings.Contains(shown, told); shown = s.Plantmesh("status") {
		status, err := s.status()
		s.lab.must(err)
		if link(status, address).GetReason() == told { // it has not changed meanwhile
			s.t.Errorf("`plantmesh status` does not say %q:\n%s", told, shown)
			break
		}
		told = link(status, address).GetReason()
	}
	s.t.Logf("%s knows after %s: %s", s.Name, took.Round(time.Millisecond), told)
	return took
}

// head is how far the node holds a stream.
func head(s *adminv1.GetStatusResponse, stream plantmesh.StreamName) plantmesh.Offset {
	for _, h := range s.GetStreams() {
		if h.GetStream() == string(stream) {
			return plantmesh.Offset(h.GetHeadOffset())
		}
	}
	return 0
}

// AwaitHead waits until the node holds a stream at least up to an offset.
func (s *Site) AwaitHead(stream plantmesh.StreamName, offset plantmesh.Offset) time.Duration {
	s.t.Helper()
	return s.Await(fmt.Sprintf("%s up to %d", stream, offset), func(status *adminv1.GetStatusResponse) (bool, string) {
		at := head(status, stream)
		return at >= offset, fmt.Sprintf("it is at %d: %v %v", at, status.GetLinks(), status.GetReplicas())
	})
}

// Head is how far the node holds a stream now, or as soon as it answers.
func (s *Site) Head(stream plantmesh.StreamName) (at plantmesh.Offset) {
	s.t.Helper()
	s.Await("its status", func(status *adminv1.GetStatusResponse) (bool, string) {
		at = head(status, stream)
		return true, ""
	})
	return at
}

// AwaitMore waits until the node holds some more events of a stream than now.
func (s *Site) AwaitMore(stream plantmesh.StreamName, events plantmesh.Offset) time.Duration {
	s.t.Helper()
	return s.AwaitHead(stream, s.Head(stream)+events)
}

// Source is the link over which the node gets a stream now; empty if over none.
func (s *Site) Source(stream plantmesh.StreamName) string {
	s.t.Helper()
	status, err := s.status()
	s.lab.must(err)
	for _, r := range status.GetReplicas() {
		if r.GetStream() == string(stream) {
			return r.GetLink()
		}
	}
	return ""
}
