package sandbox_test

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
)

func TestNodeThatNeverProvisionsWaitsForAnAdministrator(t *testing.T) {
	server := httptest.NewServer(sandbox.New("mesh", "key"))
	defer server.Close()
	prepare := func(provision string) error {
		cfg := odoo.Default()
		cfg.URL, cfg.Database, cfg.APIKey, cfg.Provision = server.URL, "mesh", "key", provision
		a, err := odoo.New(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		return a.Prepare(t.Context())
	}
	if err := prepare(odoo.ProvisionNever); !errors.Is(err, consumer.ErrBlocked) || !strings.Contains(err.Error(), "plantmesh odoo provision") {
		t.Errorf("before: %v, want it blocked, with what to do", err)
	}
	if err := prepare(odoo.ProvisionAuto); err != nil {
		t.Fatal(err)
	}
	if err := prepare(odoo.ProvisionNever); err != nil {
		t.Errorf("after it was set up: %v", err)
	}
}
