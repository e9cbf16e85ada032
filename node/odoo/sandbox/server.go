package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxRequest bounds a request's body.
const maxRequest = 64 << 20

// Server is the fake. It is an http.Handler, safe for concurrent use; transactions run one after the other.
type Server struct {
	database, key string
	now           func() time.Time

	mu     sync.Mutex // one transaction at a time
	store  store
	nextMO int    // number of the last manufacturing order
	addon  *addon // nil: it is not installed

	faults faults
}

// New returns a server with one freshly set up database, as Odoo has it after installing Manufacturing. key is the API
// key that it accepts.
func New(database, key string) *Server {
	s := &Server{database: database, key: key, now: time.Now, store: store{tables: map[string]*table{}}}
	x := &tx{store: &s.store}
	x.define()
	x.seed()
	return s
}

// request is the body of a JSON-2 call: the arguments of all methods that the sandbox has, by name.
type request struct {
	IDs        []int64
	Context    json.RawMessage
	Domain     []any
	Fields     []string
	Order      string
	Limit      int
	Offset     int
	ValsList   json.RawMessage
	Vals       map[string]any
	GroupBy    []string
	Aggregates []string

	given map[string]json.RawMessage
}

// replies are how an API answers.
type replies struct {
	result func(v any)
	fail   func(err error)
}

// ServeHTTP answers GET /web/version, POST /json/2/<model>/<method>, and POST /jsonrpc.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.URL.Path == "/web/version" {
		reply(w, http.StatusOK, map[string]any{"version_info": []any{19, 0, 0, "final", 0, ""}, "version": "19.0"})
		return
	}
	if r.Method == http.MethodPost && r.URL.Path == "/jsonrpc" {
		s.serveRPC(w, r)
		return
	}
	if r.Header.Get("X-Odoo-Database") != s.database {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n"+
			"<p>No database is selected and the requested URL was not found in the server-wide controllers.</p>\n")
		return
	}
	model, method, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/json/2/"), "/")
	if !ok || !strings.HasPrefix(r.URL.Path, "/json/2/") || r.Method != http.MethodPost {
		fail(w, notFound("Did you mean POST /json/2/<model>/<method>?"))
		return
	}
	if r.Header.Get("Authorization") != "bearer "+s.key {
		fail(w, &fault{http.StatusUnauthorized, "werkzeug.exceptions.Unauthorized", "Invalid apikey"})
		return
	}
	q, err := decode(r.Body)
	if err != nil {
		fail(w, err)
		return
	}
	s.serve(w, r, replies{func(v any) { reply(w, http.StatusOK, v) }, func(err error) { fail(w, err) }}, model, method, q)
}

// serve runs one call with the faults injected for it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, out replies, model, method string, q *request) {
	f := s.faults.next(model + "/" + method)
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	if f.Status != 0 {
		out.fail(&fault{f.Status, f.Name, "injected: " + f.Name})
		return
	}
	result, err := s.transact(model, method, q)
	if f.Drop {
		panic(http.ErrAbortHandler) // closes the connection without a reply
	}
	if err != nil {
		out.fail(err)
		return
	}
	out.result(result)
}

// transact runs a method in a transaction of its own: an error leaves nothing behind.
func (s *Server) transact(model, method string, q *request) (result any, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().UTC().Format("2006-01-02 15:04:05")
	x := &call{tx: &tx{store: &s.store, at: now}, server: s, now: now}
	done := false
	defer func() {
		if !done || err != nil {
			x.rollback()
		}
	}()
	result, err = x.run(model, method, q)
	done = true
	return result, err
}

func decode(body io.Reader) (*request, error) {
	raw, err := io.ReadAll(io.LimitReader(body, maxRequest))
	if err != nil {
		return nil, &fault{http.StatusBadRequest, "werkzeug.exceptions.BadRequest", "could not read the body"}
	}
	var given map[string]json.RawMessage
	if len(raw) == 0 {
		return &request{}, nil
	}
	if err := json.Unmarshal(raw, &given); err != nil {
		return nil, &fault{http.StatusBadRequest, "werkzeug.exceptions.BadRequest", "could not parse the body as json: " + err.Error()}
	}
	return newRequest(given)
}

// newRequest reads arguments by name.
func newRequest(given map[string]json.RawMessage) (*request, error) {
	q := &request{given: given}
	q.Context, q.ValsList = q.given["context"], q.given["vals_list"]
	for name, to := range map[string]any{
		"ids": &q.IDs, "domain": &q.Domain, "fields": &q.Fields, "order": &q.Order, "limit": &q.Limit, "offset": &q.Offset,
		"vals": &q.Vals, "groupby": &q.GroupBy, "aggregates": &q.Aggregates,
	} {
		if err := unmarshal(q.given[name], to); err != nil {
			return nil, badArguments("%s: %v", name, err)
		}
	}
	if q.Offset < 0 || q.Limit < 0 {
		return nil, badArguments("offset and limit must not be negative")
	}
	return q, nil
}

// unmarshal keeps numbers as they are written; nothing leaves to as it is.
func unmarshal(raw json.RawMessage, to any) error {
	if len(raw) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	return decoder.Decode(to)
}

func reply(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // a value of the sandbox that JSON cannot hold
		fail(w, valueError("%v", err))
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that has gone away is its own affair
}

// fail answers as Odoo serializes an exception.
func fail(w http.ResponseWriter, err error) {
	var f *fault
	if !errors.As(err, &f) {
		f = valueError("%v", err)
	}
	reply(w, f.status, map[string]any{
		"name": f.name, "message": f.message, "arguments": []any{f.message}, "context": map[string]any{}, "debug": "",
	})
}
