package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plantmesh/plantmesh"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"*", "plant-a", true}, {"plant-a", "plant-a", true}, {"plant-a", "plant-ab", false}, {"plant-*", "plant-", true},
		{"plant-*", "plant-a", true}, {"plant-*", "aplant-a", false}, {"*-a", "plant-a", true}, {"*-a", "plant-b", false},
		{"p*t-*a", "plant-xa", true}, {"p*t-*a", "plan-xa", false}, {"a*a", "a", false}, {"a*a", "aa", true}, {"**", "x", true}, {"a*b*c", "a1b2b3c", true},
		{"a*b*c", "ac", false}, {"", "a", false},
	} {
		if got := matches(c.pattern, c.name); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.name, got)
		}
	}
}

func FuzzPatternFollowsItsDefinition(f *testing.F) {
	f.Add("plant-*", "plant-a")
	f.Add("*a*b*", "xaybz")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 12 || len(name) > 24 {
			return
		}
		if got, want := matches(pattern, name), slowMatches(pattern, name); got != want {
			t.Errorf("%q on %q: %v, want %v", pattern, name, got, want)
		}
	})
}

// slowMatches is the definition.
func slowMatches(pattern, name string) bool {
	if pattern == "" {
		return name == ""
	}
	if pattern[0] != '*' {
		return name != "" && pattern[0] == name[0] && slowMatches(pattern[1:], name[1:])
	}
	for i := range len(name) + 1 {
		if slowMatches(pattern[1:], name[i:]) {
			return true
		}
	}
	return false
}

func TestFrameGrowsOnAFastLineAndShrinksOnASlowOne(t *testing.T) {
	var f frameSize
	if f.bytes() != minFrameBytes {
		t.Errorf("begins with %d", f.bytes())
	}
	for range 20 {
		f.took(time.Millisecond)
	}
	if f.bytes() != maxFrameBytes {
		t.Errorf("grows to %d", f.bytes())
	}
	f.took(500 * time.Millisecond)
	if f.bytes() != maxFrameBytes {
		t.Errorf("does not stay: %d", f.bytes())
	}
	for range 20 {
		f.took(5 * time.Second)
	}
	if f.bytes() != minFrameBytes {
		t.Errorf("shrinks to %d", f.bytes())
	}
}

func TestIntakeBoundsWhatIsNotDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		in := newIntake(100)
		block := make([]byte, 40)
		put := make(chan error, 1)
		add := func() { put <- in.put(ctx, frame{blocks: [][]byte{block}}, time.Now()) }
		for range 2 {
			add()
			if err := <-put; err != nil {
				t.Fatal(err)
			}
		}
		go add()
		synctest.Wait()
		first, err := in.take(ctx)
		if err != nil || len(first.frames) != 2 {
			t.Fatalf("%d blocks, %v", len(first.frames), err)
		}
		synctest.Wait()
		if len(put) != 0 {
			t.Fatal("let in while the bytes before are not durable")
		}
		in.done(first)
		if err := <-put; err != nil {
			t.Fatal(err)
		}
		// One larger than the limit is let in alone.
		block = make([]byte, 200)
		go add()
		second, err := in.take(ctx)
		if err != nil || len(second.frames) != 1 {
			t.Fatalf("%d blocks, %v", len(second.frames), err)
		}
		in.done(second)
		if third, err := in.take(ctx); err != nil || third.bytes != 200 {
			t.Fatalf("%+v, %v", third, err)
		}
		<-put
		go add()
		synctest.Wait()
		cancel()
		if err := <-put; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if _, err := in.take(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestEveryLinkFailureNamesWhatToDo(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for name, c := range map[string]struct {
		err     error
		refused bool
		word    string
	}{
		"refused":        {dial(syscall.ECONNREFUSED), false, "check that the peer runs"},
		"reset":          {dial(syscall.ECONNRESET), false, "lost"},
		"reset greeting": {fmt.Errorf("%w: %w", errGreeting, syscall.ECONNRESET), false, "its log says which"},
		"name":           {&net.OpError{Op: "dial", Err: &net.DNSError{Name: "hq.example", IsNotFound: true}}, false, "name service"},
		"shutting down":  {fmt.Errorf("x: %w", plantmesh.ErrShuttingDown), false, "shutting down"},
		"self":           {plantmesh.ErrSelfLink, true, "remove it from peers"},
		"not a node":     {status.Error(codes.Unimplemented, "unknown service"), true, "no plantmesh node"},
		"not http2":      {errNotHTTP2, true, "check the port"},
		"a client":       {plantmesh.ErrNotASite, true, "tls.cert"},
		"old peer":       {reverseError(&net.OpError{Op: "remote error", Err: errors.New("tls: no application protocol")}), true, "upgrade it"},
		"linked already": {fmt.Errorf("x: %w", plantmesh.ErrAlreadyLinked), true, "nothing is missing"},
		"displaced":      {errDisplaced, false, "reach: direct"},
		"alert":          {&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, true, "the peer refuses"},
	} {
		reason, refused := diagnose("hq:7443", c.err)
		if refused != c.refused || !strings.Contains(reason, c.word) || !strings.HasPrefix(reason, "hq:7443: ") {
			t.Errorf("%s: %q, %v", name, reason, refused)
		}
	}
}
