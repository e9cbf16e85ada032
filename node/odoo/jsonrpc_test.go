package odoo

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// fakeRPC is a server with JSON-RPC alone. answer gives a result or an error member for service.method; it is asked for one call at a time.
type fakeRPC struct {
	version string
	answer  func(what string, args []json.RawMessage) (result any, fault *rpcFault)
	asked   []string
}

func (f *fakeRPC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/jsonrpc" {
		http.NotFound(w, r)
		return
	}
	var q struct {
		Params struct {
			Service, Method string
			Args            []json.RawMessage
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	what := q.Params.Service + "." + q.Params.Method
	f.asked = append(f.asked, what)
	reply := map[string]any{"jsonrpc": "2.0", "id": 1}
	if what == "common.version" {
		reply["result"] = map[string]any{"server_version": f.version}
	} else if result, fault := f.answer(what, q.Params.Args); fault != nil {
		reply["error"] = fault
	} else if result != nil {
		reply["result"] = result
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(reply); err != nil {
		panic(err)
	}
}

func raises(name, message string) *rpcFault {
	f := &rpcFault{Message: "Odoo Server Error"}
	f.Data.Name, f.Data.Message = name, message
	return f
}

func openFake(t *testing.T, f *fakeRPC, login string) *Client {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	client, err := Open(Access{URL: server.URL, Database: "db", Login: login, Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestFaultsOfJSONRPCAreClassifiedAsThoseOfJSON2(t *testing.T) {
	for _, c := range []struct {
		fault  *rpcFault
		status int
		class  Class
	}{
		{raises("odoo.exceptions.AccessDenied", "Access Denied"), 401, Configuration},
		{raises("odoo.exceptions.AccessError", "no"), 403, Configuration},
		{raises("odoo.exceptions.UserError", "no"), 422, Business},
		{raises("odoo.exceptions.UserError", "Object a.model doesn't exist"), 404, Configuration},
		{raises("odoo.exceptions.UserError", "Object b.model doesn't exist"), 422, Business},
		{raises("odoo.exceptions.ValidationError", "no"), 422, Business},
		{raises("odoo.exceptions.MissingError", "gone"), 404, Business},
		{raises("odoo.exceptions.RedirectWarning", "no"), 500, Business},
		{raises("odoo.exceptions.LockError", "no"), 409, Transient},
		{raises("builtins.AttributeError", "The method 'a.model.run' does not exist"), 404, Configuration},
		{raises("builtins.AttributeError", "'NoneType' object has no attribute 'x'"), 500, Business},
		{raises("builtins.TypeError", "run() missing 1 required positional argument: 'x'"), 422, Business},
		{raises("builtins.ValueError", "no"), 500, Business},
		{raises("psycopg2.errors.SerializationFailure", "no"), 500, Transient},
		{raises("psycopg2.errors.DeadlockDetected", "no"), 500, Transient},
		{raises("psycopg2.errors.ReadOnlySqlTransaction", "no"), 500, Transient},
		{raises("psycopg2.OperationalError", `FATAL:  database "db" does not exist`), 404, Transient},
		{raises("werkzeug.exceptions.NotFound", "404: Not Found"), 404, Configuration},
	} {
		f := &fakeRPC{version: "17.0", answer: func(what string, _ []json.RawMessage) (any, *rpcFault) {
			if what == "common.authenticate" {
				return 7, nil
			}
			return nil, c.fault
		}}
		var failed *Error
		err := openFake(t, f, "me").Call(t.Context(), "a.model", "run", nil, nil)
		if !errors.As(err, &failed) || failed.Status != c.status || failed.Class != c.class {
			t.Errorf("%s %q: %v (%+v), want %d, %s", c.fault.Data.Name, c.fault.Data.Message, err, failed, c.status, c.class)
		}
	}
}

func TestArgumentsGoByPlaceAndName(t *testing.T) {
	var seen string
	f := &fakeRPC{version: "saas~17.4", answer: func(what string, args []json.RawMessage) (any, *rpcFault) {
		if what == "common.authenticate" {
			return 7, nil
		}
		b, err := json.Marshal(args)
		if err != nil {
			t.Error(err)
		}
		seen = string(b)
		return nil, nil // None: Odoo leaves the result out
	}}
	client := openFake(t, f, "me")
	for _, c := range []struct {
		method string
		args   Args
		want   string
	}{
		{"run", Args{"ids": []int64{3}, "context": Args{"a": 1}}, `["db",7,"key","m","run",[[3]],{"context":{"a":1}}]`},
		{"write", Args{"ids": []int64{3}, "vals": Args{"a": 1}}, `["db",7,"key","m","write",[[3],{"a":1}],{}]`},
		{"create", Args{"vals_list": []Args{{"a": 1}}}, `["db",7,"key","m","create",[[{"a":1}]],{}]`},
		{"search_count", Args{"domain": []any{}, "limit": 1}, `["db",7,"key","m","search_count",[[]],{"limit":1}]`},
		{"context_get", nil, `["db",7,"key","m","context_get",[],{}]`},
	} {
		given := len(c.args)
		if err := client.Call(t.Context(), "m", c.method, c.args, nil); err != nil || seen != c.want {
			t.Errorf("%s: %v, sent %s, want %s", c.method, err, seen, c.want)
		}
		if len(c.args) != given {
			t.Errorf("%s: the caller's arguments are changed", c.method)
		}
	}
	if n := len(slices.DeleteFunc(f.asked, func(what string) bool { return what != "common.authenticate" })); n != 1 {
		t.Errorf("asked %d times who the user is, want once", n)
	}
}

func TestUserIsAskedForAgainAfterItWasDenied(t *testing.T) {
	user := 7
	f := &fakeRPC{version: "16.0"}
	f.answer = func(what string, args []json.RawMessage) (any, *rpcFault) {
		if what == "common.authenticate" {
			return user, nil
		}
		if string(args[1]) == "7" {
			user = 8 // the login has gone to another user
			return nil, raises(accessDenied, "Access Denied")
		}
		return true, nil
	}
	client := openFake(t, f, "me")
	var failed *Error
	if err := client.Call(t.Context(), "m", "run", nil, nil); !errors.As(err, &failed) || failed.Status != 401 {
		t.Fatalf("the first call: %v, want 401", err)
	}
	if err := client.Call(t.Context(), "m", "run", nil, nil); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestStrangeLoginIsAConfigurationFault(t *testing.T) {
	f := &fakeRPC{version: "18.0", answer: func(string, []json.RawMessage) (any, *rpcFault) { return false, nil }}
	var failed *Error
	err := openFake(t, f, "nobody").Call(t.Context(), "m", "run", nil, nil)
	if !errors.As(err, &failed) || failed.Status != 401 || failed.Class != Configuration || !strings.Contains(failed.Message, "nobody") {
		t.Errorf("call: %v, want 401 that names the login", err)
	}
}

func TestVersionChoosesTheAPI(t *testing.T) {
	f := &fakeRPC{version: "17.0", answer: func(string, []json.RawMessage) (any, *rpcFault) { return 7, nil }}
	var setup *setupError
	if err := openFake(t, f, "").Call(t.Context(), "m", "run", nil, nil); !errors.As(err, &setup) || !strings.Contains(err.Error(), "odoo.login") {
		t.Errorf("Odoo 17 without a login: %v, want an error that names odoo.login", err)
	}
	var path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/web/version" {
			_, _ = w.Write([]byte(`{"version": "19.0"}`))
			return
		}
		path = r.URL.Path
		_, _ = w.Write([]byte("true"))
	}))
	defer server.Close()
	client, err := Open(Access{URL: server.URL, Database: "db", Login: "me", Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Call(t.Context(), "m", "run", nil, nil); err != nil || path != "/json/2/m/run" {
		t.Errorf("Odoo 19: %v by %s, want JSON-2", err, path)
	}
}

func TestVersionsAreReadAsOdooWritesThem(t *testing.T) {
	for version, want := range map[string]int{"19.0": 19, "saas~18.2": 18, "14.0+e": 14, "17.0-20240101": 17} {
		if got, err := majorVersion(version); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", version, got, err, want)
		}
	}
	if _, err := majorVersion("master"); err == nil {
		t.Error("a version without a number is read")
	}
}
