package gossip

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// forge makes a card that says anything, signed by anybody.
func forge(t testing.TB, key *plantmesh.SigningKey, change func(*peerv1.MemberCard)) *peerv1.SignedMemberCard {
	t.Helper()
	said := &peerv1.MemberCard{Mesh: "acme", Site: "liar", Region: "eu", Sequence: uint64(time.Now().UnixMicro()), Time: timestamppb.Now()}
	change(said)
	body, err := proto.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	id := idOf(key.Voucher())
	return &peerv1.SignedMemberCard{Card: body, Signature: key.SignMemberCard(body), VoucherId: id[:], Voucher: key.Voucher()}
}

func newsOf(cards ...*peerv1.SignedMemberCard) *peerv1.GossipFrame {
	return &peerv1.GossipFrame{Content: &peerv1.GossipFrame_News{News: &peerv1.News{Cards: cards}}}
}

func parcelOf(p *peerv1.Parcel) *peerv1.GossipFrame {
	return &peerv1.GossipFrame{Content: &peerv1.GossipFrame_Parcel{Parcel: p}}
}

func packetTo(to string, packet []byte, path ...string) *peerv1.GossipFrame {
	return parcelOf(&peerv1.Parcel{Path: path, To: to, Content: &peerv1.Parcel_Packet{Packet: packet}})
}

func pieceTo(to string, piece *peerv1.StreamPiece, path ...string) *peerv1.GossipFrame {
	return parcelOf(&peerv1.Parcel{Path: path, To: to, Content: &peerv1.Parcel_Piece{Piece: piece}})
}

// encoded is a message of memberlist.
func encoded(t testing.TB, kind byte, m any) []byte {
	t.Helper()
	var body []byte
	if err := codec.NewEncoderBytes(&body, &codec.MsgpackHandle{}).Encode(m); err != nil {
		t.Fatal(err)
	}
	return append([]byte{kind}, body...)
}

// lie attaches a site that sends frames of its own to another one, and returns how that ends the link; nil if it bears it for a
// minute.
func (w *world) lie(to plantmesh.SiteID, frames ...*peerv1.GossipFrame) error {
	in, out := newPipe(0), newPipe(0)
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	go func() {
		for {
			if _, err := out.get(); err != nil {
				return
			}
		}
	}()
	defer in.close()
	defer out.close()
	go func() {
		for _, f := range frames {
			if in.put(f) != nil {
				return // the link has ended
			}
		}
	}()
	err := w.sites[to].Attach(ctx, plantmesh.Identity{Mesh: "acme", Region: "eu", Site: "liar"}, &side{in: in, out: out})
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func TestCardsThatTheirSiteDidNotSignEndTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		names := []plantmesh.SiteID{"a", "b"}
		w.startAll(names...)
		w.link("a", "b")
		w.allKnow(15*time.Second, names...)
		key := newKey(t, w.credentials("liar"))
		honest := w.sites["b"].directory.of("b").signed
		turned, ok := proto.Clone(honest).(*peerv1.SignedMemberCard)
		if !ok {
			t.Fatal("not a card")
		}
		var said peerv1.MemberCard
		if err := proto.Unmarshal(turned.GetCard(), &said); err != nil {
			t.Fatal(err)
		}
		said.Sequence, said.Leaving = said.GetSequence()+1, true
		turned.Card, _ = proto.Marshal(&said)
		newer := uint64(time.Now().Add(time.Hour).UnixMicro())
		lies := map[string]*peerv1.SignedMemberCard{
			"of another site":              forge(t, key, func(c *peerv1.MemberCard) { c.Site, c.Sequence = "b", newer }),
			"of a site that is not":        forge(t, key, func(c *peerv1.MemberCard) { c.Site = "nowhere" }),
			"of another mesh":              forge(t, key, func(c *peerv1.MemberCard) { c.Mesh = "other" }),
			"of another region":            forge(t, key, func(c *peerv1.MemberCard) { c.Region = "us" }),
			"changed on the way":           turned,
			"with an address that is none": forge(t, key, func(c *peerv1.MemberCard) { c.Address = "nonsense" }),
			"with too many streams":        forge(t, key, func(c *peerv1.MemberCard) { c.Held = make([]*peerv1.HeldStream, MaxHeld+1) }),
			"too large":                    forge(t, key, func(c *peerv1.MemberCard) { c.Version = string(make([]byte, maxCardBytes)) }),
			"garbage":                      {Card: []byte("garbage"), VoucherId: make([]byte, 16)},
		}
		for name, lie := range lies {
			if err := w.lie("a", newsOf(lie)); !errors.Is(err, plantmesh.ErrInvalidRequest) {
				t.Errorf("a card %s: %v", name, err)
			}
			if name != "of another site" && w.sites["a"].directory.of("nowhere") != nil {
				t.Errorf("a card %s was taken", name)
			}
		}
		w.allKnow(0, names...)
		if got := w.sites["a"].Members(); len(got) != 1 {
			t.Errorf("members %+v", got)
		}
	})
}

