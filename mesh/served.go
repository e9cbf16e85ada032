package mesh

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// servedConn is a reverse connection that this node dialed and serves its calls on. It has shaken hands.
type servedConn struct {
	*wire
	state tls.ConnectionState
	peer  plantmesh.Identity

	once   sync.Once
	closed chan struct{}
}

// Close is called by the gRPC server when it is done with the connection, and by the link when nothing comes any more.
func (c *servedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.wire.Close()
}

// reverseListener hands reverse connections to the gRPC server as if they had been accepted.
type reverseListener struct {
	conns  chan *servedConn
	once   sync.Once
	closed chan struct{}
}

func newReverseListener() *reverseListener {
	return &reverseListener{conns: make(chan *servedConn), closed: make(chan struct{})}
}

// ReverseListener gives the reverse connections of this site, on which the gRPC server with ServerCredentials has to serve
// besides its port. It gives none if the site can be dialed.
func (m *Mesh) ReverseListener() net.Listener { return m.reverse }

func (l *reverseListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *reverseListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *reverseListener) Addr() net.Addr { return reverseAddr{} }

// reverseAddr is nowhere: nobody can dial it.
type reverseAddr struct{}

func (reverseAddr) Network() string { return "plantmesh" }
func (reverseAddr) String() string  { return "reverse connections" }

// hand gives a connection to the server, which owns it from then on.
func (l *reverseListener) hand(ctx context.Context, c *servedConn) error {
	select {
	case l.conns <- c:
		return nil
	case <-l.closed:
		return plantmesh.ErrShuttingDown
	case <-ctx.Done():
		return causeOf(ctx, ctx.Err())
	}
}

// serve opens a reverse connection, has the server answer the calls that come over it, and stays until it ends, which is
// always an error.
func (l *link) serve(ctx context.Context) error {
	conn, err := l.mesh.connectReverse(ctx, l.address)
	if err != nil {
		return err
	}
	if err := l.mesh.reverse.hand(ctx, conn); err != nil {
		_ = conn.Close()
		return err
	}
	l.serving(conn.peer.Site)
	l.mesh.nudgeBeside(l)
	return l.hear(ctx, conn)
}

// connectReverse dials, shakes hands and waits until the peer takes the connection.
func (m *Mesh) connectReverse(ctx context.Context, address string) (*servedConn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, m.cfg.Timings.DialTimeout, fmt.Errorf("%w within %s", errNoAnswer, m.cfg.Timings.DialTimeout))
	defer cancel()
	config := m.creds.ClientConfig(nil)
	config.NextProtos = []string{reverseProtocol}
	secure, err := m.dialTLS(ctx, address, config)
	if err != nil {
		return nil, reverseError(err)
	}
	conn, err := m.taken(ctx, secure)
	if err != nil {
		_ = secure.Close()
		return nil, causeOf(ctx, err)
	}
	return conn, nil
}

// taken reads the peer's answer.
func (m *Mesh) taken(ctx context.Context, secure *tls.Conn) (*servedConn, error) {
	state := secure.ConnectionState()
	if state.NegotiatedProtocol != reverseProtocol {
		return nil, errNoReverse
	}
	peer, err := plantmesh.IdentityOf(state.PeerCertificates[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	if peer.Site == m.self.Site {
		return nil, plantmesh.ErrSelfLink
	}
	stop := context.AfterFunc(ctx, func() { _ = secure.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := readAnswer(secure); err != nil {
		return nil, err
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	return &servedConn{wire: &wire{Conn: secure}, state: state, peer: peer, closed: make(chan struct{})}, nil
}

// hear drops a connection on which nothing comes any more. The peer greets every few seconds, and answers the server's
// keepalives, whatever else it does. When ctx ends, the server, which is about to stop, ends the connection in order.
func (l *link) hear(ctx context.Context, conn *servedConn) error {
	silence := l.mesh.cfg.Timings.Silence
	alive, bytes := time.Now(), int64(0)
	tick := time.NewTicker(silence / 5)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-conn.closed:
			if cause := conn.ended.Load(); cause != nil {
				return *cause
			}
			return io.ErrUnexpectedEOF
		case <-ctx.Done():
			if conn.received.Load() == 0 {
				_ = conn.Close() // the server would wait for the first byte
			}
			return ctx.Err()
		}
		if now := conn.received.Load(); now > bytes {
			alive, bytes = time.Now(), now
		}
		if time.Since(alive) >= silence {
			_ = conn.Close()
			return fmt.Errorf("%w for %s", errSilent, silence)
		}
	}
}

// serving notes that the peer can call this node.
func (l *link) serving(site plantmesh.SiteID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.State, l.state.Since, l.state.Reason, l.state.Site = adminv1.LinkState_LINK_STATE_CONNECTED, time.Now(), "", site
	l.mesh.logger.Info("reverse connection taken", slog.String("peer", l.address), slog.String("site", string(site)))
}
