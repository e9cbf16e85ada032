package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	natsStream  = "production"
	natsSubject = "events.production"
)

// runNATS is a nats-server until it is told to stop.
func runNATS(path string) error {
	options, err := server.ProcessConfigFile(path)
	if err != nil {
		return err
	}
	options.NoSigs = true
	s, err := server.NewServer(options)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	s.Start()
	<-stop
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// natsSystem runs nats-server with JetStream: one replica, files, over mutual TLS as plantmesh.
type natsSystem struct{ always bool }

func (s natsSystem) name() string {
	if s.always {
		return alwaysName
	}
	return defaultName
}

func (s natsSystem) start(ctx context.Context, p place) (node, error) {
	creds, err := natsCredentials(p.dir)
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	leaf, err := freeAddress()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(p.dir, p.site+".conf")
	if err := os.WriteFile(config, []byte(s.config(p, creds, address, leaf)), 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	process, err := startProcess(filepath.Join(p.dir, p.site+".log"), "", self, serveNATS, config)
	if err != nil {
		return nil, err
	}
	n := &natsNode{proc: process, leaf: leaf, url: "tls://" + address, tls: creds.client}
	err = process.until(ctx, func(context.Context) error { return n.connect() })
	if err == nil {
		err = process.until(ctx, func(ctx context.Context) error { return n.prepare(ctx, p) })
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", err, process.stop())
	}
	return n, nil
}

// config is that of a server: the sites are JetStream domains, and a mirror is a leaf of the site that it mirrors.
func (s natsSystem) config(p place, creds natsTLS, address, leaf string) string {
	sync := ""
	if s.always {
		sync = "sync_interval: always"
	}
	block := fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true, timeout: 10 }", creds.cert, creds.key, creds.ca)
	leafnodes := fmt.Sprintf("listen: %q\n  %s", leaf, block)
	if p.upstream != "" {
		leafnodes = fmt.Sprintf("remotes: [ { urls: [%q], %s } ]", "nats-leaf://"+p.upstream, block)
	}
	return fmt.Sprintf("server_name: %s\nlisten: %q\n%s\njetstream { store_dir: %q, domain: %q, max_file_store: 200GB, %s }\nleafnodes {\n  %s\n}\n",
		p.site, address, block, filepath.Join(p.dir, p.site, "data"), p.site, sync, leafnodes)
}

type natsNode struct {
	proc *process
	url  string
	leaf string
	tls  *tls.Config
	conn *nats.Conn
	js   jetstream.JetStream
}

func (n *natsNode) connect() (err error) {
	if n.conn, err = nats.Connect(n.url, nats.Secure(n.tls), nats.MaxReconnects(0)); err != nil {
		return err
	}
	n.js, err = jetstream.New(n.conn)
	return err
}

// prepare makes the stream, or the mirror, unless it is there.
func (n *natsNode) prepare(ctx context.Context, p place) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := n.js.Stream(ctx, natsStream); err == nil {
		return nil
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	config := jetstream.StreamConfig{Name: natsStream, Storage: jetstream.FileStorage, Replicas: 1}
	if p.compress {
		config.Compression = jetstream.S2Compression
	}
	if p.upstream == "" {
		config.Subjects = []string{natsSubject}
	} else {
		if err := n.linked(ctx); err != nil {
			return err
		}
		config.Mirror = &jetstream.StreamSource{Name: natsStream, Domain: origin}
		n.proc.started = time.Now()
	}
	_, err := n.js.CreateStream(ctx, config)
	return err
}

// linked fails until the origin answers over the leaf: a mirror that is made before waits for its next attempt, ten seconds or more,
// which would say nothing of how fast it is.
func (n *natsNode) linked(ctx context.Context) error {
	js, err := jetstream.NewWithDomain(n.conn, origin)
	if err != nil {
		return err
	}
	_, err = js.Stream(ctx, natsStream)
	return err
}

func (n *natsNode) process() *process { return n.proc }

func (n *natsNode) upstream() string { return n.leaf }

func (n *natsNode) count(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := n.js.Stream(ctx, natsStream)
	if err != nil {
		return 0, err
	}
	return s.CachedInfo().State.LastSeq, nil
}

func (n *natsNode) publisher(_ context.Context, window int) (publisher, error) {
	js, err := jetstream.New(n.conn, jetstream.WithPublishAsyncMaxPending(window))
	if err != nil {
		return nil, err
	}
	return &natsPublisher{js}, nil
}

func (n *natsNode) deliver(ctx context.Context, fn func()) error {
	consumer, err := n.js.OrderedConsumer(ctx, natsStream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	consuming, err := consumer.Consume(func(jetstream.Msg) { fn() })
	if err != nil {
		return err
	}
	<-ctx.Done()
	consuming.Stop()
	return nil
}

func (n *natsNode) stop() error {
	n.conn.Close()
	return n.proc.stop()
}

type natsPublisher struct{ js jetstream.JetStream }

// send publishes one by one, which is what JetStream has: it has no request of several events.
func (p *natsPublisher) send(_ context.Context, list []event) (answer, error) {
	futures := make([]jetstream.PubAckFuture, len(list))
	for i := range list {
		var err error
		if futures[i], err = p.js.PublishAsync(natsSubject, list[i].wire, jetstream.WithStallWait(time.Minute)); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) error {
		for _, f := range futures {
			select {
			case <-f.Ok():
			case err := <-f.Err():
				return err
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	}, nil
}

func (p *natsPublisher) close() error {
	p.js.CleanupPublisher()
	return nil
}
