package mesh

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
)

// reverseProtocol is the ALPN of a reverse connection: the site that nobody can dial opens it, the side that accepted it
// calls over it. PeerService's comment in the .proto file says what is on the wire.
const reverseProtocol = "plantmesh-reverse/1"

// maxAnswerBytes bounds what the accepting side answers to a reverse connection.
const maxAnswerBytes = 4096

// errNoReverse is a peer that does not know reverse connections.
var errNoReverse = errors.New("no reverse connection")

// ServerCredentials are the transport credentials that the gRPC server needs with which the mesh is registered: mutual TLS
// as plantmesh.Credentials.ServerConfig has it. A reverse connection of a site that nobody can dial goes to the mesh instead of
// the server, which sees credentials.ErrConnDispatched; one from ReverseListener has shaken hands already.
func (m *Mesh) ServerCredentials() credentials.TransportCredentials {
	config := m.creds.ServerConfig()
	config.NextProtos = append(config.NextProtos, reverseProtocol)
	verify := config.VerifyConnection
	config.VerifyConnection = func(s tls.ConnectionState) error {
		if err := verify(s); err != nil || s.NegotiatedProtocol != reverseProtocol {
			return err
		}
		if id, err := plantmesh.IdentityOf(s.PeerCertificates[0]); err != nil || !id.IsSite() {
			return fmt.Errorf("reverse connection: %w: %s is a client's certificate", plantmesh.ErrNotASite, id)
		}
		return nil
	}
	return serverCredentials{TransportCredentials: credentials.NewTLS(config), mesh: m}
}

type serverCredentials struct {
	credentials.TransportCredentials
	mesh *Mesh
}

// ServerHandshake is called for every connection, in a goroutine of the server.
func (c serverCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if served, ok := raw.(*servedConn); ok {
		return served, authInfo(served.state), nil
	}
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return conn, info, err
	}
	if t, ok := info.(credentials.TLSInfo); ok && t.State.NegotiatedProtocol == reverseProtocol {
		c.mesh.accept(conn, t.State)
		return nil, nil, credentials.ErrConnDispatched
	}
	return conn, info, nil
}

// Clone is part of the interface.
func (c serverCredentials) Clone() credentials.TransportCredentials { return c }

// reverseError marks the answer of a node that does not know the protocol.
func reverseError(err error) error {
	if isAlert(err) && strings.Contains(err.Error(), "no application protocol") { // crypto/tls keeps the type of alerts to itself
		return fmt.Errorf("%w: %w", errNoReverse, err)
	}
	return err
}

// writeAnswer tells the site that opened a reverse connection whether it is taken; nil is yes.
func writeAnswer(w io.Writer, refusal error) error {
	body, err := proto.Marshal(plantmesh.Status(refusal).Proto())
	if err != nil || len(body) > maxAnswerBytes {
		body, err = proto.Marshal(status.New(codes.Unknown, "refused").Proto())
	}
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(body))), body...))
	return err
}

// readAnswer returns nil if the connection is taken.
func readAnswer(r io.Reader) error {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint16(size[:])
	if n > maxAnswerBytes {
		return fmt.Errorf("%w: an answer of %d bytes to a reverse connection", errProtocol, n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	var answer spb.Status
	if err := proto.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%w: the answer to a reverse connection: %w", errProtocol, err)
	}
	return plantmesh.FromStatus(status.FromProto(&answer).Err())
}
