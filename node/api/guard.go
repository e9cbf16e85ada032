package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// guard stands before every call: it tells who calls, whether they may, whether the request keeps the schema's rules, and
// turns what comes back into a status.
type guard struct {
	self   plantmesh.Identity
	admins []string
	logger *slog.Logger

	onRefused func(caller plantmesh.Identity, method string, refused error) // nil: nobody is told
	running   context.Context                                               //nolint:containedctx // of Server.Run, set before the first call; streams end with it
}

func (g *guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
	defer func() { err = g.answer(ctx, info.FullMethod, recover(), err) }()
	if err := g.admit(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	if err := validate(req); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (g *guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	ctx, cancel := context.WithCancelCause(ss.Context())
	defer cancel(nil)
	defer func() { err = g.answer(ctx, info.FullMethod, recover(), err) }()
	if err := g.admit(ctx, info.FullMethod); err != nil {
		return err
	}
	defer context.AfterFunc(g.running, func() { cancel(g.leaving()) })()
	return handler(srv, &guardedStream{ServerStream: ss, ctx: ctx})
}

// guardedStream ends with the node, and hands on only requests that keep the rules.
type guardedStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // a stream is its context's carrier in gRPC
}

func (s *guardedStream) Context() context.Context { return s.ctx }

func (s *guardedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return validate(m)
}

// validate checks a request. Those that publish check themselves: they name the event at fault.
func validate(m any) error {
	switch m := m.(type) {
	case *eventv1.PublishRequest, *eventv1.PublishStreamRequest:
		return nil
	case proto.Message:
		return plantmesh.ValidateMessage(m)
	}
	return nil
}

// admit opens each service to its audience, and tells of who is not of it.
func (g *guard) admit(ctx context.Context, method string) error {
	caller, err := callerOf(ctx)
	if err != nil {
		return err
	}
	if err = g.mayCall(caller, method); err != nil && g.onRefused != nil {
		g.onRefused(caller, method, err)
	}
	return err
}

func (g *guard) mayCall(caller plantmesh.Identity, method string) error {
	service, _, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	switch service {
	case eventv1.EventService_ServiceDesc.ServiceName:
		return nil
	case peerv1.PeerService_ServiceDesc.ServiceName:
		if !caller.IsSite() {
			return fmt.Errorf("%s calls %s: %w: use a site's certificate", caller, service, plantmesh.ErrNotASite)
		}
		return nil
	case adminv1.AdminService_ServiceDesc.ServiceName:
		if caller == g.self || !caller.IsSite() && slices.Contains(g.admins, caller.Client) {
			return nil
		}
		return fmt.Errorf("%s calls %s at %s: %w: use the site's own certificate, or name the client under admins in its configuration",
			caller, service, g.self.Site, plantmesh.ErrNotAnAdmin)
	}
	return fmt.Errorf("service %s: %w", service, plantmesh.ErrInvalidRequest) // registered, but nobody said for whom
}

// callerOf reads who is on the other side. TLS has verified the certificate.
func callerOf(ctx context.Context) (plantmesh.Identity, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return plantmesh.Identity{}, plantmesh.ErrUnauthenticated
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return plantmesh.Identity{}, plantmesh.ErrUnauthenticated
	}
	return plantmesh.IdentityOf(info.State.PeerCertificates[0])
}

// answer turns the outcome of a call into a status, and logs what the caller cannot have caused.
func (g *guard) answer(ctx context.Context, method string, panicked any, err error) error {
	if panicked != nil {
		g.logger.Error("call panicked", "method", method, "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()), "trace_id", traceID(ctx))
		err = errors.New("internal error: see the node's log")
	}
	if err == nil {
		return nil
	}
	if g.running.Err() != nil && errors.Is(err, context.Canceled) {
		err = g.leaving()
	}
	status := plantmesh.Status(err)
	if panicked == nil && (status.Code() == codes.Internal || status.Code() == codes.DataLoss || status.Code() == codes.Unknown) {
		g.logger.Error("call failed", "method", method, "error", err, "trace_id", traceID(ctx))
	}
	return status.Err()
}

// leaving is what callers hear while the node stops.
func (g *guard) leaving() error {
	return fmt.Errorf("%s: %w: call again, or call another site", g.self.Site, plantmesh.ErrShuttingDown)
}

// traceID is empty for a call that is not traced.
func traceID(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		return s.TraceID().String()
	}
	return ""
}
