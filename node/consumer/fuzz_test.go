package consumer

import (
	"errors"
	"maps"
	"testing"

	"github.com/plantmesh/plantmesh"
)

// FuzzAhead feeds what the derived database keeps of events that were dealt with out of order.
func FuzzAhead(f *testing.F) {
	f.Add(uint64(0), []byte{})
	f.Add(uint64(7), encodeAhead(7, map[plantmesh.Offset]struct{}{8: {}, 300: {}, 1 << 40: {}}))
	f.Add(uint64(1)<<63, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, low uint64, b []byte) {
		ahead, err := decodeAhead(plantmesh.Offset(low), b)
		if err != nil {
			if !errors.Is(err, errRecord) {
				t.Fatal(err)
			}
			return
		}
		for o := range ahead {
			if o <= plantmesh.Offset(low) {
				t.Fatalf("offset %d is not ahead of %d", o, low)
			}
		}
		again, err := decodeAhead(plantmesh.Offset(low), encodeAhead(plantmesh.Offset(low), ahead))
		if err != nil || !maps.Equal(again, ahead) {
			t.Fatalf("%v is written as what is read as %v, %v", ahead, again, err)
		}
	})
}

// FuzzParkedKey feeds keys of parked subjects.
func FuzzParkedKey(f *testing.F) {
	f.Add(subjectKey{stream: "plant-a/production", subject: "order/1"}.parkedKey())
	f.Add([]byte("p"))
	f.Fuzz(func(t *testing.T, key []byte) {
		k, err := parseParkedKey(key)
		if err == nil && string(k.parkedKey()) != string(key) && len(key) > 0 && string(key[:1]) == prefixParked {
			t.Fatalf("%q is %+v, which is %q", key, k, k.parkedKey())
		}
	})
}
