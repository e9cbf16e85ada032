package odootest

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// RunSetup holds a target to the contract of setting it up and taking that back. It needs a database of its own: in the end nothing of
// plantmesh is left in it but an archived user.
func RunSetup(t *testing.T, target Target) {
	admin, err := odoo.NewAdministrator(target.Config(), target.Key, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	plan, err := admin.Plan(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	stranger := newPlant(t, target)
	if rows := stranger.read("ir.model", where("model", odoo.ModelFence), "id"); len(rows) > 0 {
		t.Fatal("planning made something, or the database is set up already")
	}
	done, key, err := admin.Provision(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	if key == "" {
		t.Fatal("no key for the new user")
	}
	if !slices.Equal(plan, done) {
		t.Errorf("planned %v, did %v", plan, done)
	}
	if steps, again, err := admin.Provision(t.Context(), false); err != nil || len(steps) != 0 || again != "" {
		t.Errorf("once more: %v, key %q, %v, want nothing to do", steps, again, err)
	}

	connector := target
	connector.Key, connector.Login = key, odoo.ConnectorLogin
	cfg := connector.Config()
	findings, err := odoo.Check(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if !f.OK {
			t.Errorf("the check finds %+v", f)
		}
	}
	connectorApplies(t, target, connector)

	if n, err := admin.Journal(t.Context()); err != nil || n == 0 {
		t.Errorf("the journal has %d rows, %v", n, err)
	}
	removal, err := admin.Removal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	removed, err := admin.Remove(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(removal) != len(removed) || len(removed) < 20 {
		t.Errorf("announced %v, did %v", removal, removed)
	}
	for _, model := range []string{odoo.ModelFence, odoo.ModelApplied, odoo.ModelHold, odoo.ModelRegister} {
		if rows := stranger.read("ir.model", where("model", model), "id"); len(rows) > 0 {
			t.Errorf("%s is still there", model)
		}
	}
	if rows := stranger.read("ir.model.fields", []any{[]any{"name", "=like", "x_mesh_%"}}, "name", "model"); len(rows) > 0 {
		t.Errorf("fields are still there: %v", rows)
	}
	if left, err := admin.Removal(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("left to remove: %v, %v", left, err)
	}
}

// connectorApplies: the connector's user may do what the effects need, and may not set Odoo up.
func connectorApplies(t *testing.T, target, connector Target) {
	p := newPlant(t, target)
	a := p.newApplier(func(c *odoo.Config) { c.APIKey, c.Login = connector.Key, connector.Login })
	p.applier = a
	p.apply(p.item("IT"))
	p.count("IT", "", "10")
	p.complete(p.name("WO"), "2", true)
	p.apply(&manufacturingv1.SupplierChanged{SupplierId: p.name("SU"), Name: "Steel " + p.tag})
	p.inStock(p.product(p.name("IT")), "Stock", "12")
	client := connector.open(t)
	actions := p.read("ir.actions.server", where("name", odoo.Actions()[0].Name), "id")
	if err := client.Write(t.Context(), "ir.actions.server", []int64{id(actions[0]["id"])}, map[string]any{"code": "action = {}"}); err == nil {
		t.Error("the connector's user may change the server actions")
	}
	if err := p.client.Write(t.Context(), "ir.actions.server", []int64{id(actions[0]["id"])}, map[string]any{"code": "# plantmesh apply 1 production\n"}); err != nil {
		t.Fatal(err)
	}
	admin, err := odoo.NewAdministrator(target.Config(), target.Key, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if steps, _, err := admin.Provision(t.Context(), false); err != nil || len(steps) != 1 || !strings.Contains(steps[0].What, "from version 1 to") {
		t.Errorf("upgrade: %v, %v", steps, err)
	}
	p.complete(p.name("WO"), "1", true)
}