func TestParcelsThatLieAboutTheirWayEndTheLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startAll("a", "b")
		w.link("a", "b")
		w.allKnow(15*time.Second, "a", "b")
		ack := ackOf(1)
		for name, f := range map[string]*peerv1.GossipFrame{
			"as another site":        packetTo("a", ack, "b"),
			"without a way":          packetTo("a", ack),
			"through this site":      packetTo("a", ack, "a", "liar"),
			"in a circle":            packetTo("a", ack, "liar", "b", "liar"),
			"from too far":           packetTo("a", ack, "1", "2", "3", "4", "5", "6", "7", "8", "liar"),
			"with a name that is no": packetTo("a", ack, "No Name", "liar"),
			"with an empty packet":   packetTo("a", nil, "liar"),
			"with a huge packet":     packetTo("b", make([]byte, maxPacketBytes+1), "liar"),
			"with a huge piece":      pieceTo("b", &peerv1.StreamPiece{Number: 1, Data: make([]byte, maxPieceBytes+1)}, "liar"),
			"with nothing":           parcelOf(&peerv1.Parcel{Path: []string{"liar"}, To: "a"}),
		} {
			if err := w.lie("a", f); !errors.Is(err, plantmesh.ErrInvalidRequest) {
				t.Errorf("a parcel %s: %v", name, err)
			}
		}
		w.allKnow(0, "a", "b")
	})
}

// suspicion and announcement are messages of memberlist.
type suspicion struct {
	Incarnation uint32
	Node        string
	From        string
}

type announcement struct {
	Incarnation uint32
	Node        string
	Addr        []byte
	Port        uint16
	Meta        []byte
	Vsn         []uint8
}

func TestLiesToMemberlistHarmNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		names := []plantmesh.SiteID{"a", "b", "c"}
		w.startAll(names...)
		w.link("a", "b")
		w.link("b", "c")
		w.allKnow(15*time.Second, names...)
		card := newsOf(forge(t, newKey(t, w.credentials("liar")), func(*peerv1.MemberCard) {}))
		vsn := []uint8{1, 5, 2, 0, 0, 0}
		frames := []*peerv1.GossipFrame{card}
		say := func(packet []byte) {
			frames = append(frames, packetTo("a", packet, "liar"), packetTo("c", packet, "liar"))
		}
		say([]byte("\xff garbage"))
		say([]byte{kindCompound, 200, 0, 1})
		say([]byte{kindChecksum, 0, 0, 0, 0, kindAlive})
		say([]byte{kindAlive, 0x81})
		say(append([]byte{9}, make([]byte, 100)...)) // compressed
		for i := range uint32(20) {
			say(encoded(t, kindDead, suspicion{i, "b", "b"})) // says that b has left
			say(encoded(t, kindDead, suspicion{i, "c", "b"}))
			say(encoded(t, kindSuspect, suspicion{i, "a", "c"}))
			say(encoded(t, kindAlive, announcement{i + 1, fmt.Sprintf("ghost-%d", i), addressOf("ghost"), 1, nil, vsn}))
			say(encoded(t, kindAlive, announcement{i + 1, "b", []byte{127, 0, 0, 1}, 80, nil, vsn}))
			say(encoded(t, kindAlive, announcement{i + 1, "b", addressOf("b"), 1, bytes.Repeat([]byte("x"), 1000), vsn}))
		}
		if err := w.lie("a", frames...); err != nil {
			t.Errorf("the link that carried it ended: %v", err)
		}
		w.settles(10*time.Second, alive, "a", "b", "c")
		w.settles(10*time.Second, alive, "c", "a", "b")
		for _, at := range names {
			thoughts, err := w.sites[at].transport.states()
			if err != nil {
				t.Fatal(err)
			}
			for name := range thoughts {
				if !slices.Contains(names, name) && name != "liar" {
					t.Errorf("memberlist of %s knows %q", at, name)
				}
			}
		}
	})
}

