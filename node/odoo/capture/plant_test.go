package capture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/odootest/erp"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
	"github.com/plantmesh/plantmesh/storage"
)

// onBoth runs a test against the sandbox, and against a real Odoo where the environment names one.
func onBoth(t *testing.T, test func(t *testing.T, h *office)) {
	t.Run("sandbox", func(t *testing.T) {
		server := httptest.NewServer(sandbox.New("mesh", "key"))
		t.Cleanup(server.Close)
		test(t, newOffice(t, erp.Target{URL: server.URL, Database: "mesh", Key: "key", Connector: "key"}))
	})
	t.Run("odoo", func(t *testing.T) { test(t, newOffice(t, erp.FromEnvironment(t).Provision(t))) })
}

var offices atomic.Int64

// office is the site that faces Odoo, and a person who works there.
type office struct {
	t      *testing.T
	target erp.Target
	config odoo.Config
	person *odoo.Client
	mesh   *odoo.Client
	log    *storage.Log
	tag    string
	ahead  time.Duration // of the clock
	capture
}

type capture = *Capture

func newOffice(t *testing.T, target erp.Target) *office {
	t.Helper()
	h := &office{t: t, target: target, config: target.Config(), tag: fmt.Sprintf("%x-%d", time.Now().UnixNano(), offices.Add(1))}
	h.config.APIKey, h.config.Capture = target.Connector, &odoo.Capture{}
	h.config.Sites = map[string]odoo.Site{"plant-a": {Warehouse: "WH"}}
	h.person, h.mesh = h.client(target.Key), h.client(target.Connector)
	log, err := storage.Open(t.TempDir(), storage.Options{Mesh: "test", Site: "hq"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	h.log = log
	h.restart(log, h.mesh)
	return h
}

func (h *office) client(key string) *odoo.Client {
	c, err := odoo.NewClient(h.target.URL, h.target.Database, key)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

// restart is a new process on the same log.
func (h *office) restart(log Log, caller Caller) {
	c, err := New(h.config, "hq", caller, log, slog.New(slog.DiscardHandler))
	if err != nil {
		h.t.Fatal(err)
	}
	c.now = func() time.Time { return time.Now().Add(h.ahead) }
	h.capture = c
}

// poll goes again after what passes, as a node does at its next turn.
func (h *office) poll() {
	h.t.Helper()
	var err error
	for range 5 {
		var passing *odoo.Error
		if err = h.Poll(h.t.Context()); !errors.As(err, &passing) || passing.Class != odoo.Transient {
			break
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *office) name(s string) string { return s + "-" + h.tag }

// create is a person's.
func (h *office) create(model string, values ...map[string]any) []int64 {
	h.t.Helper()
	ids, err := h.person.Create(h.t.Context(), model, values...)
	if err != nil {
		h.t.Fatal(err)
	}
	return ids
}

func (h *office) write(model string, id int64, values map[string]any) {
	h.t.Helper()
	if err := h.person.Write(h.t.Context(), model, []int64{id}, values); err != nil {
		h.t.Fatal(err)
	}
}

func (h *office) unlink(model string, ids ...int64) {
	h.t.Helper()
	if err := h.person.Call(h.t.Context(), model, "unlink", odoo.Args{"ids": ids}, nil); err != nil {
		h.t.Fatal(err)
	}
}

func (h *office) product(values map[string]any) int64 {
	h.t.Helper()
	all := map[string]any{"name": "Bolt", "default_code": h.name("bolt"), "type": "consu", "is_storable": true}
	for name, v := range values {
		all[name] = v
	}
	return h.create("product.product", all)[0]
}

// told are the events about a subject, in the order in which they were recorded.
func told[M proto.Message](h *office, s plantmesh.StreamName, subject string) []M {
	h.t.Helper()
	head, err := h.log.Head(s)
	if err != nil {
		return nil
	}
	var all []M
	for o := plantmesh.Offset(1); o <= head.Offset; o++ {
		e, err := h.log.Get(s, o)
		if err != nil {
			h.t.Fatal(err)
		}
		if subject != "" && e.GetEvent().GetSubject() != subject {
			continue
		}
		payload, err := plantmesh.Payload(e.GetEvent())
		if err != nil {
			h.t.Fatal(err)
		}
		if m, ok := payload.(M); ok && e.GetEvent().GetSource() == odoo.CaptureSource("hq") {
			all = append(all, m)
		}
	}
	return all
}

// losing is a log whose writes go wrong, before or after they are durable, as in a crash.
type losing struct {
	*storage.Log
	left  int // writes until it goes wrong
	after bool
}

func (l *losing) Append(ctx context.Context, w storage.Write) ([]storage.Receipt, error) {
	if l.left--; l.left >= 0 {
		return l.Log.Append(ctx, w)
	}
	if l.after {
		if _, err := l.Log.Append(ctx, w); err != nil {
			return nil, err
		}
	}
	return nil, io.ErrUnexpectedEOF
}

// session is a transaction of PostgreSQL beside Odoo's own.
type session struct {
	t    *testing.T
	in   io.WriteCloser
	out  *bufio.Scanner
	run  *exec.Cmd
	text *strings.Builder
}

// begin opens a transaction. It skips the test where the database cannot be reached but through Odoo.
func begin(t *testing.T, h *office) *session {
	t.Helper()
	address := os.Getenv("ODOO_POSTGRES")
	if address == "" {
		t.Skip("NOT RUN: set ODOO_POSTGRES to the address of Odoo's PostgreSQL server, such as postgres://odoo@127.0.0.1:54329, to hold a transaction open there")
	}
	if _, err := exec.LookPath("psql"); err != nil {
		t.Skip("NOT RUN: psql is not installed")
	}
	s := &session{t: t, text: &strings.Builder{}}
	s.run = exec.CommandContext(t.Context(), "psql", "-qAt", "-v", "ON_ERROR_STOP=1", address+"/"+h.target.Database)
	s.run.Stderr = s.text
	var err error
	if s.in, err = s.run.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewScanner(out)
	if err := s.run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.in.Close(); _ = s.run.Wait() })
	return s
}

func (s *session) exec(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, text+";\n"); err != nil {
		s.t.Fatalf("%v: %s", err, s.text)
	}
}

// wait waits until everything so far was done.
func (s *session) wait() {
	s.t.Helper()
	s.exec("SELECT 'done'")
	if !s.out.Scan() {
		s.t.Fatalf("psql ended: %s", s.text)
	}
}

// end waits until everything was done.
func (s *session) end() {
	s.t.Helper()
	s.wait()
	_ = s.in.Close()
	if err := s.run.Wait(); err != nil {
		s.t.Fatalf("%v: %s", err, s.text)
	}
}
