package odoo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func valid() Config {
	c := Default()
	c.URL, c.Database, c.APIKey = "https://odoo.example.com", "prod", "secret"
	return c
}

func TestConfigNamesEveryFault(t *testing.T) {
	if err := valid().Validate(); err != nil {
		t.Fatal(err)
	}
	c := valid()
	c.URL, c.Database, c.APIKeyEnv, c.Concurrency, c.Batch, c.Quarantine = "odoo", "", "KEY", 0, 501, " "
	c.API, c.Provision, c.Reconcile.MaxEvents = "xmlrpc", "sometimes", 0
	c.CreateMissing, c.Sites = []string{"orders", "planets"}, map[string]Site{"plant-a": {}}
	err := c.Validate()
	for _, says := range []string{
		`odoo.url "odoo"`, "odoo.database", `odoo.api "xmlrpc"`, `odoo.provision "sometimes"`, "exactly one of api_key", "odoo.concurrency 0", "odoo.batch 501", "odoo.quarantine_location",
		`odoo.create_missing[1] "planets"`, "odoo.sites.plant-a.warehouse", "odoo.reconcile.max_events 0",
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not mention %s", err, says)
		}
	}
}

func TestJSONRPCAsksForALogin(t *testing.T) {
	c := valid()
	c.API = APIJSONRPC
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "odoo.login") {
		t.Errorf("%v does not ask for odoo.login", err)
	}
	c.Login = "plantmesh"
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestKeyComesFromConfigFileOrEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from-file\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_ODOO_KEY", "from-environment")
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{APIKey: "given"}, "given"},
		{Config{APIKeyFile: file}, "from-file"},
		{Config{APIKeyEnv: "TEST_ODOO_KEY"}, "from-environment"},
	} {
		if key, err := c.cfg.key(); err != nil || key != c.want {
			t.Errorf("key %q, %v; want %q", key, err, c.want)
		}
	}
	for _, c := range []Config{{APIKeyFile: file + "-none"}, {APIKeyEnv: "TEST_ODOO_NO_KEY"}} {
		if _, err := c.key(); err == nil || !strings.Contains(err.Error(), "odoo.api_key_") {
			t.Errorf("key of %+v: %v, want an error that names the setting", c, err)
		}
	}
}

func TestSecretIsHidden(t *testing.T) {
	if shown := valid().Redacted(); strings.Contains(shown.APIKey, "secret") {
		t.Errorf("shown %q", shown.APIKey)
	}
}