func TestStreamsThatAnnounceTooMuchOrNeverEndAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startAll("a", "b")
		w.link("a", "b")
		w.allKnow(15*time.Second, "a", "b")
		frames := []*peerv1.GossipFrame{newsOf(forge(t, newKey(t, w.credentials("liar")), func(*peerv1.MemberCard) {}))}
		open := func(number uint64, first []byte) {
			frames = append(frames, pieceTo("a", &peerv1.StreamPiece{Stream: number, Number: 1, Data: first}, "liar"))
		}
		header := func(nodes, user int) []byte {
			return encoded(t, kindPushPull, pushPullHeader{Nodes: nodes, UserStateLen: user})
		}
		open(1, header(1<<20, 0))
		open(2, header(0, 20<<20))
		open(3, header(-1, 0))
		open(4, []byte{9, 1, 2, 3})
		open(5, nil)
		for i := range uint64(1000) {
			open(100+i, header(1, 0)) // and then nothing
		}
		for i := range uint32(100) { // one that sends without end
			frames = append(frames, pieceTo("a", &peerv1.StreamPiece{Stream: 100, Number: i + 2, Data: bytes.Repeat([]byte{0xc0}, maxPieceBytes)}, "liar"))
		}
		frames = append(frames, pieceTo("a", &peerv1.StreamPiece{Stream: 101, Number: 7, Data: []byte("gap")}, "liar"),
			pieceTo("a", &peerv1.StreamPiece{Stream: 9, Number: 1, Answer: true, Data: header(1, 0)}, "liar"))
		go func() {
			pass(time.Second)
			table := &w.sites["a"].transport.table
			table.mu.Lock()
			defer table.mu.Unlock()
			if len(table.streams) > maxStreams {
				t.Errorf("%d streams are open", len(table.streams))
			}
		}()
		if err := w.lie("a", frames...); err != nil {
			t.Errorf("the link that carried it ended: %v", err)
		}
		table := &w.sites["a"].transport.table
		table.mu.Lock()
		if len(table.streams) != 0 {
			t.Errorf("%d streams are still open", len(table.streams))
		}
		table.mu.Unlock()
		w.allKnow(10*time.Second, "a", "b")
	})
}

func TestClaimedLinksDrawNoTraffic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		names := []plantmesh.SiteID{"a", "b", "c"}
		w.startAll(names...)
		w.link("a", "b")
		w.link("b", "c")
		w.allKnow(15*time.Second, names...)
		frames := []*peerv1.GossipFrame{newsOf(forge(t, newKey(t, w.credentials("liar")), func(c *peerv1.MemberCard) { c.Links = []string{"a", "b", "c"} }))}
		go func() {
			pass(30 * time.Second)
			if way, _ := w.sites["a"].wayTo("c"); way.next != "b" {
				t.Errorf("the way to c leads through %s", way.next)
			}
		}()
		if err := w.lie("a", frames...); err != nil {
			t.Error(err)
		}
	})
}

func TestMemoryIsBoundedWhateverASiteSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startAll("a", "b")
		w.link("a", "b").ends[0].hold(true) // b's answers come, a's parcels wait
		pass(time.Second)
		key := newKey(t, w.credentials("liar"))
		frames := []*peerv1.GossipFrame{}
		for i := range 2000 { // as many cards as it likes, of one site
			frames = append(frames, newsOf(forge(t, key, func(c *peerv1.MemberCard) { c.Sequence += uint64(i) })))
		}
		big := make([]byte, maxPacketBytes)
		binary.BigEndian.PutUint16(big, 0x0100)
		for range 5000 {
			frames = append(frames, packetTo("b", big, "liar"), packetTo("a", big, "liar"))
		}
		before := held()
		if err := w.lie("a", frames...); err != nil {
			t.Error(err)
		}
		if grown := held() - before; grown > 16<<20 {
			t.Errorf("%d bytes are held", grown)
		}
		runtime.KeepAlive(frames)
		if got := len(w.sites["a"].transport.waiting); got > maxPackets {
			t.Errorf("%d packets wait", got)
		}
	})
}

func held() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestSitesBeyondTheLimitReplaceOnlyThoseThatAreGone(t *testing.T) {
	w := newWorld(t)
	d := newDirectory(plantmesh.Identity{Mesh: "acme", Region: "eu", Site: "a"}, w.credentials("a").Verifier())
	for i := range MaxSites {
		d.cards[plantmesh.SiteID(fmt.Sprintf("s%d", i))] = &card{said: &peerv1.MemberCard{}}
	}
	signed := forge(t, newKey(t, w.credentials("liar")), func(*peerv1.MemberCard) {})
	nobody := func(map[plantmesh.SiteID]*card) (plantmesh.SiteID, bool) { return "", false }
	if _, news, err := d.take(signed, time.Now(), nobody); news || err != nil || len(d.cards) != MaxSites {
		t.Errorf("taken: %v, %v; %d cards", news, err, len(d.cards))
	}
	first := func(map[plantmesh.SiteID]*card) (plantmesh.SiteID, bool) { return "s0", true }
	if _, news, err := d.take(signed, time.Now(), first); !news || err != nil || len(d.cards) != MaxSites || d.of("s0") != nil {
		t.Errorf("taken: %v, %v; %d cards", news, err, len(d.cards))
	}
}
