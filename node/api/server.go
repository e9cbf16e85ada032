package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/stats"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/telemetry"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// What the server grants its callers.
const (
	// maxReceiveBytes is where gRPC itself refuses a message. It is above maxRequestBytes, so that a batch somewhat too
	// large is answered in our words.
	maxReceiveBytes = 16 << 20
	// stopTimeout bounds how long calls may take to end once the node stops.
	stopTimeout = 10 * time.Second
)

// Config says whose door it is.
type Config struct {
	Self       plantmesh.Identity
	Version    string
	Enterprise bool // the site faces the ERP, and may publish what only that one may
	Admins     []string
	Started    time.Time
	Copies     func(domain string) CopyRule // nil: this site's copy is enough
}

// Parts are what the door opens to. Status functions each fill in their part of an answer.
type Parts struct {
	Transport credentials.TransportCredentials // mutual TLS, which says who calls

	Log     *storage.Log
	Origins Origins
	Copies  Copies

	ClassOf       func(plantmesh.StreamName) catalogv1.Class
	Subscriptions Subscriptions
	Retention     Retention
	Consumers     Consumers

	OnJump    func(plantmesh.StreamName, storage.Jump)                      // told of each gap and reset that a subscription is answered with; nil: nobody
	OnRefused func(caller plantmesh.Identity, method string, refused error) // told of each call by who may not make it; nil: nobody

	Tracing *telemetry.Tracing
	Latency *telemetry.Latency // of durable publishing
	Status  []func(*adminv1.GetStatusResponse)
}

// Server is a node's gRPC server. Further services are registered before Run.
type Server struct {
	grpc   *grpc.Server
	guard  *guard
	events *events
	admin  *admin
}

// NewServer prepares a server.
func NewServer(cfg Config, parts Parts, logger *slog.Logger) *Server {
	s := &Server{guard: &guard{self: cfg.Self, admins: cfg.Admins, onRefused: parts.OnRefused, logger: logger}}
	options := append(mesh.ServerOptions(),
		grpc.Creds(newHandshake(parts.Transport, logger)),
		grpc.MaxRecvMsgSize(maxReceiveBytes),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.UnaryInterceptor(s.guard.unary),
		grpc.StreamInterceptor(s.guard.stream),
	)
	if parts.Tracing.On() {
		options = append(options, grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(parts.Tracing.Provider()), otelgrpc.WithPropagators(parts.Tracing.Propagator()),
			otelgrpc.WithFilter(traced))))
	}
	s.grpc = grpc.NewServer(options...)
	s.events = &events{cfg: cfg, log: parts.Log, copies: parts.Copies, consumers: parts.Consumers, tracing: parts.Tracing, classOf: parts.ClassOf, onJump: parts.OnJump, latency: parts.Latency, logger: logger}
	eventv1.RegisterEventServiceServer(s.grpc, s.events)
	s.admin = newAdmin(cfg, parts)
	adminv1.RegisterAdminServiceServer(s.grpc, s.admin)
	return s
}

// Status is the state of the node, as AdminService answers it.
func (s *Server) Status() *adminv1.GetStatusResponse { return s.admin.status() }

// traced leaves out the greetings of peers, which come every few seconds and lead to nothing.
func traced(call *stats.RPCTagInfo) bool {
	return call.FullMethodName != peerv1.PeerService_Hello_FullMethodName
}

// RegisterService adds a service, behind the same guard.
func (s *Server) RegisterService(d *grpc.ServiceDesc, impl any) { s.grpc.RegisterService(d, impl) }

// Run serves until ctx ends. Then it ends open streams with ErrShuttingDown, lets calls finish for a while, and cuts off
// the rest. It closes the listeners.
func (s *Server) Run(ctx context.Context, listeners ...net.Listener) error {
	s.guard.running = ctx
	var group errgroup.Group
	served := make(chan struct{}, len(listeners))
	for _, listener := range listeners {
		group.Go(func() error {
			defer func() { served <- struct{}{} }()                                                  // one that ends takes the others with it
			if err := s.grpc.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it began
				return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
			}
			return nil
		})
	}
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-served:
		}
		s.shutdown()
		return nil
	})
	return group.Wait()
}

// shutdown is called when the end of Run's context has ended the streams, for which GracefulStop would wait for ever.
func (s *Server) shutdown() {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.grpc.GracefulStop()
	}()
	select {
	case <-stopped:
	case <-time.After(stopTimeout):
		s.grpc.Stop()
		<-stopped
	}
	s.events.receivers.Wait()
}
