package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/odoo"
)

const valid = `
mesh: acme-prod
site: plant-a
region: eu
tls: {cert: plant-a.crt, key: plant-a.key, ca: ca.crt}
`

// load writes a configuration to a file and loads it.
func load(t *testing.T, text string) (config.Config, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plantmesh.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path)
	return c, path, err
}

func TestDefaultsFillWhatIsOmitted(t *testing.T) {
	c, path, err := load(t, valid+`
adapters: [{name: mes, kind: file, dir: inbox, mapping: /etc/mapping.yaml}]
odoo: {url: "https://odoo.example", database: prod, api_key_file: odoo.key, reconcile: {schedule: "0 5 * * *"}}
telemetry: {otlp_endpoint: "http://127.0.0.1:4317"}
`)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(path)
	if c.DataDir != filepath.Join(folder, "data") || c.TLS.Key != filepath.Join(folder, "plant-a.key") || c.Adapters[0].Mapping != "/etc/mapping.yaml" {
		t.Errorf("paths of %+v", c)
	}
	if c.Adapters[0].Pattern != "*.csv" || c.Adapters[0].SettleSeconds != 1 || c.Telemetry.SampleRatio != 1 || c.Odoo.Concurrency != odoo.DefaultConcurrency || c.Odoo.Reconcile.MaxEvents != odoo.DefaultMaxEvents || c.Odoo.APIKeyFile != filepath.Join(folder, "odoo.key") {
		t.Errorf("defaults of %+v, odoo %+v", c, c.Odoo)
	}
	if len(c.Export) != 1 || c.Export[0].To[0] != "*" {
		t.Errorf("export %+v", c.Export)
	}
}

func TestEmptyExportMeansNothingLeaves(t *testing.T) {
	c, _, err := load(t, valid+"export: []\n")
	if err != nil || c.Export == nil || len(c.Export) != 0 {
		t.Errorf("export %#v, %v", c.Export, err)
	}
}

