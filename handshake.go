package plantmesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"google.golang.org/grpc/credentials"
)

// handshake is gRPC's TLS, but remembers why a node and this client did not come together. gRPC itself takes that for a
// line that is down, and would have the caller wait for what only a person can mend.
type handshake struct {
	credentials.TransportCredentials
	creds  *Credentials
	refuse atomic.Pointer[error] // of the last handshake; nil if that was fine
}

// newHandshake accepts any site of the mesh, or only the one named.
func newHandshake(creds *Credentials, site SiteID) *handshake {
	var accept func(Identity) error
	if site != "" {
		accept = func(id Identity) error {
			if id.Site != site {
				return fmt.Errorf("it is site %s, not %s: correct the address or the site", id.Site, site)
			}
			return nil
		}
	}
	return &handshake{TransportCredentials: credentials.NewTLS(creds.ClientConfig(accept)), creds: creds}
}

// refusal says why the last handshake failed, if that was nobody's line: an ErrUnauthenticated.
func (h *handshake) refusal() error {
	if err := h.refuse.Load(); err != nil {
		return *err
	}
	return nil
}

func (h *handshake) refused(err error) { h.refuse.Store(&err) }

// ClientHandshake notes what this side finds wrong.
func (h *handshake) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := h.TransportCredentials.ClientHandshake(ctx, authority, raw)
	var record tls.RecordHeaderError
	var network net.Error
	switch {
	case err == nil:
		h.refuse.Store(nil)
		return &guardedConn{Conn: conn, handshake: h}, info, nil
	case isAlert(err):
		h.refused(h.byNode(err))
	case errors.As(err, &record):
		h.refused(fmt.Errorf("%w: no TLS at this address: %w: check the port", ErrUnauthenticated, err))
	case ctx.Err() != nil, errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
	default:
		h.refused(fmt.Errorf("%w: the node's: %w", ErrUnauthenticated, err))
	}
	return conn, info, err
}

// Clone is part of the interface. gRPC makes one for each ClientConn, and reports to this one are the point.
func (h *handshake) Clone() credentials.TransportCredentials { return h }

// byNode explains an alert of the other side.
func (h *handshake) byNode(err error) error {
	return fmt.Errorf("%w: the node refuses %s (%s): %w: have it issued by the CA of the node's mesh, and see that it has not expired",
		ErrUnauthenticated, h.creds.files.Cert, h.creds.Identity(), err)
}

// isAlert tells what the other side said in TLS.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// guardedConn sees the node refuse this client's certificate: in TLS 1.3 that comes after the client's part of the
// handshake, as an alert in place of the first byte.
type guardedConn struct {
	net.Conn
	handshake *handshake
}

func (c *guardedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && isAlert(err) {
		c.handshake.refused(c.handshake.byNode(err))
	}
	return n, err
}

// Write ends the connection if it fails: gRPC itself goes on reading, and meanwhile begins each new call on this connection again and again,
// without a pause.
func (c *guardedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		_ = c.Close()
	}
	return n, err
}
