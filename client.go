package plantmesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"

	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

const (
	// maxSendBytes lets a request through that is somewhat too large, so that the node says so in its own words.
	maxSendBytes = maxRequestBytes + 1<<20
	// maxReceiveBytes lets the largest frame of a subscription through: one block, which at most one event can overfill.
	maxReceiveBytes = 8 << 20
	// keepaliveEvery is how long a connection with open calls is quiet before it is tested; gRPC allows no less.
	keepaliveEvery   = 10 * time.Second
	keepaliveTimeout = 10 * time.Second
)

// reconnecting is how gRPC spaces its own attempts to connect; calls that fail meanwhile are repeated by the methods here.
var reconnecting = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: minRetry, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxRetry / 2},
	MinConnectTimeout: 10 * time.Second,
}

// Client is a connection to one node. It is made with [Dial], reconnects by itself, and is safe for concurrent use.
type Client struct {
	address   string
	conn      *grpc.ClientConn
	handshake *handshake
	logger    *slog.Logger
	events    eventv1.EventServiceClient
}

// Receipt says where an event is recorded.
type Receipt struct {
	Stream       StreamName
	Incarnation  Incarnation
	Offset       Offset
	RecordedTime time.Time // by the node's clock, when it was recorded first
	Duplicate    bool      // it was there before this call
}

// Dial prepares a connection to a node, host:port, in the name of the identity whose certificate is in files. It reads
// these, and reads them again when they change; it connects with the first call.
//
// Its errors name the file at fault. That the node refuses the certificate, or the node's own does not do, is the error of
// the first call: an ErrUnauthenticated.
func Dial(address string, files TLSFiles, opts ...Option) (*Client, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("dial %q: %w: give host:port, such as plant-a.example:7443", address, err)
	}
	creds, err := LoadCredentials(files)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	d := newDialing(opts)
	c := &Client{address: address, logger: d.logger, handshake: newHandshake(creds, d.site)}
	target, options := address, []grpc.DialOption{
		grpc.WithTransportCredentials(c.handshake),
		grpc.WithConnectParams(reconnecting),
		grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveEvery, Timeout: keepaliveTimeout}),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(maxSendBytes), grpc.MaxCallRecvMsgSize(maxReceiveBytes)),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(
			otelgrpc.WithTracerProvider(d.tracers), otelgrpc.WithPropagators(propagation.TraceContext{}), otelgrpc.WithFilter(ends))),
	}
	if d.dial != nil {
		target, options = "passthrough:///"+address, append(options, grpc.WithContextDialer(d.dial))
	}
	if c.conn, err = grpc.NewClient(target, options...); err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	c.events = eventv1.NewEventServiceClient(c.conn)
	return c, nil
}

// ends keeps calls that go on for days out of the traces: what they carry is traced event by event.
func ends(call *stats.RPCTagInfo) bool {
	return call.FullMethodName != eventv1.EventService_Subscribe_FullMethodName &&
		call.FullMethodName != eventv1.EventService_Consume_FullMethodName &&
		call.FullMethodName != eventv1.EventService_PublishStream_FullMethodName
}

// Events is the generated client, for what the methods of Client do not cover. [FromStatus] makes sense of its errors.
func (c *Client) Events() eventv1.EventServiceClient { return c.events }

// Admin is the generated client of the node's administration. [FromStatus] makes sense of its errors.
func (c *Client) Admin() adminv1.AdminServiceClient { return adminv1.NewAdminServiceClient(c.conn) }

// Close ends the connection, and with it what still runs over it.
func (c *Client) Close() error { return c.conn.Close() }

// Publish records events in the node's own streams. When it returns without error, all of them are on the node's disk,
// with one receipt each, in their order; on an error, none was recorded by a call that was answered.
//
// What may pass is tried again until ctx ends: give it a deadline. That is safe because an event's source and id make it
// the same event however often it arrives. When ctx ends the outcome may be unknown: publish the same events again.
//
// Errors: *InvalidEventError, ErrUnknownEventType, *ConflictError, ErrNotOwner, ErrBatchTooLarge above 1,000 events or
// 4 MiB, ErrUnauthenticated; the context's.
func (c *Client) Publish(ctx context.Context, events ...*eventv1.Event) ([]Receipt, error) {
	request := &eventv1.PublishRequest{Events: events}
	if _, err := checkRequest(request); err != nil {
		return nil, fmt.Errorf("publish to %s: %w", c.address, err)
	}
	var wait retry
	for {
		response, err := c.events.Publish(ctx, request)
		if err == nil {
			return receiptsOf(response.GetReceipts()), nil
		}
		err = c.explain(err)
		switch {
		case over(ctx):
			return nil, fmt.Errorf("publish to %s: %w: outcome unknown, the same events may be published again", c.address, ended(ctx, wait.last))
		case !IsRetryable(err):
			return nil, fmt.Errorf("publish to %s: %w", c.address, err)
		}
		c.logger.WarnContext(ctx, "publish is tried again", "address", c.address, "error", err)
		wait.after(ctx, err)
	}
}

// over tells whether ctx has ended. The node, too, ends a call at its deadline, and its word may be here before ctx notices.
func over(ctx context.Context) bool {
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		<-ctx.Done()
	}
	return ctx.Err() != nil
}

// ended is the error of a context that ended, with the one that was being waited out.
func ended(ctx context.Context, last error) error {
	if last == nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w, after: %w", context.Cause(ctx), last)
}

// explain turns the error of a call into ours.
func (c *Client) explain(err error) error {
	err = FromStatus(err)
	if refused := c.handshake.refusal(); refused != nil && !errors.Is(err, ErrShuttingDown) && IsRetryable(err) {
		return refused
	}
	return err
}

func receiptsOf(list []*eventv1.Receipt) []Receipt {
	receipts := make([]Receipt, len(list))
	for i, r := range list {
		receipts[i] = Receipt{
			Stream: StreamName(r.GetStream()), Incarnation: Incarnation(r.GetIncarnation()), Offset: Offset(r.GetOffset()),
			RecordedTime: r.GetRecordedTime().AsTime(), Duplicate: r.GetDuplicate(),
		}
	}
	return receipts
}
