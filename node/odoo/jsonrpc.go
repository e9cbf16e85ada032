package odoo

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
)

// jsonRPC is the API of Odoo 14 to 19: POST /jsonrpc, where execute_kw takes database, user id, key, ids and what a method reads by place, and
// the rest by name. Every answer of Odoo has HTTP status 200.
type jsonRPC struct {
	wire   *wire
	access Access

	// user holds the user's id, 0 while it is not known. Whoever has taken it out is asking Odoo for it.
	user chan int64
}

func newJSONRPC(wire *wire, access Access) *jsonRPC {
	j := &jsonRPC{wire: wire, access: access, user: make(chan int64, 1)}
	j.user <- 0
	return j
}

// byPlace are the arguments that go by place. create looks at its first one to tell a record from a list; the others have had different names.
var byPlace = map[string]string{
	"create": "vals_list", "write": "vals", "search_read": "domain", "search_count": "domain", "read_group": "domain", "fields_get": "allfields",
}

func (j *jsonRPC) call(ctx context.Context, model, method string, args Args) ([]byte, error) {
	user, err := j.login(ctx)
	if err != nil {
		return nil, err
	}
	named := maps.Clone(args)
	placed := []any{}
	if ids, ok := named["ids"]; ok { // without ids, it is a method of the model
		placed = append(placed, ids)
		delete(named, "ids")
	}
	if first, ok := named[byPlace[method]]; ok {
		placed = append(placed, first)
		delete(named, byPlace[method])
	}
	if named == nil {
		named = Args{}
	}
	result, _, err := j.service(ctx, "object", "execute_kw", j.access.Database, user, j.access.Key, model, method, placed, named)
	var failed *Error
	if errors.As(err, &failed) {
		failed.nameWhatIsMissing(model, method)
		if failed.Status == http.StatusUnauthorized {
			j.forget(user) // another user may have the login now
		}
	}
	return result, err
}

// login asks for the user's id, once.
//
// Errors: the context's; *Error with status 401 if Odoo does not know login and key; a lost connection.
func (j *jsonRPC) login(ctx context.Context) (user int64, err error) {
	select {
	case user = <-j.user:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { j.user <- user }()
	if user != 0 {
		return user, nil
	}
	result, _, err := j.service(ctx, "common", "authenticate", j.access.Database, j.access.Login, j.access.Key, map[string]any{})
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(result, &user); err != nil || user == 0 { // false
		user = 0
		return 0, namedError(http.StatusUnauthorized, accessDenied, "Odoo does not know login "+j.access.Login+" with this API key or password")
	}
	return user, nil
}

// forget has the next call ask for the user's id again, unless another one has already.
func (j *jsonRPC) forget(user int64) {
	known := <-j.user
	if known == user {
		known = 0
	}
	j.user <- known
}

// service calls a method of one of Odoo's services.
func (j *jsonRPC) service(ctx context.Context, service, method string, args ...any) ([]byte, answer, error) {
	if args == nil {
		args = []any{}
	}
	body := map[string]any{"jsonrpc": "2.0", "method": "call", "id": 1, "params": map[string]any{"service": service, "method": method, "args": args}}
	reply, err := j.wire.send(ctx, http.MethodPost, body, nil, "jsonrpc")
	if err != nil {
		return nil, answer{}, err
	}
	if reply.status != http.StatusOK {
		return nil, answer{}, decodeError(reply.status, reply.body)
	}
	var envelope struct {
		Result json.RawMessage `json:"result"`
		Error  *rpcFault       `json:"error"`
	}
	if err := json.Unmarshal(reply.body, &envelope); err != nil {
		return nil, answer{}, decodeError(http.StatusBadGateway, reply.body) // a page of something in between
	}
	if envelope.Error != nil {
		return nil, answer{}, envelope.Error.decode()
	}
	if envelope.Result == nil {
		envelope.Result = json.RawMessage("null") // Odoo leaves None out
	}
	return envelope.Result, reply, nil
}
