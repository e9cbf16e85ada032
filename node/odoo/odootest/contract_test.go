package odootest_test

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh/node/odoo/odootest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRealOdooKeepsTheContract(t *testing.T) {
	odootest.RunOverEachAPI(t, odootest.FromEnvironment(t).Provision(t))
}

func TestRealOdooIsSetUpAndCleanedUpByAnAdministrator(t *testing.T) {
	target := odootest.FreshFromEnvironment(t)
	for _, api := range target.APIs() { // one after the other: each leaves the database as it was
		t.Run(api, func(t *testing.T) {
			target.API = api
			odootest.RunSetup(t, target)
		})
	}
}

func TestRealOdooWhoseDatabaseIsReadOnlyForAWhileLosesAndDoublesNothing(t *testing.T) {
	target := odootest.FromEnvironment(t).Provision(t)
	address := os.Getenv("ODOO_POSTGRES")
	if address == "" {
		t.Skip("NOT RUN: set ODOO_POSTGRES to the address of Odoo's PostgreSQL server, to make its database read-only for a while")
	}
	// A session setting does not do it: Odoo asks for read and write itself. So changes of the fence fail as they do on a standby.
	const deny = `CREATE OR REPLACE FUNCTION mesh_read_only() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RAISE EXCEPTION 'cannot execute % in a read-only transaction', TG_OP USING ERRCODE = 'read_only_sql_transaction'; END $$;
		CREATE TRIGGER mesh_read_only BEFORE INSERT OR UPDATE ON x_mesh_fence EXECUTE FUNCTION mesh_read_only()`
	const allow = `DROP TRIGGER IF EXISTS mesh_read_only ON x_mesh_fence`
	set := func(readOnly bool) {
		t.Helper()
		text := allow
		if readOnly {
			text = deny
		}
		psql := exec.CommandContext(context.WithoutCancel(t.Context()), "psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", text, address+"/"+target.Database)
		if out, err := psql.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	t.Cleanup(func() { set(false) })
	odootest.RunReadOnly(t, target, set)
}

func TestRealOdooThatRestartsInTheMiddleLosesAndDoublesNothing(t *testing.T) {
	target := odootest.FromEnvironment(t).Provision(t)
	command := os.Getenv("ODOO_RESTART")
	if command == "" {
		t.Skip("NOT RUN: set ODOO_RESTART to a command that restarts Odoo, such as deploy/dev/odoo-up restart, with its full path")
	}
	odootest.RunRestart(t, target, func() {
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	})
}
