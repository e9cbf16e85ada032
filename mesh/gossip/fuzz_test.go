package gossip

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

func FuzzFrame(f *testing.F) {
	w := newWorld(f)
	creds := w.credentials("a")
	liar := newKey(f, w.credentials("liar"))
	g, err := New(Config{Self: creds.Identity(), Key: newKey(f, creds), Verifier: creds.Verifier(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	for _, frame := range []*peerv1.GossipFrame{
		newsOf(forge(f, liar, func(c *peerv1.MemberCard) { c.Links, c.Address = []string{"a", "b"}, "liar:7443" })),
		packetTo("a", ackOf(7), "liar"), packetTo("b", ackOf(7), "b", "liar"),
		pieceTo("a", &peerv1.StreamPiece{Stream: 1, Number: 1, Answer: true, Data: encoded(f, kindPushPull, pushPullHeader{Nodes: 2})}, "liar"),
	} {
		b, err := proto.Marshal(frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	link := &attached{gossip: g, site: "liar", wake: make(chan struct{}, 1)}
	g.links.add(link)
	close(g.transport.closed) // streams that are opened end at once
	f.Fuzz(func(t *testing.T, b []byte) {
		var frame peerv1.GossipFrame
		if proto.Unmarshal(b, &frame) != nil {
			return
		}
		if err := link.take(&frame); err != nil && !errors.Is(err, plantmesh.ErrInvalidRequest) && !errors.Is(err, errLeft) {
			t.Errorf("error %v", err)
		}
		for site, c := range g.directory.cards {
			if site != "a" && (site != "liar" || c.key.Site != "liar") {
				t.Errorf("a card of %s was taken", site)
			}
		}
	})
}

func FuzzPacket(f *testing.F) {
	f.Add(ackOf(1))
	f.Add(encoded(f, kindPing, struct{ SeqNo uint32 }{5}))
	f.Add([]byte{kindCompound, 2, 0, 1, 0, 2, kindDead, kindAlive, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		err := messages(b, func(_ byte, body []byte) { total += len(body) })
		if err != nil && !errors.Is(err, plantmesh.ErrInvalidRequest) || total > len(b) {
			t.Errorf("%d bytes of %d, %v", total, len(b), err)
		}
		_ = pings(b)
	})
}

func FuzzStream(f *testing.F) {
	f.Add(encoded(f, kindPushPull, pushPullHeader{Nodes: 1, UserStateLen: 0, Join: true}), true)
	f.Add(encoded(f, kindPushPull, pushPullHeader{Nodes: 1 << 20}), false)
	f.Fuzz(func(t *testing.T, b []byte, answer bool) {
		if err := checkStream(b, answer); err != nil && !errors.Is(err, plantmesh.ErrInvalidRequest) {
			t.Errorf("error %v", err)
		}
		if len(b) > maxPieceBytes {
			return
		}
		began := time.Now()
		if states, err := readStates(bytes.NewReader(b)); err == nil && len(states) > len(b) {
			t.Errorf("%d states in %d bytes after %s", len(states), len(b), time.Since(began))
		}
	})
}
