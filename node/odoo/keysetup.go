package odoo

import (
	"context"
	"fmt"
)

// endKeys is code that ends the API keys of a user which are plantmesh's; user is an id, or an expression for it.
const endKeys = "user = env['res.users'].browse(%v)\nenv['res.users.apikeys'].sudo().search([('user_id', '=', user.id), ('name', '=', 'plantmesh')]).unlink()\n"

func endKeysCode(user any) string { return fmt.Sprintf(endKeys, user) + "action = {}\n" }

// makeKeyCode is code that makes an API key for a user, in place of earlier ones.
func makeKeyCode(user any) string {
	return fmt.Sprintf(endKeys, user) + "action = {'key': env['res.users.apikeys'].with_user(user).sudo()._generate(None, 'plantmesh', False)}\n"
}

// key makes an API key for a user, in place of earlier ones. Odoo has no call for that, but lets the code of an administrator's action do it.
func (a *Administrator) key(ctx context.Context, user int64) (string, error) {
	var made struct {
		Key string `json:"key"`
	}
	if err := a.aboutKeys(ctx, user, "make_key", makeKeyCode(user), &made); err != nil {
		return "", fmt.Errorf("API key: %w: make one as that user under Preferences, Account Security, New API Key", err)
	}
	return made.Key, nil
}

func (a *Administrator) endKeys(ctx context.Context, user int64) error {
	return a.aboutKeys(ctx, user, "end_keys", endKeysCode(user), nil)
}

// aboutKeys has the add-on do something about a user's keys, or an action with the code for it, as the configuration wants it.
func (a *Administrator) aboutKeys(ctx context.Context, user int64, method, code string, out any) error {
	if a.code != CodeActions {
		_, has, err := a.client.loadedAddon(ctx)
		switch {
		case err != nil:
			return err
		case has:
			return a.client.Call(ctx, AddonModel, method, Args{"user": user}, out)
		case a.code == CodeAddon:
			return &setupError{fmt.Sprintf("the database does not have the add-on %s installed, which makes and ends API keys where odoo.code is %s: install it, or do that as the user or by archiving the user in Odoo", AddonModule, CodeAddon)}
		}
	}
	model, err := a.client.reference(ctx, "base.model_res_users")
	if err != nil {
		return err
	}
	major, err := a.client.major(ctx)
	if err != nil {
		return err
	}
	return a.client.runOnce(ctx, model, "plantmesh: API keys", rewrite(major, setupDifferences, code), out)
}
