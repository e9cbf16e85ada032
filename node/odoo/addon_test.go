package odoo_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
)

// addonFixture is a sandbox, and what it was asked.
type addonFixture struct {
	fixture
	url string

	mu    sync.Mutex
	asked []string
}

func newAddonFixture(t *testing.T) *addonFixture {
	t.Helper()
	f := &addonFixture{fixture: fixture{server: sandbox.New("mesh", "key")}}
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.mu.Lock()
		f.asked = append(f.asked, r.URL.Path+" "+string(body))
		f.mu.Unlock()
		f.server.ServeHTTP(w, r)
	}))
	t.Cleanup(door.Close)
	f.url = door.URL
	return f
}

// install has the sandbox have this version's add-on.
func (f *addonFixture) install(t *testing.T) *odoo.Addon {
	t.Helper()
	addon, err := odoo.AddonFor(odoo.NewestVersion)
	if err != nil {
		t.Fatal(err)
	}
	f.server.InstallAddon(addon.Version, addon.Fingerprint)
	return addon
}

// config is one with odoo.code as it is given.
func (f *addonFixture) config(code string) odoo.Config {
	cfg := odoo.Default()
	cfg.URL, cfg.Database, cfg.APIKey, cfg.CreateMissing, cfg.Code = f.url, "mesh", "key", odoo.CreateAll(), code
	return cfg
}

// node is an applier with a configuration.
func (f *addonFixture) node(t *testing.T, cfg odoo.Config) *odoo.Applier {
	t.Helper()
	a, err := odoo.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// touched counts the requests about something.
func (f *addonFixture) touched(what string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.asked {
		if strings.Contains(a, what) {
			n++
		}
	}
	return n
}

func TestNodeAppliesThroughTheAddonAndTouchesNoServerAction(t *testing.T) {
	for _, code := range []string{odoo.CodeAuto, odoo.CodeAddon} {
		f := newAddonFixture(t)
		f.install(t)
		a := f.node(t, f.config(code))
		d := f.report(t, "WO")
		if err := a.Handle(t.Context(), d); err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		if err := a.Handle(t.Context(), d); !errors.Is(err, consumer.ErrDuplicate) {
			t.Errorf("%s: again: %v, want ErrDuplicate", code, err)
		}
		if f.touched(odoo.AddonModel+"/apply") < 2 || f.touched("ir.actions.server")+f.touched(odoo.ModelRegister) != 0 {
			t.Errorf("%s: it asked %q", code, f.asked)
		}
		findings, err := odoo.Check(t.Context(), f.config(code))
		if err != nil {
			t.Fatal(err)
		}
		said := false
		for _, found := range findings {
			said = said || found.OK && strings.Contains(found.Text, "by the add-on plantmesh_connector")
		}
		if !said || f.touched("ir.actions.server") != 0 {
			t.Errorf("%s: the check finds %v", code, findings)
		}
	}
}

func TestServerActionsApplyWhereTheAddonIsNotThereOrNotWanted(t *testing.T) {
	for _, code := range []string{odoo.CodeAuto, odoo.CodeActions} {
		f := newAddonFixture(t)
		if code == odoo.CodeActions {
			f.server.InstallAddon(999, "")
		}
		if err := f.node(t, f.config(code)).Handle(t.Context(), f.report(t, "WO")); err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		if f.touched("ir.actions.server/run") == 0 || f.touched(odoo.AddonModel+"/apply") != 0 {
			t.Errorf("%s: it asked %q", code, f.asked)
		}
	}
}

func TestAddonThatDoesNotFitIsRefusedWithWhatToDo(t *testing.T) {
	addon, err := odoo.AddonFor(odoo.NewestVersion)
	if err != nil {
		t.Fatal(err)
	}
	has := func(version int) string {
		return fmt.Sprintf("version %d, this node brings %d", version, addon.Version)
	}
	for name, c := range map[string]struct {
		version     int
		fingerprint string
		says        []string
	}{
		"none":        {0, "", []string{"does not have plantmesh_connector installed", "plantmesh odoo addon"}},
		"older":       {addon.Version - 1, "x", []string{has(addon.Version - 1), "plantmesh odoo addon"}},
		"newer":       {addon.Version + 1, "x", []string{has(addon.Version + 1), "upgrade this node"}},
		"other files": {addon.Version, "x", []string{"not the files", "plantmesh odoo addon"}},
	} {
		f := newAddonFixture(t)
		if c.version > 0 {
			f.server.InstallAddon(c.version, c.fingerprint)
		}
		for _, provision := range []string{odoo.ProvisionAuto, odoo.ProvisionNever} {
			cfg := f.config(odoo.CodeAddon)
			cfg.Provision = provision
			err := f.node(t, cfg).Prepare(t.Context())
			for _, text := range c.says {
				if !errors.Is(err, consumer.ErrBlocked) || !strings.Contains(err.Error(), text) {
					t.Errorf("%s, provision %s: %v, want it blocked with %q", name, provision, err, text)
				}
			}
		}
		if f.touched("ir.actions.server") != 0 || f.touched("create") != 0 {
			t.Errorf("%s: it asked %q", name, f.asked)
		}
	}
}

func TestAddonWhoseDatabaseIsNotSetUpWaitsForAnAdministrator(t *testing.T) {
	f := newAddonFixture(t)
	f.install(t)
	cfg := f.config(odoo.CodeAuto)
	cfg.Provision = odoo.ProvisionNever
	if err := f.node(t, cfg).Prepare(t.Context()); !errors.Is(err, consumer.ErrBlocked) || !strings.Contains(err.Error(), "plantmesh odoo provision") {
		t.Errorf("before: %v, want it blocked, with what to do", err)
	}
	if err := f.node(t, f.config(odoo.CodeAuto)).Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.node(t, cfg).Prepare(t.Context()); err != nil {
		t.Errorf("after it was set up: %v", err)
	}
}

func TestAddonThatIsReplacedWhileTheNodeRunsAppliesNothingForIt(t *testing.T) {
	f := newAddonFixture(t)
	f.install(t)
	a := f.node(t, f.config(odoo.CodeAuto))
	if err := a.Handle(t.Context(), f.report(t, "WO")); err != nil {
		t.Fatal(err)
	}
	f.server.InstallAddon(999, "another")
	d := f.report(t, "WO")
	if err := a.Handle(t.Context(), d); !errors.Is(err, consumer.ErrBlocked) {
		t.Errorf("beside another add-on: %v, want it blocked", err)
	}
	if err := a.Handle(t.Context(), d); !errors.Is(err, consumer.ErrBlocked) || !strings.Contains(err.Error(), "upgrade this node") {
		t.Errorf("once more: %v, want it blocked with what to do", err)
	}
	f.install(t)
	if err := a.Handle(t.Context(), d); err != nil {
		t.Errorf("with the right one: %v", err)
	}
}
