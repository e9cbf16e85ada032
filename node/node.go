package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/api"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/consumers"
	"github.com/plantmesh/plantmesh/node/scrub"
	"github.com/plantmesh/plantmesh/node/telemetry"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
)

// Version of the software, as peers and people see it. The linker may set it.
var Version = "0.1.0-dev"

// flushTimeout bounds how long traces and metrics may take to leave when the node stops.
const flushTimeout = 3 * time.Second

// Option changes how a node runs, for programs that embed one, and tests.
type Option func(*options)

type options struct {
	ready      func(net.Addr)
	listener   net.Listener
	http       net.Listener
	dial       func(ctx context.Context, address string) (net.Conn, error)
	processors []sdktrace.SpanProcessor
	readers    []sdkmetric.Reader
}

// WithReady has a function called once the node serves, with the address it listens on.
func WithReady(ready func(net.Addr)) Option { return func(o *options) { o.ready = ready } }

// WithListener serves on a listener instead of the configuration's address. The node closes it.
func WithListener(l net.Listener) Option { return func(o *options) { o.listener = l } }

// WithHTTPListener serves the console on a listener instead of the configuration's address. The node closes it.
func WithHTTPListener(l net.Listener) Option { return func(o *options) { o.http = l } }

// WithDial opens connections to peers in another way than TCP. TLS is laid over them.
func WithDial(dial func(ctx context.Context, address string) (net.Conn, error)) Option {
	return func(o *options) { o.dial = dial }
}

// WithSpanProcessor gives the node's spans to a further taker.
func WithSpanProcessor(p sdktrace.SpanProcessor) Option {
	return func(o *options) { o.processors = append(o.processors, p) }
}

// WithMetricReader gives the node's metrics to a further taker.
func WithMetricReader(r sdkmetric.Reader) Option {
	return func(o *options) { o.readers = append(o.readers, r) }
}

// component is a part of a node that runs.
type component struct {
	name string
	run  func(ctx context.Context) error
}

