package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// rpcRequest is the body of a JSON-RPC call.
type rpcRequest struct {
	ID     json.RawMessage `json:"id"`
	Params struct {
		Service string            `json:"service"`
		Method  string            `json:"method"`
		Args    []json.RawMessage `json:"args"`
	} `json:"params"`
}

// serveRPC answers POST /jsonrpc: common.version, common.authenticate and object.execute_kw. Odoo's errors have HTTP status 200 there.
func (s *Server) serveRPC(w http.ResponseWriter, r *http.Request) {
	var q rpcRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&q); err != nil {
		http.Error(w, "Invalid JSON data", http.StatusBadRequest)
		return
	}
	out := replies{
		result: func(v any) { reply(w, http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": q.ID, "result": v}) },
		fail:   func(err error) { failRPC(w, q.ID, err) },
	}
	switch q.Params.Service + "." + q.Params.Method {
	case "common.version":
		out.result(map[string]any{"server_version": "19.0", "server_version_info": []any{19, 0, 0, "final", 0, ""}, "server_serie": "19.0", "protocol_version": 1})
	case "common.authenticate":
		s.authenticate(out, q.Params.Args)
	case "object.execute_kw":
		s.execute(w, r, out, q.Params.Args)
	default:
		out.fail(&fault{http.StatusInternalServerError, "builtins.KeyError", q.Params.Service})
	}
}

// arguments reads what stands in its places.
func arguments(args []json.RawMessage, to ...any) error {
	if len(args) < len(to) {
		return &fault{http.StatusInternalServerError, "builtins.ValueError", fmt.Sprintf("not enough values to unpack (expected at least %d, got %d)", len(to), len(args))}
	}
	for i := range to {
		if err := unmarshal(args[i], to[i]); err != nil {
			return badArguments("argument %d: %v", i, err)
		}
	}
	return nil
}

func (s *Server) noSuchDatabase(name string) error {
	if name == s.database {
		return nil
	}
	return &fault{http.StatusInternalServerError, "psycopg2.OperationalError", fmt.Sprintf("connection to server failed: FATAL:  database %q does not exist", name)}
}

// authenticate answers with the user's id, or false. All users share the key.
func (s *Server) authenticate(out replies, args []json.RawMessage) {
	var database, login, key string
	err := arguments(args, &database, &login, &key)
	if err == nil {
		err = s.noSuchDatabase(database)
	}
	if err != nil {
		out.fail(err)
		return
	}
	s.mu.Lock()
	user := (&tx{store: &s.store}).one("res.users", "login", login)
	s.mu.Unlock()
	if user == nil || key != s.key {
		out.result(false)
		return
	}
	out.result(user.id)
}

// execute runs a method of a model.
func (s *Server) execute(w http.ResponseWriter, r *http.Request, out replies, args []json.RawMessage) {
	var database, key, model, method string
	var user int64
	var placed []json.RawMessage
	var named map[string]json.RawMessage
	err := arguments(args, &database, &user, &key, &model, &method, &placed)
	if err == nil && len(args) > 6 {
		err = arguments(args[6:], &named)
	}
	if err == nil {
		err = s.noSuchDatabase(database)
	}
	if err == nil && (key != s.key || user <= 0) {
		err = &fault{http.StatusForbidden, "odoo.exceptions.AccessDenied", "Access Denied"}
	}
	if err != nil {
		out.fail(err)
		return
	}
	q, err := newRequest(byName(model, method, placed, named))
	if err != nil {
		out.fail(err)
		return
	}
	s.serve(w, r, out, model, method, q)
}

// byName gives the arguments that came by place their names: the records first, if the method works on some.
func byName(model, method string, placed []json.RawMessage, named map[string]json.RawMessage) map[string]json.RawMessage {
	given := map[string]json.RawMessage{}
	for name, v := range named {
		given[name] = v
	}
	m, ok := oneModel[model+"/"+method]
	if !ok {
		m = anyModel[method]
	}
	var names []string
	if m.onRecords {
		names = append(names, "ids")
	}
	names = append(append(names, m.required...), m.optional...)
	for i, v := range placed {
		if i < len(names) {
			given[names[i]] = v
		} else {
			given[fmt.Sprintf("argument %d", i)] = v
		}
	}
	return given
}

// failRPC answers with an exception; what stands between client and Odoo answers with a status of its own.
func failRPC(w http.ResponseWriter, id json.RawMessage, err error) {
	var f *fault
	if !errors.As(err, &f) {
		f = valueError("%v", err)
	}
	if f.name == "" || f.status > http.StatusInternalServerError {
		fail(w, f)
		return
	}
	name, message := f.name, f.message
	switch { // the names that this API has for them
	case name == "werkzeug.exceptions.UnprocessableEntity":
		name, message = "builtins.TypeError", strings.Replace(message, "a required argument", "1 required positional argument", 1)
	case name == "werkzeug.exceptions.NotFound" && strings.HasPrefix(message, "the model '"):
		model, _, _ := strings.Cut(strings.TrimPrefix(message, "the model '"), "'")
		name, message = "odoo.exceptions.UserError", "Object "+model+" doesn't exist"
	case name == "werkzeug.exceptions.NotFound":
		name = "builtins.AttributeError"
	}
	reply(w, http.StatusOK, map[string]any{"jsonrpc": "2.0", "id": id, "error": map[string]any{
		"code": 0, "message": "Odoo Server Error",
		"data": map[string]any{"name": name, "message": message, "arguments": []any{message}, "context": map[string]any{}, "debug": ""},
	}})
}
