package demo

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// It takes connections and says nothing; later it is there again.
func TestOdooThatFallsSilentIsNamed(t *testing.T) {
	var silent atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, `{"version":"19.0"}`)
	}))
	defer server.Close()
	client, err := odoo.NewClient(server.URL, "x", "key")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	e := &erp{config: odoo.Config{URL: server.URL}, client: client, patience: time.Minute}
	if err := e.answers(t.Context()); err != nil {
		t.Fatal(err)
	}

	silent.Store(true)
	e.patience = 20 * time.Millisecond
	if err := e.answers(t.Context()); err == nil || !strings.Contains(err.Error(), "no answer within 20ms: check that it runs") {
		t.Fatalf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	said, ended := make(chan string), make(chan struct{})
	go func() {
		defer close(ended)
		e.pulse(ctx, time.Millisecond, func(text string) { said <- text })
	}()
	if text := <-said; !strings.Contains(text, "no answer within 20ms") || !strings.Contains(text, "events wait for it") {
		t.Error(text)
	}
	silent.Store(false)
	if text := <-said; !strings.Contains(text, "answers again") {
		t.Error(text)
	}
	cancel()
	<-ended
}
