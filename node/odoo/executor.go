package odoo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// executor runs the code that applies events, as it is in Odoo: in server actions, or in the add-on.
type executor struct {
	addon   string  // fingerprint of the add-on; empty: server actions
	actions []int64 // their ids, in the order of Actions
}

// run has a part of the business work on what mesh holds, in one transaction, and decodes what it returns into out, unless that is nil.
func (e executor) run(ctx context.Context, c *Client, part int, mesh, out any) error {
	if e.addon != "" {
		return c.Call(ctx, AddonModel, "apply", Args{"part": parts[part].name, "batch": mesh, "fingerprint": e.addon}, out)
	}
	return c.Call(ctx, "ir.actions.server", "run", Args{"ids": []int64{e.actions[part]}, "context": map[string]any{"mesh": mesh}}, out)
}

// gone tells whether a server action is not there any more. An add-on that is gone has an error of its own.
func (e executor) gone(ctx context.Context, c *Client) bool {
	if e.addon != "" {
		return false
	}
	n, err := c.Count(ctx, "ir.actions.server", []any{[]any{"id", "in", e.actions}})
	return err == nil && n < len(e.actions)
}

// setupResult is what the code says of the setup.
type setupResult struct {
	Indexes int `json:"indexes"`
}

// countIndexes has the code count the unique indexes that are there.
func (e executor) countIndexes(ctx context.Context, c *Client) (int, error) {
	var found setupResult
	err := e.run(ctx, c, 0, map[string]any{"indexes": uniqueIndexes}, &found)
	return found.Indexes, err
}

// madeIndexes holds Odoo to having made all unique indexes.
func madeIndexes(do func(made *setupResult) error) error {
	var made setupResult
	if err := do(&made); err != nil {
		return fmt.Errorf("create unique indexes: %w", err)
	}
	if made.Indexes != len(uniqueIndexes) {
		return &setupError{fmt.Sprintf("Odoo made %d of %d unique indexes", made.Indexes, len(uniqueIndexes))}
	}
	return nil
}

// ready returns what applies events, for a node that does not set Odoo up.
func (c *Client) ready(ctx context.Context, code string) (executor, error) {
	addon, has, err := c.addon(ctx, code)
	if err != nil {
		return executor{}, err
	}
	if !has {
		ids, err := c.registeredActions(ctx)
		return executor{actions: ids}, err
	}
	n, err := addon.countIndexes(ctx, c)
	if err == nil && n != len(uniqueIndexes) {
		err = &setupError{fmt.Sprintf("the database has the add-on %s, and is not set up: run `plantmesh odoo provision` with an administrator's key", AddonModule)}
	}
	return addon, err
}

// howToInstall is what to do about an add-on that is not there, or not the right one.
const howToInstall = "write it with `plantmesh odoo addon` of this version, put it into Odoo's addons path, restart Odoo, and install or upgrade it there (docs/odoo.md)"

// addon finds the add-on, if code, as in Config, lets it apply events; has is false if server actions are to do it.
func (c *Client) addon(ctx context.Context, code string) (found executor, has bool, err error) {
	if code == CodeActions {
		return executor{}, false, nil
	}
	loaded, has, err := c.loadedAddon(ctx)
	switch {
	case err != nil:
		return executor{}, false, err
	case !has && code == CodeAddon:
		return executor{}, false, &setupError{fmt.Sprintf("odoo.code is %s, and the database does not have %s installed: %s", CodeAddon, AddonModule, howToInstall)}
	case !has:
		return executor{}, false, nil
	}
	major, err := c.major(ctx)
	if err != nil {
		return executor{}, false, err
	}
	ours, err := AddonFor(major)
	switch {
	case err != nil:
		return executor{}, false, &setupError{err.Error()}
	case loaded.Version > ours.Version:
		return executor{}, false, &setupError{fmt.Sprintf("the add-on %s in Odoo has version %d, this node brings %d: upgrade this node", AddonModule, loaded.Version, ours.Version)}
	case loaded.Version < ours.Version:
		return executor{}, false, &setupError{fmt.Sprintf("the add-on %s in Odoo has version %d, this node brings %d: %s", AddonModule, loaded.Version, ours.Version, howToInstall)}
	case loaded.Fingerprint != ours.Fingerprint:
		return executor{}, false, &setupError{fmt.Sprintf("the add-on %s in Odoo has version %d, but not the files that this node brings for Odoo %d: %s", AddonModule, loaded.Version, major, howToInstall)}
	}
	return executor{addon: loaded.Fingerprint}, true, nil
}

// loadedAddon asks for the add-on that Odoo has loaded for this database, whichever version that is.
func (c *Client) loadedAddon(ctx context.Context) (loaded struct {
	Version     int    `json:"version"`
	Fingerprint string `json:"fingerprint"`
}, has bool, err error) {
	err = c.Call(ctx, AddonModel, "version", nil, &loaded)
	var failed *Error
	if errors.As(err, &failed) && failed.Status == http.StatusNotFound && failed.Class == Configuration {
		return loaded, false, nil // there is no such model
	}
	return loaded, err == nil, err
}

// addonIndexes has the add-on make the unique indexes where they are missing.
func (p *provisioner) addonIndexes(ctx context.Context, addon executor) error {
	if n, err := addon.countIndexes(ctx, p.client); err != nil || n == len(uniqueIndexes) {
		return err
	}
	if !p.step(ctx, "create", "unique indexes on %s and %s", ModelFence, ModelApplied) {
		return nil
	}
	return madeIndexes(func(made *setupResult) error { return p.client.Call(ctx, AddonModel, "setup", nil, made) })
}
