package api

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
)

// refusalLogEvery bounds what strangers can write into the log.
const refusalLogEvery = time.Second

// handshake is gRPC's TLS, but logs whom it refuses and why: the caller itself only sees a broken connection.
type handshake struct {
	credentials.TransportCredentials
	logger *slog.Logger
	logged *atomic.Int64 // when it logged last, in nanoseconds
}

func newHandshake(tls credentials.TransportCredentials, logger *slog.Logger) handshake {
	return handshake{TransportCredentials: tls, logger: logger, logged: &atomic.Int64{}}
}

// ServerHandshake is called for every connection.
func (h handshake) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := h.TransportCredentials.ServerHandshake(raw)
	// A probe of the port says nothing, and a reverse connection is in the mesh's hands.
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, credentials.ErrConnDispatched) {
		now, last := time.Now().UnixNano(), h.logged.Load()
		if now-last >= int64(refusalLogEvery) && h.logged.CompareAndSwap(last, now) {
			h.logger.Warn("a connection is refused", "from", raw.RemoteAddr().String(), "error", err)
		}
	}
	return conn, info, err
}

// Clone is part of the interface.
func (h handshake) Clone() credentials.TransportCredentials { return h }
