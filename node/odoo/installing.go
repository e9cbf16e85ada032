package odoo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// installedAction is a server action as Odoo has it.
type installedAction struct {
	ID     int64   `json:"id"`
	Name   string  `json:"name"`
	Code   string  `json:"code"`
	Groups []int64 `json:"group_ids"`
}

// installed finds all actions that plantmesh made, former ones too, by name.
func (p *provisioner) installed(ctx context.Context) (map[string][]installedAction, error) {
	names := []string{formerAction}
	for _, a := range Actions() { // of all versions
		names = append(names, a.Name)
	}
	var found []installedAction
	if err := p.client.SearchRead(ctx, "ir.actions.server", []any{[]any{"name", "in", names}}, []string{"name", "code", "group_ids"}, 0, &found); err != nil {
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
	if err := p.indexes(ctx, production, wanted, have); err != nil {
		return nil, err
	}
	by, err := p.runners(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(wanted))
	for i, a := range wanted {
		if ids[i], err = p.action(ctx, production, a, have[a.Name], by); err != nil {
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

// runners are the groups that may run the server actions: without them, whoever may change manufacturing orders could, and make the fences
// believe that events were applied.
type runners []int64

func (r runners) values() map[string]any {
	return map[string]any{"group_ids": []any{[]any{6, 0, r}}}
}

// runners are administrators and the connector's group.
func (p *provisioner) runners(ctx context.Context) (runners, error) {
	settings, err := p.client.reference(ctx, "base.group_system")
	if err != nil {
		return nil, err
	}
	r := runners{settings}
	if p.connector != 0 {
		r = append(r, p.connector)
	}
	slices.Sort(r)
	return r, nil
}

// restricted tells whether an action may be run by those groups and nobody else.
func (p *provisioner) restricted(have installedAction, to runners) bool {
	return !p.planned && slices.Equal(slices.Sorted(slices.Values(have.Groups)), to)
}

func (p *provisioner) action(ctx context.Context, production int64, a Action, have []installedAction, by runners) (int64, error) {
	switch {
	case len(have) > 1:
		return 0, &setupError{fmt.Sprintf("Odoo has several server actions named %q: delete all but one", a.Name)}
	case len(have) == 0:
		return p.makeAction(ctx, production, a, by)
	}
	id, code := have[0].ID, have[0].Code
	if strings.TrimSpace(code) == strings.TrimSpace(a.Code) {
		if !p.restricted(have[0], by) && p.step(ctx, "change", "server action %q: only administrators and group %q may run it", a.Name, ConnectorGroup) {
			if err := p.client.Write(ctx, "ir.actions.server", []int64{id}, by.values()); err != nil {
				return 0, fmt.Errorf("restrict server action %q: %w", a.Name, err)
			}
		}
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
	values := by.values()
	values["code"] = a.Code
	if err := p.client.Write(ctx, "ir.actions.server", []int64{id}, values); err != nil {
		return 0, fmt.Errorf("update server action %q: %w", a.Name, err)
	}
	return id, p.register(ctx, a, id, true)
}

func (p *provisioner) makeAction(ctx context.Context, production int64, a Action, by runners) (int64, error) {
	if !p.step(ctx, "create", "server action %q, version %d", a.Name, actionVersion) {
		return 0, nil
	}
	values := by.values()
	maps.Copy(values, map[string]any{"name": a.Name, "model_id": production, "state": "code", "code": a.Code})
	ids, err := p.client.Create(ctx, "ir.actions.server", values)
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
	entry := map[string]any{"register": map[string]any{"name": a.Name, "action": id, "fingerprint": a.fingerprint()}}
	if err := (executor{actions: []int64{id}}).run(ctx, p.client, 0, entry, nil); err != nil {
		return fmt.Errorf("register server action %q: %w", a.Name, err)
	}
	return nil
}

// indexes has the unique indexes made where they are missing, before any event can be applied. An action of this version that is there tells
// whether they are.
func (p *provisioner) indexes(ctx context.Context, production int64, wanted []Action, have map[string][]installedAction) error {
	for _, a := range wanted {
		for _, one := range have[a.Name] {
			if strings.TrimSpace(one.Code) != strings.TrimSpace(a.Code) {
				continue
			}
			if n, err := (executor{actions: []int64{one.ID}}).countIndexes(ctx, p.client); err != nil || n == len(uniqueIndexes) {
				return err
			}
		}
	}
	if !p.step(ctx, "create", "unique indexes on %s and %s", ModelFence, ModelApplied) {
		return nil
	}
	return madeIndexes(func(made *setupResult) error {
		return p.client.runOnce(ctx, production, "plantmesh: indexes", indexCode(), made)
	})
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
