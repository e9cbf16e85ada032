package odoo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// Step is one thing that provisioning does, or would do.
type Step struct {
	Action string `json:"action"` // create, change or remove
	What   string `json:"what"`
}

func (s Step) String() string { return s.Action + " " + s.What }

// provisioner brings Odoo's database to what the applier needs. Every step looks first and is repeatable. A dry one only says what it
// would do.
type provisioner struct {
	client *Client
	logger *slog.Logger
	dry    bool
	steps  []Step
}

// step notes what is to be done; false if it is only to be said.
func (p *provisioner) step(ctx context.Context, action, format string, args ...any) bool {
	s := Step{Action: action, What: fmt.Sprintf(format, args...)}
	p.steps = append(p.steps, s)
	if !p.dry {
		p.logger.InfoContext(ctx, "odoo is set up", "action", s.Action, "what", s.What)
	}
	return !p.dry
}

// run does what is missing and returns the ids of the server actions, in the order of Actions.
func (p *provisioner) run(ctx context.Context) ([]int64, error) {
	if _, err := p.client.actions(ctx); err != nil { // before anything is made where nothing can be applied
		return nil, err
	}
	models, err := p.models(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range schema() {
		if m.own && models[m.name] == 0 {
			if models[m.name], err = p.makeModel(ctx, m); err != nil {
				return nil, err
			}
		}
	}
	if err := p.fields(ctx, models); err != nil {
		return nil, err
	}
	if err := p.access(ctx, models); err != nil {
		return nil, err
	}
	return p.actions(ctx, models["mrp.production"])
}

// models finds the ids of the models the schema names.
func (p *provisioner) models(ctx context.Context) (map[string]int64, error) {
	var names []string
	for _, m := range schema() {
		names = append(names, m.name)
	}
	var found []struct {
		ID    int64  `json:"id"`
		Model string `json:"model"`
	}
	if err := p.client.SearchRead(ctx, "ir.model", []any{[]any{"model", "in", names}}, []string{"model"}, 0, &found); err != nil {
		return nil, err
	}
	ids := map[string]int64{}
	for _, m := range found {
		ids[m.Model] = m.ID
	}
	for _, m := range schema() {
		if !m.own && !m.optional && ids[m.name] == 0 {
			return nil, &setupError{fmt.Sprintf("Odoo has no model %s: install the app Manufacturing in this database", m.name)}
		}
	}
	return ids, nil
}

func (p *provisioner) makeModel(ctx context.Context, m model) (int64, error) {
	if !p.step(ctx, "create", "model %s (%s) with %d fields", m.name, m.label, len(m.fields)) {
		return 0, nil
	}
	var fields []any
	for _, f := range m.fields {
		fields = append(fields, []any{0, 0, f.values()})
	}
	ids, err := p.client.Create(ctx, "ir.model", map[string]any{"model": m.name, "name": m.label, "order": m.order, "field_id": fields})
	if err != nil {
		return 0, fmt.Errorf("create model %s: %w", m.name, err)
	}
	return ids[0], nil
}

func (f field) values() map[string]any {
	return map[string]any{
		"name": f.name, "field_description": f.label, "ttype": f.kind, "help": f.help, "index": f.index, "copied": false, "state": "manual",
	}
}

// fields creates those that are missing in one call: each call makes Odoo set up its models anew.
func (p *provisioner) fields(ctx context.Context, models map[string]int64) error {
	var found []struct {
		Name  string `json:"name"`
		Model string `json:"model"`
	}
	domain := []any{[]any{"name", "=like", "x_%"}, []any{"model", "in", keys(models)}}
	if err := p.client.SearchRead(ctx, "ir.model.fields", domain, []string{"name", "model"}, 0, &found); err != nil {
		return err
	}
	have := map[string]bool{}
	for _, f := range found {
		have[f.Model+"."+f.Name] = true
	}
	var missing []map[string]any
	for _, m := range schema() {
		for _, f := range m.fields {
			if models[m.name] == 0 || have[m.name+"."+f.name] {
				continue // its app is not installed, or a dry run has not made its model
			}
			p.step(ctx, "create", "field %s.%s (%s)", m.name, f.name, f.label)
			values := f.values()
			values["model_id"] = models[m.name]
			missing = append(missing, values)
		}
	}
	if len(missing) == 0 || p.dry {
		return nil
	}
	if _, err := p.client.Create(ctx, "ir.model.fields", missing...); err != nil {
		return fmt.Errorf("create fields: %w", err)
	}
	return nil
}

func keys(m map[string]int64) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// access lets every internal user read plantmesh's own models; only the server actions write them.
func (p *provisioner) access(ctx context.Context, models map[string]int64) error {
	for _, m := range schema() {
		if !m.own {
			continue
		}
		n, err := p.client.Count(ctx, "ir.model.access", []any{[]any{"model_id", "=", models[m.name]}})
		if err != nil {
			return err
		}
		if n > 0 || !p.step(ctx, "create", "access right: internal users may read %s", m.name) {
			continue
		}
		group, err := p.client.reference(ctx, "base.group_user")
		if err != nil {
			return err
		}
		_, err = p.client.Create(ctx, "ir.model.access", map[string]any{
			"name": m.name + " read", "model_id": models[m.name], "group_id": group,
			"perm_read": true, "perm_write": false, "perm_create": false, "perm_unlink": false,
		})
		if err != nil {
			return fmt.Errorf("create read access to %s: %w", m.name, err)
		}
	}
	return nil
}

// reference finds the record with an external id.
func (c *Client) reference(ctx context.Context, external string) (int64, error) {
	module, name, _ := strings.Cut(external, ".")
	var found []struct {
		ResID int64 `json:"res_id"`
	}
	domain := []any{[]any{"module", "=", module}, []any{"name", "=", name}}
	if err := c.SearchRead(ctx, "ir.model.data", domain, []string{"res_id"}, 1, &found); err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, &setupError{fmt.Sprintf("Odoo has no %s: this is not a database of Odoo 17 or later, or its app is not installed", external)}
	}
	return found[0].ResID, nil
}

