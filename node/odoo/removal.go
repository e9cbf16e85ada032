package odoo

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Removal says what Remove would do.
func (a *Administrator) Removal(ctx context.Context) ([]Step, error) { return a.remove(ctx, true) }

// Remove takes everything back that provisioning made. Records of the business stay: orders, moves, products, postings.
func (a *Administrator) Remove(ctx context.Context) ([]Step, error) { return a.remove(ctx, false) }

// Remains says what Remove leaves for a person to take away; empty if nothing.
func (a *Administrator) Remains(ctx context.Context) (string, error) {
	_, has, err := a.client.loadedAddon(ctx)
	if err != nil || !has {
		return "", err
	}
	return fmt.Sprintf("the add-on %s stays installed, and does nothing by itself: uninstall it in Odoo under Apps, then take its folder out of Odoo's addons path", AddonModule), nil
}

func (a *Administrator) remove(ctx context.Context, dry bool) ([]Step, error) {
	p := &provisioner{client: a.client, logger: a.logger, code: a.code, dry: dry}
	if err := a.removeActions(ctx, p); err != nil {
		return p.steps, err
	}
	if err := a.removeModels(ctx, p); err != nil {
		return p.steps, err
	}
	return p.steps, a.removeUser(ctx, p)
}

func (a *Administrator) unlink(ctx context.Context, model string, ids ...int64) error {
	if err := a.client.Call(ctx, model, "unlink", Args{"ids": ids}, nil); err != nil {
		return fmt.Errorf("remove %s %v: %w", model, ids, err)
	}
	return nil
}

// removeActions removes the server actions that plantmesh made, and the register of them.
func (a *Administrator) removeActions(ctx context.Context, p *provisioner) error {
	have, err := p.installed(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		for _, one := range have[name] {
			if _, err := ActionVersion(one.Code); err != nil {
				continue // somebody's own
			}
			if p.step(ctx, "remove", "server action %q", name) {
				if err := a.unlink(ctx, "ir.actions.server", one.ID); err != nil {
					return err
				}
			}
		}
	}
	return a.removeOwn(ctx, p, ModelRegister)
}

// removeModels takes fields off Odoo's models, and removes plantmesh's own.
func (a *Administrator) removeModels(ctx context.Context, p *provisioner) error {
	ours := map[string]bool{}
	var own []string
	for _, m := range schema() {
		if m.own && m.name != ModelRegister { // which goes with the actions
			own = append(own, m.name)
		}
		for _, f := range m.fields {
			ours[m.name+"."+f.name] = !m.own
		}
	}
	var fields []struct {
		ID    int64  `json:"id"`
		Name  string `json:"name"`
		Model string `json:"model"`
	}
	if err := a.client.SearchRead(ctx, "ir.model.fields", []any{[]any{"name", "=like", "x_mesh_%"}}, []string{"name", "model"}, 0, &fields); err != nil {
		return err
	}
	var gone []int64
	for _, f := range fields {
		if name := f.Model + "." + f.Name; ours[name] && p.step(ctx, "remove", "field %s, with what is in it", name) {
			gone = append(gone, f.ID)
		}
	}
	if len(gone) > 0 {
		if err := a.unlink(ctx, "ir.model.fields", gone...); err != nil {
			return err
		}
	}
	return a.removeOwn(ctx, p, own...)
}

// removeOwn removes models of plantmesh's own, where they are.
func (a *Administrator) removeOwn(ctx context.Context, p *provisioner, names ...string) error {
	var models []struct {
		ID    int64  `json:"id"`
		Model string `json:"model"`
	}
	if err := a.client.SearchRead(ctx, "ir.model", []any{[]any{"model", "in", names}}, []string{"model"}, 0, &models); err != nil {
		return err
	}
	for _, m := range models {
		if p.step(ctx, "remove", "model %s, with all its rows", m.Model) {
			if err := a.unlink(ctx, "ir.model", m.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeUser archives the connector's users, whose name stands at what they did, and removes their group. Others that somebody put into the
// group stay.
func (a *Administrator) removeUser(ctx context.Context, p *provisioner) error {
	var groups []struct {
		ID int64 `json:"id"`
	}
	if err := a.client.SearchRead(ctx, "res.groups", []any{[]any{"name", "=", ConnectorGroup}}, []string{"id"}, 1, &groups); err != nil {
		return err
	}
	if len(groups) == 0 {
		return nil
	}
	var users []struct {
		ID    int64  `json:"id"`
		Name  string `json:"name"`
		Login string `json:"login"`
	}
	if err := a.client.SearchRead(ctx, "res.users", []any{[]any{"group_ids", "in", []int64{groups[0].ID}}}, []string{"name", "login"}, 0, &users); err != nil {
		return err
	}
	for _, u := range users {
		if u.Name != connectorName {
			p.step(ctx, "change", "user %q: out of group %q", u.Login, ConnectorGroup) // with the group
			continue
		}
		if !p.step(ctx, "change", "user %q: archived, without API keys", u.Login) {
			continue
		}
		if err := a.endKeys(ctx, u.ID); err != nil {
			return fmt.Errorf("API keys of user %q: %w", u.Login, err)
		}
		if err := a.client.Write(ctx, "res.users", []int64{u.ID}, map[string]any{"active": false}); err != nil {
			return fmt.Errorf("archive user %q: %w", u.Login, err)
		}
	}
	if p.step(ctx, "remove", "group %q", ConnectorGroup) {
		return a.unlink(ctx, "res.groups", groups[0].ID)
	}
	return nil
}
