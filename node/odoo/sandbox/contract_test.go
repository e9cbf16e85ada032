package sandbox_test

import (
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh/node/odoo/odootest"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSandboxKeepsTheContract(t *testing.T) {
	server := httptest.NewServer(sandbox.New("mesh", "key"))
	defer server.Close()
	odootest.RunOverEachAPI(t, odootest.Target{URL: server.URL, Database: "mesh", Key: "key", Login: "admin"})
}
