package odootest

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
)

// connectorRunsTheAddon: the connector's user has the add-on apply events, as the code that it asks for, and administer nothing; nor does an
// administrator have it make keys of people.
func connectorRunsTheAddon(t *testing.T, p *plant, client *odoo.Client) {
	p.noActions()
	forbidden := func(by *odoo.Client, who string, r run) {
		t.Helper()
		var failed *odoo.Error
		if err := by.Call(t.Context(), r.model, r.method, r.args, nil); !errors.As(err, &failed) || failed.Class != odoo.Configuration {
			t.Errorf("%s calls %s/%s %v: %v, want it forbidden", who, r.model, r.method, r.args, err)
		}
	}
	for _, r := range p.administration() {
		forbidden(client, "the connector's user", r)
	}
	forbidden(client, "the connector's user", run{odoo.AddonModel, "apply", odoo.Args{"part": "stock", "batch": map[string]any{"events": []any{}}, "fingerprint": "another"}})
	person := id(p.one("res.users", where("login", "admin"), "id")["id"])
	forbidden(p.client, "an administrator", run{odoo.AddonModel, "make_key", odoo.Args{"user": person}})
	switchBetweenActionsAndAddon(t, p)
}

// switchBetweenActionsAndAddon: either way knows what was applied by the other, and going back to the add-on leaves no code in the database.
func switchBetweenActionsAndAddon(t *testing.T, p *plant) {
	provision := func(code string) []odoo.Step {
		t.Helper()
		cfg := p.target.Config()
		cfg.Code = code
		admin, err := odoo.NewAdministrator(cfg, p.target.Key, "", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		steps, _, err := admin.Provision(t.Context(), false)
		if err != nil {
			t.Fatalf("set up for %s: %v", code, err)
		}
		return steps
	}
	d := p.apply(p.setup(p.name("WO-SWITCH")))
	provision(odoo.CodeActions)
	again := func(code string) {
		t.Helper()
		a := p.newApplier(func(c *odoo.Config) { c.Code = code })
		if err := a.Handle(t.Context(), d); !errors.Is(err, consumer.ErrDuplicate) {
			t.Errorf("again by %s: %v, want ErrDuplicate", code, err)
		}
	}
	again(odoo.CodeActions)
	if steps := provision(odoo.CodeAddon); len(steps) != len(odoo.Actions())+1 {
		t.Errorf("back to the add-on it did %v, want the actions and their register removed", steps)
	}
	again(odoo.CodeAddon)
	p.once(d)
	p.noActions()
}

// run is a call that has some of plantmesh's code run in Odoo.
type run struct {
	model, method string
	args          odoo.Args
}

// runsOfCode are calls that would have each part's code run, and in the add-on what else it has.
func (p *plant) runsOfCode() (all []run) {
	p.t.Helper()
	batch := map[string]any{"events": []any{}}
	if p.target.Code != odoo.CodeAddon {
		for _, a := range odoo.Actions() {
			ours := p.one("ir.actions.server", where("name", a.Name), "id")
			all = append(all, run{"ir.actions.server", "run", odoo.Args{"ids": []int64{id(ours["id"])}, "context": map[string]any{"mesh": batch}}})
		}
		return all
	}
	addon, err := odoo.AddonFor(odoo.NewestVersion)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range odoo.Actions() {
		args := odoo.Args{"part": strings.TrimPrefix(a.Name, "plantmesh: apply "), "batch": batch, "fingerprint": addon.Fingerprint}
		all = append(all, run{odoo.AddonModel, "apply", args})
	}
	return append(all, p.administration()...)
}

// administration is what the add-on does for administrators alone.
func (p *plant) administration() []run {
	user := id(p.one("res.users", where("login", odoo.ConnectorLogin), "id")["id"])
	return []run{
		{odoo.AddonModel, "setup", nil},
		{odoo.AddonModel, "make_key", odoo.Args{"user": user}},
		{odoo.AddonModel, "end_keys", odoo.Args{"user": user}},
	}
}

// noActions: there is no code of plantmesh in the database.
func (p *plant) noActions() {
	p.t.Helper()
	if rows := p.read("ir.actions.server", []any{[]any{"name", "=like", "plantmesh: %"}}, "name"); len(rows) != 0 {
		p.t.Errorf("there are server actions: %v", rows)
	}
	if rows := p.read("ir.model", where("model", odoo.ModelRegister), "id"); len(rows) != 0 {
		p.t.Error("there is a register of server actions")
	}
}
