package plantmesh

import (
	"context"
	"log/slog"
	"net"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"
)

// Option changes what Dial does by default.
type Option func(*dialing)

// dialing is what the options of a Dial add up to.
type dialing struct {
	site    SiteID
	dial    func(ctx context.Context, address string) (net.Conn, error)
	logger  *slog.Logger
	tracers trace.TracerProvider
}

func newDialing(opts []Option) dialing {
	d := dialing{logger: slog.New(slog.DiscardHandler), tracers: otel.GetTracerProvider()}
	for _, opt := range opts {
		opt(&d)
	}
	return d
}

// WithSite demands that the node is this site's. Without it, any site of the mesh will do.
func WithSite(site SiteID) Option { return func(d *dialing) { d.site = site } }

// WithDialer opens connections in another way than TCP. TLS is laid over what it returns.
func WithDialer(dial func(ctx context.Context, address string) (net.Conn, error)) Option {
	return func(d *dialing) { d.dial = dial }
}

// WithLogger is told of every connection that is lost and waited for, which the methods of a Client do not return.
func WithLogger(logger *slog.Logger) Option { return func(d *dialing) { d.logger = logger } }

// WithTracerProvider records the client's side of calls there. Without it, the global provider has them. Trace context is
// handed to the node in either case.
func WithTracerProvider(p trace.TracerProvider) Option { return func(d *dialing) { d.tracers = p } }
