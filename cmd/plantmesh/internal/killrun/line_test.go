package killrun_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plantmesh/plantmesh/node/odoo/odootest"
)

// fault is what becomes of one call that has events applied.
type fault struct {
	reaches bool                      // Odoo carries the call out
	during  func()                    // runs beside the call
	answer  func(http.ResponseWriter) // nil: the reply goes back
	over    func()                    // the call is over, whatever became of it
}

func reset(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func failing(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><title>"+http.StatusText(status)+"</title></html>")
	}
}

// breaks are the faults that need no kill.
var breaks = []fault{
	{answer: reset},
	{answer: failing(http.StatusBadGateway)},
	{answer: failing(http.StatusServiceUnavailable)},
	{reaches: true, answer: failing(http.StatusGatewayTimeout)},
	{reaches: true, answer: failing(http.StatusInternalServerError)},
	{reaches: true, answer: reset},
	{reaches: true, answer: reset},
}

// line is hq's way to Odoo: a proxy that can be cut, and breaks calls that it is told to.
type line struct {
	*httptest.Server
	proxy    *httputil.ReverseProxy
	underWay atomic.Int64 // calls of actions in Odoo
	calls    atomic.Int64
	broken   atomic.Int64

	mu    sync.Mutex // guards what follows
	cut   bool
	armed []fault
}

func newLine(t *testing.T, target string) *line {
	t.Helper()
	upstream, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	l := &line{proxy: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(upstream); r.Out.Host = r.In.Host }, ErrorLog: quiet}}
	l.Server = httptest.NewUnstartedServer(http.HandlerFunc(l.carry))
	l.Config.ErrorLog = quiet
	l.Start()
	t.Cleanup(l.Close)
	return l
}

// arm has the next calls of actions break, one after the other, and no others. It returns how many breaks it takes back.
func (l *line) arm(faults ...fault) (left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left, l.armed = len(l.armed), faults
	return left
}

// setCut has the line refuse everything, or carry again.
func (l *line) setCut(cut bool) {
	l.mu.Lock()
	l.cut = cut
	l.mu.Unlock()
	if cut {
		l.CloseClientConnections()
	}
}

func (l *line) next(action bool) (cut bool, f *fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if action && !l.cut && len(l.armed) > 0 {
		f, l.armed = &l.armed[0], l.armed[1:]
	}
	return l.cut, f
}

func (l *line) carry(w http.ResponseWriter, r *http.Request) {
	action := odootest.RunsCode(r.URL.Path, nil)
	cut, f := l.next(action)
	if cut {
		reset(w)
	}
	if action {
		l.calls.Add(1)
		l.underWay.Add(1)
		defer l.underWay.Add(-1)
	}
	if f == nil {
		l.proxy.ServeHTTP(w, r)
		return
	}
	l.broken.Add(1)
	if f.over != nil {
		defer f.over()
	}
	if f.during != nil {
		var beside sync.WaitGroup
		beside.Go(f.during)
		defer beside.Wait()
	}
	if f.answer == nil {
		l.proxy.ServeHTTP(w, r)
		return
	}
	if f.reaches {
		l.proxy.ServeHTTP(httptest.NewRecorder(), r)
	}
	f.answer(w)
}
