package odoo

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRepliesAreClassifiedAsOdooMeansThem(t *testing.T) {
	named := func(name string) string {
		b, err := json.Marshal(map[string]any{"name": name, "message": "words of Odoo", "arguments": []any{}, "context": map[string]any{}, "debug": ""})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct {
		status int
		body   string
		class  Class
	}{
		{401, named("werkzeug.exceptions.Unauthorized"), Configuration},
		{403, named("odoo.exceptions.AccessError"), Configuration},
		{403, named("odoo.http.SessionExpiredException"), Configuration},
		{404, named("werkzeug.exceptions.NotFound"), Configuration},
		{404, named("odoo.exceptions.MissingError"), Business},
		{404, "<!DOCTYPE html>\n<title>404 Not Found</title>", Transient},
		{409, named("odoo.exceptions.LockError"), Transient},
		{422, named("odoo.exceptions.UserError"), Business},
		{422, named("odoo.exceptions.ValidationError"), Business},
		{400, named("werkzeug.exceptions.BadRequest"), Business},
		{500, named("psycopg2.errors.SerializationFailure"), Transient},
		{500, named("psycopg2.errors.DeadlockDetected"), Transient},
		{500, named("psycopg2.errors.LockNotAvailable"), Transient},
		{500, named("psycopg2.errors.ReadOnlySqlTransaction"), Transient},
		{500, named("psycopg2.OperationalError"), Transient},
		{500, named("odoo.exceptions.RedirectWarning"), Business},
		{500, named("builtins.ValueError"), Business},
		{500, `{"name": "builtins.ValueError", "message": "ReadOnlySqlTransaction('cannot execute INSERT in a read-only transaction') while evaluating\n'...'"}`, Transient},
		{500, `{"name": "builtins.RuntimeError", "message": "dictionary changed size during iteration"}`, Transient},
		{500, `{"name": "builtins.ValueError", "message": "RuntimeError('dictionary changed size during iteration') while evaluating\n'...'"}`, Transient},
		{500, "Internal Server Error", Transient},
		{502, "<html>Bad Gateway</html>", Transient},
		{503, "", Transient},
		{504, "<html>Gateway Time-out</html>", Transient},
	} {
		if got := decodeError(c.status, []byte(c.body)); got.Class != c.class {
			t.Errorf("%d %.60s: %s, want %s", c.status, c.body, got.Class, c.class)
		}
	}
}

func TestMessageOfAFailedActionLeavesOutItsCode(t *testing.T) {
	e := decodeError(500, []byte(`{"name": "builtins.ValueError", "message": "TypeError('no') while evaluating\n'# plantmesh apply 1 ...'"}`))
	if e.Error() != "odoo: TypeError('no')" {
		t.Errorf("error %q", e.Error())
	}
	e = decodeError(404, []byte("<title>404 Not Found</title>\n<p>No   database is selected</p>"))
	if e.Error() != "odoo answered HTTP 404: 404 Not Found No database is selected" {
		t.Errorf("error %q", e.Error())
	}
}

func FuzzErrorReply(f *testing.F) {
	f.Add(422, []byte(`{"name": "odoo.exceptions.UserError", "message": "no"}`))
	f.Add(404, []byte("<!DOCTYPE html><title>404</title>"))
	f.Add(500, []byte(`{"name": 3}`))
	f.Add(200, []byte(`{"code": 0, "message": "Odoo Server Error", "data": {"name": "psycopg2.errors.SerializationFailure", "message": "no"}}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := decodeError(status, body)
		var rpc rpcFault
		if json.Unmarshal(body, &rpc) == nil && rpc.Data.Name != "" {
			e = rpc.decode()
		}
		if e.Class < Transient || e.Class > Configuration {
			t.Errorf("class %d", e.Class)
		}
		if len(e.Message) > longest+len("…") || !strings.HasPrefix(e.Error(), "odoo") {
			t.Errorf("error %q", e.Error())
		}
	})
}
