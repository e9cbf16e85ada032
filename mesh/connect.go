package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/plantmesh/plantmesh"
)

const (
	// keepaliveEvery is how long a connection is quiet before HTTP/2 pings; gRPC allows no less.
	keepaliveEvery   = 10 * time.Second
	keepaliveTimeout = 10 * time.Second
	// lastWords is how long to look for the reason why a peer hung up.
	lastWords = time.Second
	// maxReceiveBytes lets a frame of blocks and its fields in.
	maxReceiveBytes = maxFrameBytes + 1<<20
)

// Why a connection did not come about, or ended.
var (
	errNoAnswer     = errors.New("no answer")
	errNotHTTP2     = errors.New("the peer does not speak HTTP/2")
	errHandshake    = errors.New("the peer's certificate does not do")
	errSilent       = errors.New("connection silent")
	errConnectionUp = errors.New("connection used up")
	errDuplicate    = errors.New("second address of one site")
)

// connection is one TLS connection to a peer, with a gRPC client on it that never dials another: when the connection
// ends, the client's calls end, and the link decides what comes next.
type connection struct {
	*grpc.ClientConn
	peer plantmesh.Identity
	wire *wire
}

// connect dials an address and shakes hands.
func (m *Mesh) connect(ctx context.Context, address string) (*connection, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, m.cfg.Timings.DialTimeout, fmt.Errorf("%w within %s", errNoAnswer, m.cfg.Timings.DialTimeout))
	defer cancel()
	secure, err := m.dialTLS(ctx, address, m.creds.ClientConfig(nil))
	if err != nil {
		return nil, err
	}
	if secure.ConnectionState().NegotiatedProtocol != "h2" {
		_ = secure.Close()
		return nil, errNotHTTP2
	}
	c, err := wrap(address, secure, secure.ConnectionState())
	if err != nil {
		_ = secure.Close()
	}
	return c, err
}

// dialTLS opens a connection and shakes hands. The error is ctx's cause if that ended.
func (m *Mesh) dialTLS(ctx context.Context, address string, config *tls.Config) (*tls.Conn, error) {
	raw, err := m.cfg.Dial(ctx, address)
	if err != nil {
		return nil, causeOf(ctx, err)
	}
	secure := tls.Client(raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, causeOf(ctx, handshakeError(err))
	}
	return secure, nil
}

// causeOf prefers the reason why ctx ended to the way in which the operation noticed.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// handshakeError marks what this side found wrong with the other's certificate: whatever did not come from the network
// or from the other side.
func handshakeError(err error) error {
	var record tls.RecordHeaderError
	var network net.Error
	if errors.As(err, &record) || errors.As(err, &network) || isLost(err) {
		return err
	}
	return fmt.Errorf("%w: %w", errHandshake, err)
}

// wrap lays a gRPC client over a connection that has shaken hands.
func wrap(address string, secure net.Conn, state tls.ConnectionState) (*connection, error) {
	peer, err := plantmesh.IdentityOf(state.PeerCertificates[0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	w := &wire{Conn: secure}
	var used atomic.Bool
	client, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if used.Swap(true) {
				return nil, errConnectionUp
			}
			return w, nil
		}),
		grpc.WithTransportCredentials(shaken{state}),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithIdleTimeout(0),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveEvery, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceiveBytes)),
	)
	if err != nil {
		return nil, fmt.Errorf("gRPC over %s: %w", address, err)
	}
	return &connection{ClientConn: client, peer: peer, wire: w}, nil
}

// close ends the connection and all calls on it.
func (c *connection) close() {
	_ = c.ClientConn.Close()
	_ = c.wire.Close() // if gRPC never took it
}

// why prefers what ended the connection to how a call on it noticed, unless the peer gave a reason of its own.
func (c *connection) why(err error) error {
	cause := c.wire.ended.Load()
	if cause == nil || status.Code(err) != codes.Unavailable || errors.Is(err, plantmesh.ErrShuttingDown) {
		return err
	}
	return *cause
}

// wire watches the decrypted side of a connection: what arrives, and what ends it. The latter is where a server's refusal
// of our certificate shows in TLS 1.3: after our handshake, as an alert instead of the first byte.
type wire struct {
	net.Conn
	received atomic.Int64
	ended    atomic.Pointer[error] // first error
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.received.Add(int64(n))
	if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) {
		w.ended.CompareAndSwap(nil, &err)
	}
	return n, err
}

// Write looks for what the peer said last if it does not listen any more: an alert that refuses us may wait unread. Then it ends the connection:
// gRPC itself goes on reading, and meanwhile begins each new call on this connection again and again, without a pause.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err == nil {
		return n, nil
	}
	if w.received.Load() == 0 {
		_ = w.Conn.SetReadDeadline(time.Now().Add(lastWords))
		_, _ = w.Read(make([]byte, 1))
	}
	if !errors.Is(err, net.ErrClosed) {
		w.ended.CompareAndSwap(nil, &err)
	}
	_ = w.Conn.Close()
	return n, err
}

// shaken are transport credentials for a connection that has shaken hands already.
type shaken struct{ state tls.ConnectionState }

func (s shaken) ClientHandshake(_ context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return conn, authInfo(s.state), nil
}

// authInfo is what gRPC's own TLS says of a connection that has shaken hands.
func authInfo(state tls.ConnectionState) credentials.AuthInfo {
	return credentials.TLSInfo{State: state, CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}
}

func (s shaken) ServerHandshake(net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("credentials of a client")
}

func (s shaken) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (s shaken) Clone() credentials.TransportCredentials { return s }

func (s shaken) OverrideServerName(string) error { return nil }
