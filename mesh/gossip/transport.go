package gossip

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// errClosed is a transport that is shut down.
var errClosed = errors.New("gossip has ended")

// unspecificPort goes with addressOf: memberlist wants one, and nothing listens on it.
const unspecificPort = 1

// addressOf is the address that memberlist knows a site by. Nothing is ever sent to it: sites are found by name.
func addressOf(site plantmesh.SiteID) net.IP {
	sum := sha256.Sum256([]byte(site))
	return append(net.IP{0xfd}, sum[:15]...)
}

// joinName is a site as memberlist's Join wants it.
func joinName(site plantmesh.SiteID) string {
	return fmt.Sprintf("%s/[%s]:%d", site, addressOf(site), unspecificPort)
}

// siteAddr is a site as a net.Addr.
type siteAddr plantmesh.SiteID

func (siteAddr) Network() string  { return "plantmesh" }
func (a siteAddr) String() string { return string(a) }

// transport carries memberlist's packets and streams in parcels. It is a memberlist.NodeAwareTransport.
type transport struct {
	self plantmesh.SiteID
	post func(*peerv1.Parcel) error

	packets chan *memberlist.Packet // unbuffered
	streams chan net.Conn           // unbuffered
	waiting chan *memberlist.Packet // bounded
	closed  chan struct{}
	pumping sync.WaitGroup
	table   streamTable

	mu      sync.Mutex // guards what follows
	down    bool
	pings   [16]uint32 // newest ones sent, in a ring
	pingsAt int
}

func newTransport(self plantmesh.SiteID, post func(*peerv1.Parcel) error) *transport {
	t := &transport{
		self: self, post: post, packets: make(chan *memberlist.Packet), streams: make(chan net.Conn),
		waiting: make(chan *memberlist.Packet, maxPackets), closed: make(chan struct{}),
	}
	t.table.transport = t
	return t
}

// start begins to hand packets over.
func (t *transport) start() {
	t.pumping.Go(func() {
		for {
			select {
			case p := <-t.waiting:
				select {
				case t.packets <- p:
				case <-t.closed:
					return
				}
			case <-t.closed:
				return
			}
		}
	})
}

// deliver takes a parcel for this site. What is wrong with it is its origin's fault, not that of who passed it on: it is
// dropped.
func (t *transport) deliver(from plantmesh.SiteID, p *peerv1.Parcel) {
	if piece := p.GetPiece(); piece != nil {
		t.table.deliver(from, piece)
		return
	}
	if messages(p.GetPacket(), func(byte, []byte) {}) != nil {
		return
	}
	select {
	case t.waiting <- &memberlist.Packet{Buf: p.GetPacket(), From: siteAddr(from), Timestamp: time.Now()}:
	default: // as UDP does
	}
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return addressOf(t.self), unspecificPort, nil
}

// WriteTo implements memberlist.Transport. Sites are known by name, so it never works.
func (t *transport) WriteTo(_ []byte, addr string) (time.Time, error) {
	return time.Time{}, fmt.Errorf("packet to %s: no site named", addr)
}

// WriteToAddress implements memberlist.NodeAwareTransport. Where there is no way to a site, memberlist has to take the site
// for failed, not itself: so it gets the error of a network.
func (t *transport) WriteToAddress(b []byte, to memberlist.Address) (time.Time, error) {
	t.mu.Lock()
	if t.down {
		t.mu.Unlock()
		return time.Time{}, errClosed
	}
	for _, number := range pings(b) {
		t.pings[t.pingsAt%len(t.pings)] = number
		t.pingsAt++
	}
	t.mu.Unlock()
	packet := append([]byte(nil), b...)
	if err := t.post(&peerv1.Parcel{To: to.Name, Content: &peerv1.Parcel_Packet{Packet: packet}}); err != nil {
		return time.Time{}, &net.OpError{Op: "write", Net: "udp", Addr: siteAddr(to.Name), Err: err}
	}
	return time.Now(), nil
}

// PacketCh implements memberlist.Transport.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh implements memberlist.Transport.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

// DialTimeout implements memberlist.Transport. Sites are known by name, so it never works.
func (t *transport) DialTimeout(addr string, _ time.Duration) (net.Conn, error) {
	return nil, fmt.Errorf("stream to %s: no site named", addr)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport. It waits for nothing: the first piece opens the stream.
func (t *transport) DialAddressTimeout(to memberlist.Address, _ time.Duration) (net.Conn, error) {
	return t.table.open(plantmesh.SiteID(to.Name))
}

// hand gives memberlist a stream.
func (t *transport) hand(conn net.Conn) bool {
	select {
	case t.streams <- conn:
		return true
	case <-t.closed:
		return false
	}
}

// Shutdown implements memberlist.Transport. memberlist waits for the answer to a ping for many seconds, and stops waiting
// for nothing else: so the last ones are answered here.
func (t *transport) Shutdown() error {
	t.mu.Lock()
	if t.down {
		t.mu.Unlock()
		return nil
	}
	t.down = true
	numbers := t.pings
	t.mu.Unlock()
	close(t.closed)
	t.pumping.Wait()
	t.table.close()
	for _, number := range numbers {
		if packet := ackOf(number); number != 0 && packet != nil {
			t.packets <- &memberlist.Packet{Buf: packet, From: siteAddr(t.self), Timestamp: time.Now()}
		}
	}
	return nil
}
