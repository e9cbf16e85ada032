package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
	"github.com/plantmesh/plantmesh/storage"
)

var checkpointCases = []testCase{
	{"CheckpointIsKeptWithItsBlocks", testCheckpoint},
	{"CheckpointThatDisagreesRefusesTheBlocks", testCheckpointDiverged},
	{"CheckpointsStayAtDistances", testCheckpointSpacing},
	{"NewestCheckpointIsListedWhileTheNextIsWritten", testCheckpointMoves},
	{"AnyRunOfEventsIsProvenByTheNextCheckpoint", testProve},
	{"OriginKeepsItsNewestCheckpoint", testPutCheckpoint},
}

// signed is a checkpoint at a head. Its signature is of no interest here: logs keep what others have verified.
func signed(h plantmesh.Head) plantmesh.Checkpoint {
	body, err := proto.Marshal(&peerv1.Checkpoint{
		Mesh: mesh, Stream: string(h.Stream), Incarnation: uint64(h.Incarnation), Offset: uint64(h.Offset), Chain: h.Chain[:], Time: timestamppb.New(h.Time),
	})
	if err != nil {
		panic(err)
	}
	whole, err := proto.Marshal(&peerv1.SignedCheckpoint{Checkpoint: body, KeyId: make([]byte, 16), Signature: []byte("signature")})
	if err != nil {
		panic(err)
	}
	c, err := plantmesh.ParseCheckpoint(whole)
	if err != nil {
		panic(err)
	}
	return c
}

// ends returns a checkpoint for each of the blocks' ends.
func ends(t testing.TB, s plantmesh.StreamName, blocks [][]byte) (all []plantmesh.Checkpoint) {
	t.Helper()
	for _, raw := range blocks {
		b, err := storage.ParseBlock(raw)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, signed(plantmesh.Head{Stream: s, Incarnation: b.Incarnation(), Offset: b.Last(), Chain: b.Chain(), Time: b.LastTime()}))
	}
	return all
}

func testCheckpoint(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 4)
	blocks := raw(t, o, production, 0)
	proof := ends(t, production, blocks)
	if _, err := r.AppendBlocks(t.Context(), production, blocks, proof[1], proof[3]); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := r.Checkpoint(production, 0)
		if err != nil || c.Offset != 4 || c.Chain != o.head(production).Chain || !bytes.Equal(c.Signed, proof[3].Signed) {
			t.Fatalf("newest is %+v, %v", c, err)
		}
		if report := r.verify(production); report.Signed != 4 {
			t.Errorf("verified: %+v", report)
		}
		r.reopen()
	}
}

func testCheckpointDiverged(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 3)
	blocks := raw(t, o, production, 0)
	proof := ends(t, production, blocks)
	other, between, beyond := proof[1], proof[1], proof[2]
	other.Chain[5]++
	between.Offset = 5
	beyond.Incarnation++
	for name, c := range map[string]plantmesh.Checkpoint{"chain": other, "offset": between, "incarnation": beyond} {
		if _, err := r.AppendBlocks(t.Context(), production, blocks, c); !errors.Is(err, plantmesh.ErrChainDiverged) {
			t.Errorf("other %s: %v", name, err)
		}
	}
	if _, err := r.Head(production); !errors.Is(err, plantmesh.ErrUnknownStream) {
		t.Errorf("something was stored: %v", err)
	}
}

