package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh/node/api"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// What the server grants its callers.
const (
	maxConnections  = 100
	maxHeaderBytes  = 16 << 10
	readTimeout     = 10 * time.Second
	writeTimeout    = 30 * time.Second
	idleTimeout     = time.Minute
	shutdownTimeout = 3 * time.Second
)

// Sources are where the console reads what it shows. All are safe for concurrent use.
type Sources struct {
	// Status is the node's state, as AdminService tells it.
	Status func() *adminv1.GetStatusResponse
	// Consumers are those that may have something parked.
	Consumers Consumers
	// Comparisons are the scheduled ones with Odoo; nil if none is scheduled.
	Comparisons Comparisons
	// Records finds records in Odoo; nil at a site that faces none.
	Records Records
	// Ready is why the log cannot be written; nil while it can.
	Ready func() error
}

// Consumers are the durable consumers of a node.
type Consumers interface {
	List() []*adminv1.Consumer
	Consumer(name string) (api.Consumer, bool)
}

// Comparisons tell where comparing with Odoo stands.
type Comparisons interface {
	Status() reconcile.Status
}

// Records finds the records that subjects are about.
type Records interface {
	Records(ctx context.Context, subjects []string) (map[string]odoo.Record, error)
}

// Console serves the pages.
type Console struct {
	sources Sources
	logger  *slog.Logger
	pages   *pages
	lookups chan struct{} // holds a token for each page that asks Odoo
	handler http.Handler

	answering sync.RWMutex // held for reading while a request is answered
	closed    bool         // guarded by answering: what pages are made of may be gone
}

// New prepares a console.
func New(s Sources, logger *slog.Logger) (*Console, error) {
	p, err := parsePages()
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	c := &Console{sources: s, logger: logger, pages: p, lookups: make(chan struct{}, maxLookups)}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", c.overview)
	mux.HandleFunc("/reconciliation", c.reconciliation)
	mux.HandleFunc("/reconciliation.csv", c.reconciliationCSV)
	mux.HandleFunc("/reconciliation.json", c.reconciliationJSON)
	mux.HandleFunc("/parked", c.parked)
	mux.HandleFunc("/parked/event", c.parkedEvent)
	mux.HandleFunc("/style.css", p.asset("style.css"))
	mux.HandleFunc("/icon.svg", p.asset("icon.svg"))
	mux.HandleFunc("/healthz", c.health)
	mux.HandleFunc("/readyz", c.ready)
	mux.HandleFunc("/", c.nothing)
	c.handler = guard(mux)
	return c, nil
}

// ServeHTTP answers one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.answering.RLock()
	defer c.answering.RUnlock()
	if c.closed {
		plain(w, http.StatusServiceUnavailable, "The node stops.")
		return
	}
	c.handler.ServeHTTP(w, r)
}

// close waits for requests that are answered, and has no other be.
func (c *Console) close() {
	c.answering.Lock()
	defer c.answering.Unlock()
	c.closed = true
}

// Run serves until ctx ends, lets requests finish for a while, and cuts off the rest. It closes the listener. When it returns, nothing reads its
// sources any more.
func (c *Console) Run(ctx context.Context, listener net.Listener) error {
	serving, cut := context.WithCancel(context.WithoutCancel(ctx)) // requests that go on may finish
	defer cut()
	server := &http.Server{
		Handler: c, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		BaseContext: func(net.Listener) context.Context { return serving },
		ErrorLog:    slog.NewLogLogger(c.logger.Handler(), slog.LevelDebug),
	}
	var group errgroup.Group
	served := make(chan struct{})
	group.Go(func() error {
		defer close(served)
		if err := server.Serve(netutil.LimitListener(listener, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the console on %s: %w", listener.Addr(), err)
		}
		return nil
	})
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-served:
		}
		defer c.close()
		ending, done := context.WithTimeout(serving, shutdownTimeout)
		defer done()
		if err := server.Shutdown(ending); err != nil {
			cut()
			return server.Close()
		}
		return nil
	})
	return group.Wait()
}
