package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// line NAME URL: sets the variable to an address that leads to the URL, until the line is cut.
func startLine(ts *testscript.TestScript, _ bool, args []string) {
	to, err := url.Parse(args[1])
	ts.Check(err)
	cut, proxy := new(atomic.Bool), httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cut.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
	lines, _ := ts.Value(linesKey{}).(map[string]*atomic.Bool)
	lines[args[0]] = cut
}

// linesKey finds whether the lines of a script are cut, by their names.
type linesKey struct{}

// cut NAME, mend NAME: nothing goes over the line any more, or everything again.
func setLine(cut bool) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		lines, _ := ts.Value(linesKey{}).(map[string]*atomic.Bool)
		lines[args[0]].Store(cut)
	}
}
