package odootest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
)

// broken is how a proxy treats a request that has the code run.
type broken struct {
	name    string
	applied bool // the request reaches Odoo, and is carried out there
	answer  func(w http.ResponseWriter)
}

func refuse(status int, text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

func reset(http.ResponseWriter) { panic(http.ErrAbortHandler) }

// faults are all that can become of one call, but for what Odoo itself says.
var faults = []broken{
	{"the connection is reset before Odoo has the request", false, reset},
	{"a proxy has no server", false, refuse(http.StatusBadGateway, "<html><title>502 Bad Gateway</title></html>")},
	{"the server is down for maintenance", false, refuse(http.StatusServiceUnavailable, "")},
	{"the server fails without a word", false, refuse(http.StatusInternalServerError, "Internal Server Error")},
	{"a proxy gives up waiting, though Odoo commits", true, refuse(http.StatusGatewayTimeout, "<html><title>504 Gateway Time-out</title></html>")},
	{"a proxy fails after Odoo has committed", true, refuse(http.StatusInternalServerError, "Internal Server Error")},
	{"the connection is reset after Odoo has committed", true, reset},
}

// forward is a proxy before a target that passes everything on.
func forward(t *testing.T, target Target) *httputil.ReverseProxy {
	t.Helper()
	upstream, err := url.Parse(target.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream); r.Out.Host = r.In.Host }}
}

// faultyLine is a proxy before a target that breaks requests which have the code run, one fault after the other, once it is armed.
func faultyLine(t *testing.T, target Target) (server *httptest.Server, arm func(list ...broken), left func() int) {
	var mu sync.Mutex
	var waiting []broken
	proxy := forward(t, target)
	server = httptest.NewServer(markActions(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var fault *broken
		mu.Lock()
		if r.Header.Get(runsAction) != "" && len(waiting) > 0 {
			fault, waiting = &waiting[0], waiting[1:]
		}
		mu.Unlock()
		if fault == nil {
			proxy.ServeHTTP(w, r)
			return
		}
		if fault.applied {
			proxy.ServeHTTP(httptest.NewRecorder(), r)
		}
		fault.answer(w)
	})))
	t.Cleanup(server.Close)
	arm = func(list ...broken) {
		mu.Lock()
		defer mu.Unlock()
		waiting = list
	}
	left = func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(waiting)
	}
	return server, arm, left
}

// passingFaults: whatever becomes of a call, the event is neither parked nor lost, and has one effect.
func passingFaults(t *testing.T, target Target) {
	server, arm, left := faultyLine(t, target)
	p := newPlant(t, target)
	a := p.newApplier(func(c *odoo.Config) { c.URL = server.URL })
	if err := a.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, fault := range faults {
		d := p.record(p.setup(p.name("WO")))
		arm(fault)
		var park *consumer.ParkError
		err := a.Handle(t.Context(), d)
		if err == nil || errors.As(err, &park) || errors.Is(err, consumer.ErrBlocked) || errors.Is(err, consumer.ErrDuplicate) || left() != 0 {
			t.Errorf("%s: first attempt: %v, want a passing fault", fault.name, err)
		}
		err = a.Handle(t.Context(), d)
		if fault.applied && !errors.Is(err, consumer.ErrDuplicate) || !fault.applied && err != nil {
			t.Errorf("%s: second attempt: %v", fault.name, err)
		}
		p.once(d)
	}
}

// revokedKey: a key that ends while events are applied blocks and parks nothing; with a key that works it goes on.
func revokedKey(t *testing.T, target Target) {
	p := newPlant(t, target)
	var revoked atomic.Bool
	const unknown = "0000000000000000000000000000000000000000"
	proxy := forward(t, target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if revoked.Load() {
			swapKey(r, p.key(), unknown)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer server.Close()
	a := p.newApplier(func(c *odoo.Config) { c.URL = server.URL })
	if err := a.Handle(t.Context(), p.record(p.setup(p.name("WO")))); err != nil {
		t.Fatal(err)
	}
	revoked.Store(true)
	d := p.record(p.setup(p.name("WO")))
	if err := a.Handle(t.Context(), d); !errors.Is(err, consumer.ErrBlocked) || !strings.Contains(err.Error(), "API key") {
		t.Errorf("with a revoked key: %v, want it blocked, with the key named", err)
	}
	if a.Status().Problem == "" {
		t.Error("the status shows no problem")
	}
	revoked.Store(false)
	if err := a.Handle(t.Context(), d); err != nil {
		t.Errorf("with a key that works: %v", err)
	}
	p.once(d)
}

// swapKey has a request come with another key, in whichever way its API carries it.
func swapKey(r *http.Request, key, by string) {
	r.Header.Set("Authorization", strings.ReplaceAll(r.Header.Get("Authorization"), key, by))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	body = bytes.ReplaceAll(body, []byte(strconv.Quote(key)), []byte(strconv.Quote(by)))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
}

// hotStock: eight writers on the stock of one item at the same time, each with an applier of its own, as in eight processes.
func hotStock(t *testing.T, target Target) {
	const writers, each = 8, 4
	p := newPlant(t, target)
	p.count("IT", "", "1000")
	p.customer()
	var group errgroup.Group
	for w := range writers {
		a := p.newApplier()
		var mine []consumer.Delivery
		for n := range each {
			mine = append(mine, p.record(p.shipment(fmt.Sprintf("S%d-%d", w, n), "", "3", false)))
		}
		group.Go(func() error {
			for _, d := range mine {
				if err := untilApplied(t.Context(), a, d); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	p.inStock(p.product(p.name("IT")), "Stock", "904")
}

// untilApplied repeats an event as the consumer does, for as long as what keeps it passes.
func untilApplied(ctx context.Context, a *odoo.Applier, d consumer.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := a.Handle(ctx, d)
		var park *consumer.ParkError
		switch {
		case err == nil || errors.Is(err, consumer.ErrDuplicate):
			return nil
		case errors.As(err, &park) || errors.Is(err, consumer.ErrBlocked):
			return err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
