package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plantmesh/plantmesh"
)

// cause is a kind of failure, and what an operator does about it.
type cause struct {
	is      func(error) bool
	refused bool // people have to mend it: tried again slowly
	advice  string
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

func code(c codes.Code) func(error) bool {
	return func(err error) bool { return status.Code(err) == c }
}

// isLost tells a connection that was cut.
func isLost(err error) bool {
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return false
}

// isAlert tells that the other side of a TLS connection refuses this one.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" // crypto/tls keeps the type of what is inside to itself
}

// isDamage tells that one side of a TLS connection got other bytes than were sent. No certificate has part in it.
func isDamage(err error) bool {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" && op.Op != "local error" {
		return false
	}
	return slices.Contains([]string{
		"tls: bad record MAC", "tls: error decoding message", "tls: error decrypting message", "tls: illegal parameter", "tls: unexpected message", "tls: oversized record received",
	}, op.Err.Error())
}

// causes are tried in order; the first that fits explains.
var causes = []cause{
	{is(plantmesh.ErrSelfLink), true, "the address leads back to this node: remove it from peers"},
	{is(plantmesh.ErrAlreadyLinked), true, "nothing is missing while the other connection stands; this one is tried again by itself"},
	{is(errDisplaced), false, "nothing is missing; to spare the reverse connection, set reach: direct at the site, or remove the site from peers here"},
	{is(errSuperseded), false, "nothing is missing"},
	{is(errNoReverse), true, "the peer does not take reverse connections, so it cannot call this site: upgrade it"},
	{is(errDuplicate), true, "keep one of the two under peers; this one takes over when the other fails"},
	{is(plantmesh.ErrProtocolUnsupported), true, "upgrade the older of the two nodes"},
	{is(plantmesh.ErrMeshMismatch), true, "the two nodes are of different meshes: correct peers, or issue the certificate anew"},
	{is(plantmesh.ErrSiteMismatch), true, "a node's configuration and its certificate name different sites or regions: make them agree"},
	{is(plantmesh.ErrNotASite), true, "give tls.cert a certificate that was issued for a site"},
	{is(plantmesh.ErrUnauthenticated), true, "give tls.cert a certificate that was issued for a site of this mesh"},
	{is(errHandshake), true, "correct peers or tls.ca here, or the peer's certificate"},
	{isDamage, false, "the line, or something on it, changes what is sent: check cables, radio links and proxies in between; nothing of it was taken"},
	{isAlert, true, "the peer refuses this node's certificate: check that both are of one mesh, that the peer's tls.ca issued it, and that it has not expired; the peer's log says more"},
	{as[tls.RecordHeaderError], true, "no TLS at this address: check the port under peers"},
	{is(errNotHTTP2), true, "no plantmesh node at this address: check the port under peers"},
	{code(codes.Unimplemented), true, "a gRPC server, but no plantmesh node at this address: check the port under peers"},
	{is(plantmesh.ErrShuttingDown), false, "the peer is shutting down; it is tried again by itself"},
	{is(syscall.ECONNREFUSED), false, "nothing listens at this address: check that the peer runs, and its port"},
	{as[*net.DNSError], false, "the name cannot be resolved: check peers and the name service"},
	{is(syscall.ENETUNREACH), false, "no route to the peer: check the line"},
	{is(syscall.EHOSTUNREACH), false, "no route to the peer: check the line"},
	{is(errSilent), false, "the connection seems to be up but nothing comes: check the line, or whether the peer hangs"},
	{is(errNoAnswer), false, "check the line, the firewalls in between, and whether the peer hangs"},
	{is(os.ErrDeadlineExceeded), false, "check the line, the firewalls in between, and whether the peer hangs"},
	{func(err error) bool {
		return errors.Is(err, errGreeting) && (isLost(err) || status.Code(err) == codes.Unavailable)
	}, false, "the connection ended during the greeting: the peer may have stopped, or may refuse this node's certificate; its log says which"},
	{isLost, false, "the connection was lost; it is tried again by itself"},
	{code(codes.Unavailable), false, "the connection was lost; it is tried again by itself"},
}

// diagnose says why a link is down and what to do, and whether it was refused.
func diagnose(address string, err error) (reason string, refused bool) {
	for _, c := range causes {
		if c.is(err) {
			return fmt.Sprintf("%s: %s: %s", address, err, c.advice), c.refused
		}
	}
	return fmt.Sprintf("%s: %s", address, err), false
}

// localError is one of this node's own log.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// stalls are what a stream cannot get over by itself.
var stalls = []cause{
	{is(plantmesh.ErrChainDiverged), true, "this copy and the origin's differ: keep both data folders, and run `plantmesh verify` on both sites to see which is whole"},
	{is(plantmesh.ErrIncarnationChanged), true, "the origin has begun a new history: keep this node's data folder, it may hold the only copy of the old one"},
	{is(plantmesh.ErrOffsetBeyondHead), true, "this copy holds more than the origin: the origin has lost events, or was restored from an old backup; keep this node's data folder"},
	{is(plantmesh.ErrOffsetTrimmed), true, "no linked site retains what comes next any more: link to one that does, or give up this copy with `plantmesh replicas remove`, and it is fetched from the earliest event that is retained"},
	{is(plantmesh.ErrCorruptBlock), true, "a block is damaged: run `plantmesh verify` at the origin and check its disk"},
	{is(plantmesh.ErrInvalidCheckpoint), true, "what this site serves is not what the origin signed, or lacks its signature: check that site, and link to another that holds the stream, best its origin"},
	{is(plantmesh.ErrDiskReserve), true, "make room on this node's disk: it goes on by itself then"},
	{is(plantmesh.ErrStorageFailed), true, "check the disk of this node, then restart it"},
	{is(plantmesh.ErrUnknownStream), true, "the origin does not hold the stream any more: check its data folder"},
	{is(plantmesh.ErrExportDenied), true, "ask for an export rule at the origin, or remove the subscription"},
	{is(errProtocol), true, "upgrade the peer, or report this"},
	{code(codes.ResourceExhausted), true, "the peer sends frames larger than the protocol allows: upgrade it, or report this"},
}

// diagnoseStream says why a stream is interrupted, and whether it stalls: the rest is tried again soon.
func diagnoseStream(name plantmesh.StreamName, err error) (reason string, stalled bool) {
	text := fmt.Sprintf("%s: %s", name, err)
	for _, c := range stalls {
		if c.is(err) {
			return text + ": " + c.advice, true
		}
	}
	if errors.Is(err, plantmesh.ErrShuttingDown) || errors.Is(err, context.Canceled) || errors.Is(err, errNoAnswer) || isLost(err) {
		return text, false
	}
	if as[*localError](err) {
		return text, true
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange, codes.PermissionDenied, codes.DataLoss, codes.NotFound, codes.Unimplemented:
		return text, true
	}
	return text, false
}