// installedAction is a server action as Odoo has it.
type installedAction struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
	Code string `json:"code"`
}

// installed finds all actions that plantmesh made, former ones too, by name.
func (p *provisioner) installed(ctx context.Context) (map[string][]installedAction, error) {
	names := []string{formerAction}
	for _, a := range Actions() { // of all versions
		names = append(names, a.Name)
	}
	var found []installedAction
	if err := p.client.SearchRead(ctx, "ir.actions.server", []any{[]any{"name", "in", names}}, []string{"name", "code"}, 0, &found); err != nil {
		return nil, err
	}
	have := map[string][]installedAction{}
	for _, f := range found {
		have[f.Name] = append(have[f.Name], f)
	}
	return have, nil
}

// actions puts the code into Odoo, replaces older versions, and refuses to work beside newer ones.
func (p *provisioner) actions(ctx context.Context, production int64) ([]int64, error) {
	have, err := p.installed(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := p.client.actions(ctx)
	if err != nil {
		return nil, err
	}
	if len(have) == 0 {
		if err := p.indexes(ctx, production); err != nil {
			return nil, err
		}
	}
	ids := make([]int64, len(wanted))
	for i, a := range wanted {
		if ids[i], err = p.action(ctx, production, a, have[a.Name]); err != nil {
			return nil, err
		}
	}
	for _, former := range have[formerAction] {
		if _, err := ActionVersion(former.Code); err != nil || !p.step(ctx, "remove", "server action %q of an earlier version", formerAction) {
			continue // somebody's own
		}
		if err := p.client.Call(ctx, "ir.actions.server", "unlink", Args{"ids": []int64{former.ID}}, nil); err != nil {
			return nil, fmt.Errorf("remove the former server action: %w", err)
		}
	}
	return ids, nil
}

func (p *provisioner) action(ctx context.Context, production int64, a Action, have []installedAction) (int64, error) {
	switch {
	case len(have) > 1:
		return 0, &setupError{fmt.Sprintf("Odoo has several server actions named %q: delete all but one", a.Name)}
	case len(have) == 0:
		return p.makeAction(ctx, production, a)
	}
	id, code := have[0].ID, have[0].Code
	if strings.TrimSpace(code) == strings.TrimSpace(a.Code) {
		return id, p.register(ctx, a, id, false)
	}
	installed, err := ActionVersion(code)
	if err != nil {
		return 0, &setupError{fmt.Sprintf("server action %q in Odoo: %v: delete it, plantmesh makes it anew", a.Name, err)}
	}
	if installed > actionVersion {
		return 0, &setupError{fmt.Sprintf("the server action %q in Odoo has version %d, this node brings %d: upgrade this node", a.Name, installed, actionVersion)}
	}
	if !p.step(ctx, "change", "server action %q from version %d to %d", a.Name, installed, actionVersion) {
		return id, nil
	}
	if err := p.client.Write(ctx, "ir.actions.server", []int64{id}, map[string]any{"code": a.Code}); err != nil {
		return 0, fmt.Errorf("update server action %q: %w", a.Name, err)
	}
	return id, p.register(ctx, a, id, true)
}

func (p *provisioner) makeAction(ctx context.Context, production int64, a Action) (int64, error) {
	if !p.step(ctx, "create", "server action %q, version %d", a.Name, actionVersion) {
		return 0, nil
	}
	ids, err := p.client.Create(ctx, "ir.actions.server", map[string]any{"name": a.Name, "model_id": production, "state": "code", "code": a.Code})
	if err != nil {
		return 0, fmt.Errorf("create server action %q: %w", a.Name, err)
	}
	return ids[0], p.register(ctx, a, ids[0], true)
}

// register has an action note itself where every user may read which actions there are: only administrators may read these. That goes
// without saying for one that was just made or changed.
func (p *provisioner) register(ctx context.Context, a Action, id int64, silent bool) error {
	have, err := p.client.registered(ctx)
	if err != nil || have[a.Name] == (registration{id, a.fingerprint()}) || !silent && !p.step(ctx, "change", "register of server actions: %q", a.Name) {
		return err
	}
	context := map[string]any{"mesh": map[string]any{"register": map[string]any{"name": a.Name, "action": id, "fingerprint": a.fingerprint()}}}
	if err := p.client.Call(ctx, "ir.actions.server", "run", Args{"ids": []int64{id}, "context": context}, nil); err != nil {
		return fmt.Errorf("register server action %q: %w", a.Name, err)
	}
	return nil
}

// indexes runs an action that makes the unique indexes, and removes it again. It comes before the other actions, which are
// only there once they are.
func (p *provisioner) indexes(ctx context.Context, production int64) error {
	if !p.step(ctx, "create", "unique indexes on %s and %s", ModelFence, ModelApplied) {
		return nil
	}
	var result struct {
		Indexes int `json:"indexes"`
	}
	if err := p.client.runOnce(ctx, production, "plantmesh: indexes", indexCode, &result); err != nil {
		return fmt.Errorf("create unique indexes: %w", err)
	}
	if result.Indexes != 2 {
		return &setupError{fmt.Sprintf("Odoo made %d of 2 unique indexes", result.Indexes)}
	}
	return nil
}

// runOnce makes a server action on a model, runs it, and removes it again.
func (c *Client) runOnce(ctx context.Context, model int64, name, code string, out any) error {
	ids, err := c.Create(ctx, "ir.actions.server", map[string]any{"name": name, "model_id": model, "state": "code", "code": code})
	if err != nil {
		return err
	}
	run := c.Call(ctx, "ir.actions.server", "run", Args{"ids": ids}, out)
	return errors.Join(run, c.Call(ctx, "ir.actions.server", "unlink", Args{"ids": ids}, nil))
}

// setupError is a fault of Odoo's setup that no retry mends.
type setupError struct{ text string }

func (e *setupError) Error() string { return e.text }
