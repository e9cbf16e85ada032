package storage

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with a file: what is on sites' disks must stay readable.
func golden(t testing.TB, name, got string) string {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != "" && got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
	return string(want)
}

// sampleBlock is a block of two events; repeat makes their data long enough to compress.
func sampleBlock(t testing.TB, repeat int) *Block {
	t.Helper()
	h := header{incarnation: 7, base: 41, count: 2, first: 1_700_000_000_000_000_001, last: 1_700_000_001_000_000_000}
	h.previous = genesis("acme", "plant-a/production", 7)
	payload := appendPayloadStart(nil, "plant-a/production", 7)
	for i, at := range []int64{h.first, h.last} {
		e, err := proto.Marshal(&eventv1.Event{Id: fmt.Sprint(i), Source: "//plant-a/mes", Type: "a.B", Subject: "order/1", Data: bytes.Repeat([]byte{byte(i), 0xff}, repeat)})
		if err != nil {
			t.Fatal(err)
		}
		payload = appendRecorded(payload, h.base+plantmesh.Offset(i), at, "plant-a", e)
	}
	return buildBlock(h, payload)
}

func TestKeysAndRecordsAreEncodedAsEver(t *testing.T) {
	hash := idHash{}
	copy(hash[:], "0123456789abcdef")
	chain := genesis("acme", "plant-a/production", 7)
	var b strings.Builder
	for _, line := range []struct {
		name  string
		bytes []byte
	}{
		{"meta", metaKey(metaFormat)},
		{"cursor", cursorKey("file/inbox")},
		{"stream key", streamKey(258)},
		{"stream", streamRecord{name: "plant-a/production", incarnation: 7}.encode()},
		{"head key", headKey(258)},
		{"head", headRecord{offset: 41, time: 1_700_000_000_000_000_001, stored: 99, chain: chain}.encode()},
		{"block key", blockKey(258, 41)},
		{"time key", timeKey(258, 1_700_000_000_000_000_001, 40)},
		{"time key before 1970", timeKey(258, -1, 40)},
		{"id key", idKey(258, hash)},
		{"offset", encodeOffset(41)},
		{"position", Position{Incarnation: 7, Offset: 41}.encode()},
		{"genesis", chain[:]},
	} {
		fmt.Fprintf(&b, "%-21s %s\n", line.name, hex.EncodeToString(line.bytes))
	}
	golden(t, "keys.golden", b.String())
}

func TestBlockIsEncodedAsEver(t *testing.T) {
	h := header{incarnation: 7, base: 41, count: 1, first: 1_700_000_000_000_000_001, last: 1_700_000_000_000_000_001}
	h.previous = genesis("acme", "plant-a/production", 7)
	e, err := proto.Marshal(&eventv1.Event{Id: "1", Source: "//plant-a/mes"})
	if err != nil {
		t.Fatal(err)
	}
	b := buildBlock(h, appendRecorded(appendPayloadStart(nil, "plant-a/production", 7), 41, h.first, "plant-a", e))
	if b.codec != codecRaw {
		t.Error("a block this small was compressed")
	}
	golden(t, "block-raw.golden", hex.Dump(b.Bytes()))
}

// TestOldBlocksStayReadable reads a compressed block as an earlier version wrote it: encoders change, decoders must not.
func TestOldBlocksStayReadable(t *testing.T) {
	sample := sampleBlock(t, 100)
	stored := ""
	if *update {
		stored = hex.EncodeToString(sample.Bytes())
	}
	raw, err := hex.DecodeString(golden(t, "block-zstd.golden", stored))
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseBlock(raw)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Payload()
	if err != nil {
		t.Fatal(err)
	}
	want, _ := sample.Payload()
	if b.codec != codecZstd || !bytes.Equal(got, want) || b.Previous() != sample.Previous() || b.Count() != 2 ||
		b.First() != 41 || b.Last() != 42 || !b.FirstTime().Equal(sample.FirstTime()) || !b.LastTime().Equal(sample.LastTime()) {
		t.Errorf("header %+v", b.header)
	}
	if err := b.verifyPayload("plant-a/production"); err != nil {
		t.Error(err)
	}
}

// TestPayloadIsAnEventBatch reads what is written field by field with the generated code.
func TestPayloadIsAnEventBatch(t *testing.T) {
	b := sampleBlock(t, 1)
	batch, err := b.Batch()
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := b.Payload()
	again, err := proto.MarshalOptions{Deterministic: true}.Marshal(batch)
	if err != nil || !bytes.Equal(again, payload) {
		t.Errorf("payload %x, the generated code writes %x (%v)", payload, again, err)
	}
	if batch.GetStream() != "plant-a/production" || batch.GetIncarnation() != 7 || len(batch.GetEvents()) != 2 {
		t.Errorf("batch %v", batch)
	}
	one, err := b.Event(42)
	if err != nil || !proto.Equal(one, batch.GetEvents()[1]) {
		t.Errorf("event %v, %v", one, err)
	}
	if _, err := b.Event(43); err == nil {
		t.Error("an event that the block does not hold")
	}
}

func TestPayloadThatDisagreesWithItsHeaderIsCorrupt(t *testing.T) {
	sound := sampleBlock(t, 1)
	payload, _ := sound.Payload()
	for name, change := range map[string]func(*header){
		"base":        func(h *header) { h.base++ },
		"count":       func(h *header) { h.count++ },
		"fewer":       func(h *header) { h.count-- },
		"first time":  func(h *header) { h.first-- },
		"last time":   func(h *header) { h.last++ },
		"incarnation": func(h *header) { h.incarnation++ },
	} {
		h := sound.header
		change(&h)
		b, err := ParseBlock(buildBlock(h, payload).Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if b.verifyPayload("plant-a/production") == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, s := range []plantmesh.StreamName{"plant-a/quality", "plant-b/production"} {
		if sound.verifyPayload(s) == nil {
			t.Errorf("accepted for %s", s)
		}
	}
}

func TestKeysSortAsWhatTheyMean(t *testing.T) {
	for name, keys := range map[string][][]byte{
		"blocks": {blockKey(1, 1), blockKey(1, 2), blockKey(1, 256), blockKey(1, 1<<63), blockKey(2, 1), blockKey(256, 1)},
		"times":  {timeKey(1, -1<<62, 9), timeKey(1, -1, 9), timeKey(1, 0, 3), timeKey(1, 0, 4), timeKey(1, 1<<62, 1), timeKey(2, -1, 1)},
	} {
		for i := 1; i < len(keys); i++ {
			if bytes.Compare(keys[i-1], keys[i]) >= 0 {
				t.Errorf("%s: %x is not before %x", name, keys[i-1], keys[i])
			}
		}
	}
}
