package odoo_test

import (
	"log/slog"
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
		"other mappings": {func(c *odoo.Config) {
			c.Company, c.Units = "Nobody", map[string]string{"PCE": "uom.none"}
		}, []string{"plantmesh odoo provision", `odoo.company "Nobody"`, `odoo.units.PCE "uom.none"`}},
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

func TestCheckNamesUnitsThatNoCodeReaches(t *testing.T) {
	server := sandbox.New("mesh", "key")
	door := httptest.NewServer(server)
	t.Cleanup(door.Close)
	cfg := odoo.Default()
	cfg.URL, cfg.Database, cfg.APIKey = door.URL, "mesh", "key"
	a, err := odoo.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	client, err := odoo.Open(odoo.Access{URL: door.URL, Database: "mesh", Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, u := range []map[string]any{
		{"name": "Pallet", "x_mesh_code": "PF"}, {"name": "Palette", "x_mesh_code": "PF"}, {"name": "Crate", "x_mesh_code": "CR", "active": false}, {"name": "Kilo", "x_mesh_code": "KGM"},
	} {
		if _, err := client.Create(t.Context(), "uom.uom", u); err != nil {
			t.Fatal(err)
		}
	}
	change := func(name string, values map[string]any) {
		t.Helper()
		var rows []struct {
			ID int64 `json:"id"`
		}
		if err := client.SearchRead(t.Context(), "uom.uom", []any{[]any{"name", "=", name}}, []string{"name"}, 1, &rows); err != nil || len(rows) != 1 {
			t.Fatalf("%v: %d units", err, len(rows))
		}
		method, args := "write", odoo.Args{"ids": []int64{rows[0].ID}, "vals": values}
		if values == nil {
			method, args = "unlink", odoo.Args{"ids": []int64{rows[0].ID}}
		}
		if err := client.Call(t.Context(), "uom.uom", method, args, nil); err != nil {
			t.Fatal(err)
		}
	}
	change("Dozens", map[string]any{"active": false})
	change("qt (US)", nil)
	findings, err := odoo.Check(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	said := map[bool]string{}
	for _, f := range findings {
		if f.About == "units" {
			said[f.OK] += f.Text + "\n"
		}
	}
	for _, text := range []string{"Crate (Mesh: code CR) is archived", "DZN is archived in Odoo", "QTL has no counterpart", "28 codes of UN/CEFACT"} {
		if !strings.Contains(said[true], text) {
			t.Errorf("not said: %s, in\n%s", text, said[true])
		}
	}
	for _, text := range []string{"Pallet, Palette have the same Mesh: code PF", "Kilo has the Mesh: code KGM, which is Odoo's own uom.product_uom_kgm"} {
		if !strings.Contains(said[false], text) {
			t.Errorf("not wrong: %s, in\n%s", text, said[false])
		}
	}
}
