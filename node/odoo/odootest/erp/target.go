package erp

import (
	"cmp"
	"log/slog"
	"os"
	"testing"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// Target is an Odoo to test against.
type Target struct {
	URL, Database, Key string

	API   string // how to speak with it; empty: as the server's version asks for
	Login string // of the user that the key is of

	Code string // where the code that applies events is; empty: as the database has it

	Connector string // key of the user that applies; empty: Key, which prepares and reads in any case
}

// Provision sets the target up, and makes a key for the user that applies, who may do no more than it needs.
func (t Target) Provision(test *testing.T) Target {
	test.Helper()
	admin, err := odoo.NewAdministrator(t.Config(), t.Key, "", slog.New(slog.DiscardHandler))
	if err != nil {
		test.Fatal(err)
	}
	defer admin.Close()
	if _, t.Connector, err = admin.Provision(test.Context(), true); err != nil {
		test.Fatal(err)
	}
	return t
}

// FromEnvironment is the real Odoo that ODOO_URL, ODOO_DB, ODOO_API_KEY and ODOO_LOGIN (without it: admin) name, spoken to as ODOO_API says,
// where the code is as ODOO_CODE says. It skips the test where they are not set.
func FromEnvironment(t testing.TB) Target {
	t.Helper()
	target := Target{URL: os.Getenv("ODOO_URL"), Database: os.Getenv("ODOO_DB"), Key: os.Getenv("ODOO_API_KEY"), API: os.Getenv("ODOO_API"), Code: os.Getenv("ODOO_CODE"), Login: cmp.Or(os.Getenv("ODOO_LOGIN"), "admin")}
	if target.URL == "" || target.Database == "" || target.Key == "" {
		t.Skip("NOT RUN against a real Odoo: set ODOO_URL, ODOO_DB and ODOO_API_KEY (deploy/dev/odoo-up prints them)")
	}
	return target
}

// FreshFromEnvironment is a database of that Odoo which nobody has set up, named by ODOO_FRESH_DB. It skips the test where that is not set.
func FreshFromEnvironment(t *testing.T) Target {
	t.Helper()
	target := FromEnvironment(t)
	if target.Database = os.Getenv("ODOO_FRESH_DB"); target.Database == "" {
		t.Skip("NOT RUN against a real Odoo: set ODOO_FRESH_DB to a database that plantmesh has not set up")
	}
	return target
}

// Config is the target's, with everything allowed that an event may create.
func (t Target) Config() odoo.Config {
	c := odoo.Default()
	c.URL, c.Database, c.APIKey, c.Login, c.CreateMissing = t.URL, t.Database, t.Key, t.Login, odoo.CreateAll()
	c.API, c.Code = cmp.Or(t.API, odoo.APIAuto), cmp.Or(t.Code, odoo.CodeAuto)
	return c
}

// AsConnector is the target for the user that applies.
func (t Target) AsConnector() Target {
	if t.Connector != "" {
		t.Key, t.Login = t.Connector, odoo.ConnectorLogin
	}
	return t
}

// Open returns a client of the target. It is closed after the test.
func (t Target) Open(test testing.TB) *odoo.Client {
	test.Helper()
	client, err := odoo.Open(odoo.Access{URL: t.URL, Database: t.Database, API: t.API, Login: t.Login, Key: t.Key})
	if err != nil {
		test.Fatal(err)
	}
	test.Cleanup(client.Close)
	return client
}

// APIs are those that the target is to be spoken to by.
func (t Target) APIs() []string {
	if t.API != "" {
		return []string{t.API}
	}
	return []string{odoo.APIJSON2, odoo.APIJSONRPC}
}

// Accountant gives the administrator the right to analytic accounts, which Odoo gives to nobody by itself. The sandbox has no such rights.
func (t Target) Accountant(test testing.TB) {
	test.Helper()
	client := t.Open(test)
	first := func(model string, domain []any, field string, out any) {
		test.Helper()
		if err := client.SearchRead(test.Context(), model, domain, []string{field}, 1, out); err != nil {
			test.Fatal(err)
		}
	}
	var groups []struct {
		ID int64 `json:"res_id"`
	}
	first("ir.model.data", []any{[]any{"module", "=", "analytic"}, []any{"name", "=", "group_analytic_accounting"}}, "res_id", &groups)
	if len(groups) == 0 {
		return
	}
	var users []struct {
		ID int64 `json:"id"`
	}
	first("res.users", []any{[]any{"login", "=", t.Login}}, "login", &users)
	if len(users) == 0 {
		test.Fatalf("no user %s", t.Login)
	}
	if err := client.Write(test.Context(), "res.users", []int64{users[0].ID}, map[string]any{"group_ids": []any{[]any{4, groups[0].ID, 0}}}); err != nil {
		test.Fatal(err)
	}
}
