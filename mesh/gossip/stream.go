package gossip

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// errPieceLost is a stream of which a piece did not come: whoever wants what it had asks again.
var errPieceLost = errors.New("a piece of the stream is lost")

// streamKey names a stream.
type streamKey struct {
	opener plantmesh.SiteID
	number uint64
}

// streamTable holds the open streams.
type streamTable struct {
	transport *transport // set once

	mu      sync.Mutex // guards what follows
	streams map[streamKey]*stream
	next    uint64
	closed  bool
}

// open makes a stream to a site.
func (t *streamTable) open(to plantmesh.SiteID) (*stream, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errClosed
	}
	if len(t.streams) >= maxStreams {
		return nil, fmt.Errorf("stream to %s: %d are open", to, len(t.streams))
	}
	if t.next == 0 {
		t.next = rand.Uint64() >> 1 // not the numbers of an earlier run
	}
	t.next++
	return t.add(streamKey{t.transport.self, t.next}, to), nil
}

// add makes a stream. Callers hold mu.
func (t *streamTable) add(key streamKey, peer plantmesh.SiteID) *stream {
	if t.streams == nil {
		t.streams = map[streamKey]*stream{}
	}
	s := &stream{table: t, key: key, peer: peer, change: make(chan struct{})}
	t.streams[key] = s
	return s
}

// deliver takes a piece. The first one of a stream that somebody else opens makes it.
func (t *streamTable) deliver(from plantmesh.SiteID, p *peerv1.StreamPiece) {
	key := streamKey{from, p.GetStream()}
	if p.GetAnswer() {
		key.opener = t.transport.self
	}
	t.mu.Lock()
	s := t.streams[key]
	opened := s == nil && !p.GetAnswer() && p.GetNumber() == 1 && !t.closed && t.room(from) && checkStream(p.GetData(), false) == nil
	if opened {
		s = t.add(key, from)
	}
	t.mu.Unlock()
	if s == nil || s.peer != from {
		return
	}
	s.take(p)
	if opened && !t.transport.hand(s) {
		_ = s.Close()
	}
}

// room tells whether a site may open a further stream. Callers hold mu.
func (t *streamTable) room(from plantmesh.SiteID) bool {
	n := 0
	for key := range t.streams {
		if key.opener == from {
			n++
		}
	}
	return n < maxStreams/8 && len(t.streams) < maxStreams
}

func (t *streamTable) forget(s *stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.streams, s.key)
}

// close ends all streams.
func (t *streamTable) close() {
	t.mu.Lock()
	t.closed = true
	all := t.streams
	t.streams = nil
	t.mu.Unlock()
	for _, s := range all {
		s.fail(errClosed)
	}
}

// stream is one of memberlist's streams: a net.Conn whose pieces travel as parcels. Nothing is sent twice: if a piece is
// lost, the stream fails. Memory: maxStreamBytes, for memberlist reads an exchange as a whole before it does anything.
type stream struct {
	table *streamTable     // set once
	key   streamKey        // set once
	peer  plantmesh.SiteID // set once

	mu       sync.Mutex // guards what follows
	in       []byte
	total    int    // bytes that came
	received uint32 // number of the last piece
	sent     uint32 // number of the last piece
	ended    bool   // the other side sends no more
	over     bool   // this side sends no more
	err      error
	deadline time.Time
	change   chan struct{} // closed at the next change
}

// changed wakes a reader. Callers hold mu.
func (s *stream) changed() {
	close(s.change)
	s.change = make(chan struct{})
}

func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.in = nil
	s.changed()
}

// take adds what came.
func (s *stream) take(p *peerv1.StreamPiece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received++
	s.total += len(p.GetData())
	switch {
	case s.err != nil:
	case p.GetNumber() != s.received:
		s.err = errPieceLost
	case s.total > maxStreamBytes:
		s.err = fmt.Errorf("%w: a stream of more than %d bytes", errInvalid, maxStreamBytes)
	case p.GetNumber() == 1 && len(p.GetData()) > 0 && checkStream(p.GetData(), p.GetAnswer()) != nil:
		s.err = checkStream(p.GetData(), p.GetAnswer())
	default:
		s.in, s.ended = append(s.in, p.GetData()...), p.GetEnd()
	}
	s.changed()
}

// Read implements net.Conn.
func (s *stream) Read(b []byte) (int, error) {
	for {
		s.mu.Lock()
		n := copy(b, s.in)
		s.in = s.in[n:]
		err, change, deadline := s.err, s.change, s.deadline
		if err == nil && s.ended {
			err = io.EOF
		}
		s.mu.Unlock()
		if n > 0 {
			return n, nil
		}
		if err == nil {
			err = wait(change, deadline)
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return 0, io.EOF
			}
			return 0, &net.OpError{Op: "read", Net: "tcp", Addr: siteAddr(s.peer), Err: err}
		}
	}
}

// wait waits for a change until a deadline, zero for none.
func wait(change <-chan struct{}, deadline time.Time) error {
	if deadline.IsZero() {
		<-change
		return nil
	}
	left := time.NewTimer(time.Until(deadline))
	defer left.Stop()
	select {
	case <-change:
		return nil
	case <-left.C:
		return os.ErrDeadlineExceeded
	}
}

// Write implements net.Conn. It never waits: what does not fit into the queue of the link fails the stream.
func (s *stream) Write(b []byte) (int, error) {
	done := 0
	for len(b) > 0 {
		n := min(len(b), maxPieceBytes)
		if err := s.send(b[:n], false); err != nil {
			return done, &net.OpError{Op: "write", Net: "tcp", Addr: siteAddr(s.peer), Err: err}
		}
		b, done = b[n:], done+n
	}
	return done, nil
}

func (s *stream) send(data []byte, end bool) error {
	s.mu.Lock()
	if s.err != nil || s.over {
		defer s.mu.Unlock()
		return errors.Join(s.err, io.ErrClosedPipe)
	}
	s.sent++
	s.over = end
	piece := &peerv1.StreamPiece{
		Stream: s.key.number, Answer: s.key.opener == s.peer, Number: s.sent, Data: append([]byte(nil), data...), End: end,
	}
	s.mu.Unlock()
	return s.table.transport.post(&peerv1.Parcel{To: string(s.peer), Content: &peerv1.Parcel_Piece{Piece: piece}})
}

// Close implements net.Conn.
func (s *stream) Close() error {
	_ = s.send(nil, true) // who does not hear it has a deadline
	s.table.forget(s)
	s.fail(net.ErrClosed)
	return nil
}

// LocalAddr implements net.Conn.
func (s *stream) LocalAddr() net.Addr { return siteAddr(s.table.transport.self) }

// RemoteAddr implements net.Conn.
func (s *stream) RemoteAddr() net.Addr { return siteAddr(s.peer) }

// SetDeadline implements net.Conn. Write needs none.
func (s *stream) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }

// SetReadDeadline implements net.Conn.
func (s *stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	s.changed()
	return nil
}

// SetWriteDeadline implements net.Conn: Write does not wait.
func (s *stream) SetWriteDeadline(time.Time) error { return nil }