func TestFaultsOfFormNameLineAndColumn(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"unknown key":        {"mesh: a\nlistn: b\n", `:2:1: unknown key "listn": correct its spelling, or remove it`},
		"unknown nested key": {"tls: {cert: x, kye: y}\n", `:1:16: unknown key "kye"`},
		"unknown site key":   {"odoo:\n  sites: {plant-a: {journal: STJ}}\n", `:2:21: unknown key "journal"`},
		"unknown odoo key":   {"odoo:\n  url: x\n  user: y\n", `:3:3: unknown key "user"`},
		"unknown list key":   {"adapters:\n  - name: a\n    folder: x\n", `:3:5: unknown key "folder"`},
		"text for number":    {"limits: {tail_bytes: many}\n", `:1:22: "many" is a text where a whole number is expected`},
		"list for text":      {"mesh: [a]\n", `:1:7: "[" is a list where a text is expected`},
		"text for list":      {"peers: hq:7443\n", ":1:8: string was used where list is expected"},
		"key twice":          {"mesh: a\nmesh: b\n", `:2:1: section key "mesh" already defined`},
		"not YAML":           {"mesh: {a\n", ":1:8: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, path, err := load(t, test.text)
			if err == nil || !strings.Contains(err.Error(), path+test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

func TestFaultsOfContentAreAllNamedWithPathAndValue(t *testing.T) {
	_, _, err := load(t, `
mesh: Acme
site: plant_a
region: eu
listen: "7443"
reach: nowhere
tls: {cert: a.crt, key: a.key}
peers: ["hq", "hq:7443", "hq:7443"]
admins: ["Ops!"]
export: [{streams: [], to: ["plant/a"]}]
subscriptions: [{from: "", streams: [production]}]
adapters:
  - {name: mes, kind: tape, dir: x, mapping: y}
  - {name: mes, kind: file, pattern: "["}
odoo: {url: "odoo", concurrency: 0, api_key: secret}
telemetry: {otlp_endpoint: "127.0.0.1:4317", sample_ratio: 2}
limits: {tail_bytes: 1, clock_skew: 1ms}
advertise: nowhere
http: 0.0.0.0:7480
`)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`mesh "Acme": a name has`, `site "plant_a": a name has`, `listen "7443": give host:port`, `reach "nowhere": must be direct`, "tls.ca: name the PEM file",
		`peers[0] "hq": give host:port`, `peers[2] "hq:7443": named twice`, `admins[0] "Ops!"`, "export[0].streams: name at least one",
		`export[0].to[0] "plant/a"`, `subscriptions[0].from ""`, `adapters[0].kind "tape": must be file`, "adapters[1].dir: name the folder",
		`adapters[1].pattern "["`, `adapters[1].name "mes": adapters[0] has this name too`, `odoo.url "odoo"`, "odoo.database", "odoo.concurrency 0",
		`telemetry.otlp_endpoint "127.0.0.1:4317"`, "telemetry.sample_ratio 2", "limits.tail_bytes 1: must be 65536 or more",
		"limits.clock_skew 1ms: must be 10ms or more", `advertise "nowhere": give host:port`,
		`http "0.0.0.0:7480": the console has no login, so it is served on this machine only`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Error("the error shows the API key")
	}
}

func TestOutboundSiteHasToNameAPeer(t *testing.T) {
	if _, _, err := load(t, valid+"reach: outbound\n"); err == nil || !strings.Contains(err.Error(), "peers: name at least one") {
		t.Errorf("error %v", err)
	}
	if _, _, err := load(t, valid+"reach: outbound\npeers: [hq:7443]\nadvertise: plant-a:7443\n"); err == nil || !strings.Contains(err.Error(), "nobody can dial this site") {
		t.Errorf("error %v", err)
	}
	if c, _, err := load(t, valid+"reach: outbound\npeers: [hq:7443]\n"); err != nil || c.Reach != config.ReachOutbound {
		t.Errorf("reach %q, %v", c.Reach, err)
	}
	if c, _, err := load(t, valid); err != nil || c.Reach != config.ReachDirect {
		t.Errorf("reach %q by default, %v", c.Reach, err)
	}
}

func TestConsoleIsOffUnlessAskedForAndServesThisMachineOnly(t *testing.T) {
	if c := config.Default(); c.HTTP != "" {
		t.Errorf("on at %q by default", c.HTTP)
	}
	for address, fine := range map[string]bool{
		"127.0.0.1:7480": true, "[::1]:7480": true, "localhost:7480": true, "127.0.0.1:0": true,
		":7480": false, "0.0.0.0:7480": false, "10.0.0.7:7480": false, "[::]:7480": false, "console.example:7480": false, "127.0.0.1": false, "7480": false,
	} {
		if _, _, err := load(t, valid+"http: \""+address+"\"\n"); (err == nil) != fine {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestMarshalledConfigurationReadsBackEqual(t *testing.T) {
	c, _, err := load(t, valid+`
peers: ["hq.example:7443"]
export: [{streams: [production], to: [hq], regions: [eu]}]
subscriptions: [{from: "plant-*", streams: [production]}]
adapters: [{name: mes, kind: file, dir: inbox, mapping: mapping.yaml}]
odoo:
  {url: "https://odoo.example", database: prod, api_key: secret, company: Acme, units: {PCE: uom.product_uom_unit}, accounts: {400: 400000},
  sites: {plant-a: {warehouse: WH, company: 2, locations: {RAW: WH/Stock/Raw}, work_centers: {10: LATHE}, journals: {MAT: STJ}}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := config.Parse(text)
	if err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("%v\n%s\nwas %+v\nis  %+v", err, text, c, again)
	}
	hidden, err := c.Redacted().Marshal()
	if err != nil || strings.Contains(string(hidden), "secret") || c.Odoo.APIKey != "secret" {
		t.Errorf("redacted: %v\n%s", err, hidden)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(valid))
	f.Add([]byte("export: []\nodoo:\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Parse(text)
		if err != nil {
			return
		}
		_ = c.Validate()
		if _, err := c.Marshal(); err != nil {
			t.Error(err)
		}
	})
}
