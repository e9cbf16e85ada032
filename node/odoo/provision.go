package odoo

import (
	"context"
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
	code   string // of Config
	dry    bool
	steps  []Step

	connector int64 // group whose users, beside administrators, may run the actions; 0: there is none
	planned   bool  // a dry run would make that group
	addon     bool  // the add-on applies events, so nothing is made for server actions
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

// run does what is missing and returns what applies events.
func (p *provisioner) run(ctx context.Context) (executor, error) {
	if _, err := p.client.actions(ctx); err != nil { // before anything is made where nothing can be applied
		return executor{}, err
	}
	addon, has, err := p.client.addon(ctx, p.code)
	if err != nil {
		return executor{}, err
	}
	p.addon = has
	models, err := p.records(ctx)
	if err != nil {
		return executor{}, err
	}
	if p.addon {
		return addon, p.addonIndexes(ctx, addon)
	}
	ids, err := p.actions(ctx, models["mrp.production"])
	return executor{actions: ids}, err
}

// schema is what the way in which events are applied needs.
func (p *provisioner) schema() []model {
	return slices.DeleteFunc(schema(), func(m model) bool { return p.addon && m.name == ModelRegister })
}

// records makes models, fields and access to them, and returns the models' ids.
func (p *provisioner) records(ctx context.Context) (map[string]int64, error) {
	models, err := p.models(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range p.schema() {
		if m.own && models[m.name] == 0 {
			if models[m.name], err = p.makeModel(ctx, m); err != nil {
				return nil, err
			}
		}
	}
	if err := p.fields(ctx, models); err != nil {
		return nil, err
	}
	return models, p.access(ctx, models)
}

// runAlone is run without an administrator's word on who works with Odoo: the connector's group keeps its right, if it is there.
func (p *provisioner) runAlone(ctx context.Context) (executor, error) {
	var found []struct {
		ID int64 `json:"id"`
	}
	if err := p.client.SearchRead(ctx, "res.groups", []any{[]any{"name", "=", ConnectorGroup}}, []string{"id"}, 1, &found); err != nil {
		return executor{}, err
	}
	if len(found) > 0 {
		p.connector = found[0].ID
	}
	return p.run(ctx)
}

// models finds the ids of the models the schema names.
func (p *provisioner) models(ctx context.Context) (map[string]int64, error) {
	var names []string
	for _, m := range p.schema() {
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
	for _, m := range p.schema() {
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
	for _, m := range p.schema() {
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
	for _, m := range p.schema() {
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
		return 0, &setupError{fmt.Sprintf("Odoo has no %s: this is not a database of Odoo 14 or later, or its app is not installed", external)}
	}
	return found[0].ResID, nil
}

// setupError is a fault of Odoo's setup that no retry mends.
type setupError struct{ text string }

func (e *setupError) Error() string { return e.text }
