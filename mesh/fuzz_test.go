package mesh

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// FuzzParts cuts bytes into messages of a Replicate call as a peer may send them: parts of any length that say of themselves what
// they like, with whole frames in between.
func FuzzParts(f *testing.F) {
	frame, err := proto.Marshal(&peerv1.ReplicateResponse{Blocks: [][]byte{make([]byte, 300)}, HeadOffset: 7, Checkpoints: [][]byte{{1, 2}}})
	if err != nil {
		f.Fatal(err)
	}
	nested, err := proto.Marshal(&peerv1.ReplicateResponse{Part: []byte("part of a part"), More: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame, uint8(50), uint16(0))
	f.Add(nested, uint8(5), uint16(0))
	f.Add(frame, uint8(200), uint16(0b10))
	f.Add([]byte{0xff}, uint8(1), uint16(1))
	f.Fuzz(func(t *testing.T, whole []byte, size uint8, interrupt uint16) {
		var a assembly
		rest, n := whole, int(size)+1
		for i := 0; len(rest) > 0; i++ {
			if i < 16 && interrupt>>i&1 == 1 { // a frame where a part is due
				got, err := a.add(&peerv1.ReplicateResponse{HeadOffset: 1})
				if begun := len(rest) < len(whole); begun != (err != nil) || !begun && got == nil {
					t.Fatalf("a frame after %d bytes of another: %v, %v", len(whole)-len(rest), got, err)
				}
				if err != nil {
					return // the call ends
				}
			}
			part := rest[:min(n, len(rest))]
			rest = rest[len(part):]
			got, err := a.add(&peerv1.ReplicateResponse{Part: part, More: len(rest) > 0})
			switch {
			case err != nil && !errors.Is(err, errProtocol):
				t.Fatal(err)
			case err == nil && len(rest) > 0 && got != nil:
				t.Fatal("a frame before its end")
			case err != nil:
				return
			case len(rest) == 0:
				same := &peerv1.ReplicateResponse{}
				if proto.Unmarshal(whole, same) != nil || !proto.Equal(same, got) || len(got.GetPart()) > 0 {
					t.Fatalf("%x became %v", whole, got)
				}
			}
		}
		if len(a.bytes) > 0 {
			t.Fatalf("%d bytes stay", len(a.bytes))
		}
	})
}

func TestPartsWithoutAnEndAreGivenUp(t *testing.T) {
	var a assembly
	part := &peerv1.ReplicateResponse{Part: make([]byte, 1<<20), More: true}
	for i := range 10 {
		if _, err := a.add(part); err != nil {
			if !errors.Is(err, errProtocol) || i < 4 || cap(a.bytes) > 2*maxReceiveBytes {
				t.Errorf("after %d parts, with room for %d bytes: %v", i, cap(a.bytes), err)
			}
			return
		}
	}
	t.Error("ten megabytes of parts are kept")
}

// FuzzSchedule reads schedules as the configuration and administrators give them: whatever is taken opens, soon enough to be asked
// about, and later each time.
func FuzzSchedule(f *testing.F) {
	for _, spec := range []string{"0 2 * * *", "*/5 * * * 1-5", "0 0 29 2 *", "@daily", "59 23 31 12 6", "TZ=UTC 0 2 * * *", "0 0 31 2 *"} {
		f.Add(spec, int64(time.Hour), "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, spec string, window int64, zone string) {
		s, err := ParseSchedule(spec, time.Duration(window), zone)
		if err != nil {
			return
		}
		at := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
		for range 3 {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%q in %q: after %s comes %s", spec, zone, at, next)
			}
			if until, open := s.opened(next, time.Time{}); !open || until.Before(next) {
				t.Fatalf("%q in %q: it is not open at %s", spec, zone, next)
			}
			at = next
		}
	})
}