// Run runs a node until ctx ends, and returns nil then. It returns an error if the node cannot start, or if a part of it
// cannot go on: what is acknowledged by then is durable. A peer or an Odoo that is down, or a folder that is missing, ends
// nothing: the status says so, and it is tried again.
//
// It goes down from the outside in: first the door, the links and the adapters, together; then Odoo's consumer has noted
// what it did; then the databases are closed.
func Run(ctx context.Context, cfg config.Config, logger *slog.Logger, opts ...Option) (err error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	started := time.Now()
	creds, err := credentials(cfg)
	if err != nil {
		return err
	}
	tracing, metrics, flush, err := telemetryOf(ctx, cfg, o, logger)
	if err != nil {
		return err
	}
	defer flush()
	disk, err := openStores(cfg, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disk.close()) }()
	listener, err := listen(ctx, cfg, o.listener)
	if err != nil {
		return err
	}

	key, err := plantmesh.LoadSigningKey(filepath.Join(cfg.DataDir, keyFile), creds, time.Now())
	if err != nil {
		return errors.Join(fmt.Errorf("data_dir: %w", err), listener.Close())
	}
	if len(cfg.Peers) > 0 {
		disk.log.Hold() // until the mesh has looked whether peers hold more of this site's streams
	}
	about := newWatch(cfg, disk, metrics, logger)
	m, err := mesh.New(meshConfig(cfg, key, o.dial, about), creds, disk.log, observer(tracing), logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	var latency telemetry.Latency // of durable publishing, by clients and adapters
	in, err := newInputs(cfg, disk, tracing, &latency, logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	erp, err := newERP(cfg, disk, tracing, &latency, about, logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	named, err := consumers.New(disk.log, disk.state, tracing, logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	named.OnJump(about.consumerJumped)
	readers := durable{Registry: named, erp: erp}
	keeper, err := newKeeper(cfg, disk.log, m, readers.readers, logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	subscriptions, err := openSubscriptions(cfg.Subscriptions, m, disk.log, logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	scrubber := scrub.New(disk.log, m, cfg.Limits.ScrubBytesPerSecond, logger)
	told, err := newFollower(cfg, disk, metrics, logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := about.look(disk, m, scrubber, readers.parked, erp.blocked, told, erp.compared, logger); err != nil {
		return errors.Join(err, listener.Close())
	}
	server := api.NewServer(
		api.Config{Self: creds.Identity(), Version: Version, Enterprise: cfg.Odoo != nil, Admins: cfg.Admins, Started: started, Copies: copyRules(cfg)},
		api.Parts{
			Transport: m.ServerCredentials(), Log: disk.log, Origins: m, Copies: m, ClassOf: m.ClassOf, Subscriptions: subscriptions, Retention: keeper, Consumers: readers, Tracing: tracing, Latency: &latency,
			Status: []func(*adminv1.GetStatusResponse){func(s *adminv1.GetStatusResponse) { fillMesh(s, m.Status()) }, in.fill, erp.fill, about.fill},
			OnJump: about.subscriptionJumped, OnRefused: about.refusedCall,
		}, logger)
	m.Register(server)
	pages, err := newConsole(ctx, cfg, o.http, disk, server, readers, erp, logger)
	if err != nil {
		return errors.Join(err, listener.Close())
	}

	parts := []component{
		{"server", func(ctx context.Context) error { return server.Run(ctx, listener, m.ReverseListener()) }},
		{"mesh", m.Run},
		{"retention", keeper.Run},
		{"consumers", named.Run},
		{"scrub", scrubber.Run},
	}
	parts = append(parts, in.components()...)
	parts = append(parts, erp.components()...)
	parts = append(parts, about.components()...)
	parts = append(parts, pages...)
	logger.Info("node serves", "site", cfg.Site, "mesh", cfg.Mesh, "address", listener.Addr().String(), "version", Version, "start", time.Since(started))
	if o.ready != nil {
		o.ready(listener.Addr())
	}
	return runAll(ctx, parts)
}

// runAll runs components until ctx ends or one of them fails, which ends the others.
func runAll(ctx context.Context, parts []component) error {
	group, running := errgroup.WithContext(ctx)
	for _, part := range parts {
		group.Go(func() error {
			if err := part.run(running); err != nil {
				return fmt.Errorf("%s: %w", part.name, err)
			}
			if running.Err() == nil {
				return fmt.Errorf("%s: ended by itself", part.name)
			}
			return nil
		})
	}
	return group.Wait()
}

// credentials loads the site's certificate and holds it against the configuration.
func credentials(cfg config.Config) (*plantmesh.Credentials, error) {
	creds, err := plantmesh.LoadCredentials(plantmesh.TLSFiles{Cert: cfg.TLS.Cert, Key: cfg.TLS.Key, CA: cfg.TLS.CA})
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	id, want := creds.Identity(), plantmesh.Identity{Mesh: cfg.Mesh, Region: cfg.Region, Site: plantmesh.SiteID(cfg.Site)}
	if id == want {
		return creds, nil
	}
	var sentinel error
	var key, value, has string
	switch {
	case !id.IsSite():
		return nil, fmt.Errorf("tls.cert %s: %w: it is of %s; a node needs a site's: make one with `plantmesh init`", cfg.TLS.Cert, plantmesh.ErrNotASite, id)
	case id.Mesh != want.Mesh:
		sentinel, key, value, has = plantmesh.ErrMeshMismatch, "mesh", want.Mesh, id.Mesh
	case id.Site != want.Site:
		sentinel, key, value, has = plantmesh.ErrSiteMismatch, "site", string(want.Site), string(id.Site)
	default:
		sentinel, key, value, has = plantmesh.ErrSiteMismatch, "region", want.Region, id.Region
	}
	return nil, fmt.Errorf("tls.cert %s: %w: %s is %q in the configuration, the certificate is of %s with %s %q: make both agree",
		cfg.TLS.Cert, sentinel, key, value, id, key, has)
}

// observer is nil without tracing, so that the mesh looks into no block.
func observer(t *telemetry.Tracing) mesh.Observer {
	if !t.On() {
		return nil
	}
	return t
}

func listen(ctx context.Context, cfg config.Config, given net.Listener) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen %q: %w: choose another address under `listen`, or stop what uses it", cfg.Listen, err)
	}
	return listener, nil
}

// copyRules is nil where no stream asks for copies, so that publishing asks nobody.
func copyRules(cfg config.Config) func(string) api.CopyRule {
	if len(cfg.Streams) == 0 {
		return nil
	}
	return func(domain string) api.CopyRule {
		s := cfg.StreamOf(plantmesh.StreamOf(plantmesh.SiteID(cfg.Site), domain))
		return api.CopyRule{Copies: s.MinCopies, Timeout: s.CopiesTimeout()}
	}
}

func meshConfig(cfg config.Config, key *plantmesh.SigningKey, dial func(context.Context, string) (net.Conn, error), about *watch) mesh.Config {
	m := mesh.Config{
		Region: cfg.Region, Version: Version, Peers: cfg.Peers, Outbound: cfg.Reach == config.ReachOutbound, Advertise: cfg.Advertise, ClockSkew: cfg.Limits.ClockSkew, Export: []mesh.ExportRule{},
		SigningKey: key, Dial: dial, Refused: about.refusedPeer,
		ClassOf: func(s plantmesh.StreamName) catalogv1.Class { return cfg.StreamOf(s).ClassRule() },
	}
	for _, s := range cfg.Subscriptions {
		schedule, _ := s.ParseSchedule() // Validate has found it well-formed
		m.Subscriptions = append(m.Subscriptions, mesh.Subscription{From: s.From, Streams: s.Streams, Schedule: schedule})
	}
	for _, rule := range cfg.Export {
		m.Export = append(m.Export, mesh.ExportRule(rule))
	}
	return m
}
