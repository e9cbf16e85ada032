package odoo_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
)

func TestCheckNamesAllThatIsWrongAtOnce(t *testing.T) {
	server := sandbox.New("mesh", "key")
	door := httptest.NewServer(server)
	t.Cleanup(door.Close)
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(late.Close)
	base := odoo.Default()
	base.URL, base.Database, base.APIKey = door.URL, "mesh", "key"
	check := func(change func(*odoo.Config)) (wrong, fine []string) {
		t.Helper()
		cfg := base
		change(&cfg)
		findings, err := odoo.Check(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range findings {
			if text := one.About + ": " + one.Text; one.OK {
				fine = append(fine, text)
			} else {
				wrong = append(wrong, text)
			}
		}
		return wrong, fine
	}
	for name, c := range map[string]struct {
		change func(*odoo.Config)
		wrong  []string
	}{
		"no server":      {func(c *odoo.Config) { c.URL = "http://127.0.0.1:1" }, []string{"check odoo.url"}},
		"no database":    {func(c *odoo.Config) { c.Database = "other" }, []string{`no database "other"`}},
		"a strange key":  {func(c *odoo.Config) { c.APIKey = "x" }, []string{"does not know the API key"}},
		"no key at all":  {func(c *odoo.Config) { c.APIKey = "" }, []string{"exactly one of api_key"}},
		"a slow clock":   {func(c *odoo.Config) { c.URL = late.URL }, []string{"differs from this machine's by -1h", "plantmesh odoo provision"}},
		"nothing set up": {func(*odoo.Config) {}, []string{"plantmesh odoo provision"}},
		"no warehouses": {func(c *odoo.Config) {
			c.Warehouse, c.Sites = "W1", map[string]odoo.Site{"plant-b": {Warehouse: "W2"}}
		}, []string{"plantmesh odoo provision", `"W1"`, `"W2"`}},
	} {
		t.Run(name, func(t *testing.T) {
			wrong, _ := check(c.change)
			if len(wrong) != len(c.wrong) {
				t.Fatalf("found %q, want %d", wrong, len(c.wrong))
			}
			for i, want := range c.wrong {
				if !strings.Contains(wrong[i], want) {
					t.Errorf("found %q, want %q", wrong[i], want)
				}
			}
		})
	}
}
