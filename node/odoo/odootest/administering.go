package odootest

import (
	"errors"
	"fmt"
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
	strangerMayNotForge(t, target)

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
	if remains, err := admin.Remains(t.Context()); err != nil || (remains != "") != (target.Code == odoo.CodeAddon) {
		t.Errorf("after the removal remains %q, %v", remains, err)
	}
	keysEnd(t, target, admin, key)
	if _, err := admin.Remove(t.Context()); err != nil {
		t.Error(err)
	}
}

// keysEnd: a key of before does not work again when Odoo is set up again, nor beside one that replaces it.
func keysEnd(t *testing.T, target Target, admin *odoo.Administrator, former string) {
	works := func(key string) bool {
		connector := target
		connector.Key, connector.Login = key, odoo.ConnectorLogin
		return connector.Open(t).Call(t.Context(), "res.users", "context_get", nil, nil) == nil
	}
	_, second, err := admin.Provision(t.Context(), false)
	if err != nil || second == "" {
		t.Fatalf("set up again: key %q, %v", second, err)
	}
	if works(former) || !works(second) {
		t.Errorf("the key of before the removal works: %t; the new one: %t", works(former), works(second))
	}
	_, third, err := admin.Provision(t.Context(), true)
	if err != nil || third == "" {
		t.Fatalf("another key: %q, %v", third, err)
	}
	if works(second) || !works(third) {
		t.Errorf("the key that was replaced works: %t; the new one: %t", works(second), works(third))
	}
	other, err := odoo.NewAdministrator(target.Config(), target.Key, "admin", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, _, err := other.Provision(t.Context(), false); err == nil || !strings.Contains(err.Error(), "belongs to") {
		t.Errorf("a person's user as the connector: %v, want it refused", err)
	}
}

// strangerMayNotForge: another user, who may change manufacturing orders, cannot run the actions, and so not make a fence believe that an event
// was applied.
func strangerMayNotForge(t *testing.T, target Target) {
	p := newPlant(t, target)
	manager := p.read("ir.model.data", []any{[]any{"module", "=", "mrp"}, []any{"name", "=", "group_mrp_manager"}}, "res_id")
	users, err := p.client.Create(t.Context(), "res.users", map[string]any{
		"name": "Planner", "login": p.name("planner"), "group_ids": []any{[]any{6, 0, []any{manager[0]["res_id"]}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	code := fmt.Sprintf("user = env['res.users'].browse(%d)\naction = {'key': env['res.users.apikeys'].with_user(user).sudo()._generate(None, 'planner', False)}\n", users[0])
	action, err := p.client.Create(t.Context(), "ir.actions.server", map[string]any{
		"name": "planner's key", "model_id": p.read("ir.model", where("model", "res.users"), "id")[0]["id"], "state": "code", "code": code,
	})
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		Key string `json:"key"`
	}
	if err := p.client.Call(t.Context(), "ir.actions.server", "run", odoo.Args{"ids": action}, &made); err != nil {
		t.Fatal(err)
	}
	stranger := target
	stranger.Key, stranger.Login = made.Key, p.name("planner")
	client := stranger.Open(t)
	var may bool
	if err := client.Call(t.Context(), "mrp.production", "has_access", odoo.Args{"ids": []int64{}, "operation": "write"}, &may); err != nil || !may {
		t.Fatalf("the planner may change manufacturing orders: %t, %v", may, err)
	}
	for _, run := range p.runsOfCode() {
		var failed *odoo.Error
		if err := client.Call(t.Context(), run.model, run.method, run.args, nil); !errors.As(err, &failed) || failed.Class != odoo.Configuration {
			t.Errorf("a planner calls %s/%s %v: %v, want it forbidden", run.model, run.method, run.args, err)
		}
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
	client := connector.Open(t)
	if target.Code == odoo.CodeAddon {
		connectorRunsTheAddon(t, p, client)
		return
	}
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