func testCheckpointSpacing(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	const blocks, bytesEach = 40, storage.SignedEvery / 8
	for i := range blocks {
		o.record(production, &eventv1.Event{Id: fmt.Sprint(i), Source: source, Data: noise(i, bytesEach)})
		head := o.head(production)
		if _, err := r.AppendBlocks(t.Context(), production, raw(t, o, production, head.Offset-1), signed(head)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		all, err := r.Checkpoints(production, 0, 0, 1000)
		if err != nil || len(all) < blocks/8-1 || len(all) > blocks/8+2 || all[len(all)-1].Offset != blocks {
			t.Fatalf("%d checkpoints of %d, %v", len(all), blocks, err)
		}
		if report := r.verify(production); report.Checkpoints != len(all) || report.Signed != blocks {
			t.Errorf("verified: %+v", report)
		}
		r.reopen()
	}
}

// testCheckpointMoves reads while a replica grows: relays serve what the newest checkpoint covers, all the time.
func testCheckpointMoves(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	const count = 300
	o.recordEach(production, "a", count)
	blocks := raw(t, o, production, 0)
	proof := ends(t, production, blocks)
	if _, err := r.AppendBlocks(t.Context(), production, blocks[:1], proof[0]); err != nil {
		t.Fatal(err)
	}
	appended := make(chan error, 1)
	go func() {
		for i := 1; i < count; i++ {
			if _, err := r.AppendBlocks(t.Context(), production, blocks[i:i+1], proof[i]); err != nil {
				appended <- err
				return
			}
		}
		appended <- nil
	}()
	for {
		newest, err := r.Checkpoint(production, 0)
		if err != nil {
			t.Fatal(err)
		}
		all, err := r.Checkpoints(production, 0, newest.Offset-1, 10)
		if err != nil || len(all) == 0 || all[len(all)-1].Offset < newest.Offset {
			t.Fatalf("the newest checkpoint is at %d, those listed behind %d: %+v, %v", newest.Offset, newest.Offset-1, all, err)
		}
		select {
		case err := <-appended:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}

func testProve(t *testing.T, open Open) {
	o, r := start(t, open, origin), start(t, open, elsewhere)
	o.recordEach(production, "a", 10)
	blocks := raw(t, o, production, 0)
	proof := ends(t, production, blocks)
	if _, err := r.AppendBlocks(t.Context(), production, blocks[:6], proof[5]); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AppendBlocks(t.Context(), production, blocks[6:]); err != nil {
		t.Fatal(err)
	}
	checked := plantmesh.Offset(0)
	check := func(c plantmesh.Checkpoint) error { checked = c.Offset; return nil }
	got, err := r.Prove(t.Context(), production, 0, 2, 3, check)
	if err != nil || got.First != 2 || got.Last != 3 || got.Blocks != 5 || checked != 6 {
		t.Errorf("proof %+v, %v", got, err)
	}
	if _, err := r.Prove(t.Context(), production, 0, 6, 7, check); !errors.Is(err, plantmesh.ErrInvalidCheckpoint) {
		t.Errorf("behind the last signature: %v", err)
	}
	if _, err := r.Prove(t.Context(), production, 0, 9, 11, check); !errors.Is(err, plantmesh.ErrOffsetBeyondHead) {
		t.Errorf("behind the head: %v", err)
	}
	refused := errors.New("refused")
	if _, err := r.Prove(t.Context(), production, 0, 1, 1, func(plantmesh.Checkpoint) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("with a signature that does not hold: %v", err)
	}
	if _, err := r.VerifyOf(t.Context(), production, 0, func(plantmesh.Checkpoint) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("verified with a signature that does not hold: %v", err)
	}
}

func testPutCheckpoint(t *testing.T, open Open) {
	o := start(t, open, origin)
	o.recordEach(production, "a", 2)
	first := signed(o.head(production))
	o.recordEach(production, "b", 1)
	for _, c := range []plantmesh.Checkpoint{first, signed(o.head(production)), first} {
		if err := o.PutCheckpoint(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := o.Checkpoint(production, 0); err != nil || c.Offset != 3 {
		t.Errorf("newest is %+v, %v", c, err)
	}
	wrong := signed(o.head(production))
	wrong.Chain[0]++
	if err := o.PutCheckpoint(t.Context(), wrong); !errors.Is(err, plantmesh.ErrChainDiverged) {
		t.Errorf("another chain: %v", err)
	}
}

// noise does not compress.
func noise(seed, n int) []byte {
	b := make([]byte, n)
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x >> 32)
	}
	return b
}
