package sandbox_test

import (
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/odootest"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSandboxKeepsTheContract(t *testing.T) {
	server := httptest.NewServer(sandbox.New("mesh", "key"))
	defer server.Close()
	odootest.RunOverEachAPI(t, odootest.Target{URL: server.URL, Database: "mesh", Key: "key", Login: "admin"})
}

func TestSandboxWithTheAddonKeepsTheContract(t *testing.T) {
	addon, err := odoo.AddonFor(odoo.NewestVersion)
	if err != nil {
		t.Fatal(err)
	}
	s := sandbox.New("mesh", "key")
	s.InstallAddon(addon.Version, addon.Fingerprint)
	server := httptest.NewServer(s)
	defer server.Close()
	odootest.RunOverEachAPI(t, odootest.Target{URL: server.URL, Database: "mesh", Key: "key", Login: "admin", Code: odoo.CodeAddon})
}
