package odoo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
)

// What an administrator makes for the node.
const (
	ConnectorGroup = "plantmesh: connector"
	ConnectorLogin = "plantmesh"

	connectorName = "plantmesh" // of the user, whatever its login
)

// connectorRights are the groups that the connector's user needs: those of the apps that are installed.
var connectorRights = []string{
	"base.group_user",                          // to log in
	"base.group_partner_manager",               // suppliers and customers
	"product.group_product_manager",            // items
	"mrp.group_mrp_manager",                    // orders, bills of materials, work centers
	"stock.group_stock_manager",                // stock, locations, counts
	"purchase.group_purchase_user",             // purchase orders
	"sales_team.group_sale_salesman_all_leads", // the sales orders that shipments serve
	"account.group_account_user",               // journal entries
	"analytic.group_analytic_accounting",       // financial dimensions, to capture them
	"maintenance.group_equipment_manager",
}

// Administrator sets an Odoo database up for a node and takes that back, with the key of a user that has the right *Settings*.
type Administrator struct {
	client *Client
	cfg    Config
	login  string
	code   string // of Config
	logger *slog.Logger
}

// NewAdministrator works in the configuration's database with a key of its own, for which cfg.Login is the login where the API asks for one.
// login is the connector's user; empty: ConnectorLogin.
func NewAdministrator(cfg Config, key, login string, logger *slog.Logger) (*Administrator, error) {
	client, err := Open(cfg.access(key))
	if err != nil {
		return nil, err
	}
	if login == "" {
		login = ConnectorLogin
	}
	return &Administrator{client: client, cfg: cfg, login: login, code: cfg.Code, logger: logger}, nil
}

// Close drops idle connections.
func (a *Administrator) Close() { a.client.Close() }

// Plan says what Provision would do.
func (a *Administrator) Plan(ctx context.Context, newKey bool) ([]Step, error) {
	steps, _, err := a.provision(ctx, newKey, true)
	return steps, err
}

// Provision does it, and returns what it did and the connector's API key if it made one: it makes one for a new user, or if it is asked to.
func (a *Administrator) Provision(ctx context.Context, newKey bool) (done []Step, key string, err error) {
	return a.provision(ctx, newKey, false)
}

func (a *Administrator) provision(ctx context.Context, newKey, dry bool) ([]Step, string, error) {
	p := &provisioner{client: a.client, logger: a.logger, code: a.code, dry: dry}
	if _, err := p.client.actions(ctx); err != nil { // before anything is made where nothing can be applied
		return nil, "", err
	}
	group, err := a.group(ctx, p)
	if err != nil {
		return p.steps, "", fmt.Errorf("group %q: %w", ConnectorGroup, err)
	}
	p.connector, p.planned = group, group == 0
	found, err := p.run(ctx)
	if err != nil {
		return p.steps, "", err
	}
	if found.addon != "" {
		if err := a.removeActions(ctx, p); err != nil {
			return p.steps, "", err
		}
	}
	key, err := a.user(ctx, p, group, newKey)
	if err != nil {
		return p.steps, "", fmt.Errorf("user %q: %w", a.login, err)
	}
	return p.steps, key, nil
}

// group makes the connector's group, or gives it what it lacks.
func (a *Administrator) group(ctx context.Context, p *provisioner) (int64, error) {
	var rights []int64
	var names []string
	for _, name := range connectorRights {
		id, err := a.client.reference(ctx, name)
		var missing *setupError
		switch {
		case errors.As(err, &missing): // its app is not installed
		case err != nil:
			return 0, err
		default:
			rights, names = append(rights, id), append(names, name)
		}
	}
	var found []struct {
		ID      int64   `json:"id"`
		Implied []int64 `json:"implied_ids"`
	}
	if err := a.client.SearchRead(ctx, "res.groups", []any{[]any{"name", "=", ConnectorGroup}}, []string{"implied_ids"}, 2, &found); err != nil {
		return 0, err
	}
	values := map[string]any{"implied_ids": []any{[]any{6, 0, rights}}}
	switch {
	case len(found) > 1:
		return 0, &setupError{fmt.Sprintf("Odoo has several groups named %q: delete all but one", ConnectorGroup)}
	case len(found) == 0:
		if !p.step(ctx, "create", "group %q with the rights of %v", ConnectorGroup, names) {
			return 0, nil
		}
		values["name"] = ConnectorGroup
		ids, err := a.client.Create(ctx, "res.groups", values)
		if err != nil {
			return 0, err
		}
		return ids[0], nil
	}
	slices.Sort(found[0].Implied)
	slices.Sort(rights)
	if !slices.Equal(found[0].Implied, rights) && p.step(ctx, "change", "group %q to the rights of %v", ConnectorGroup, names) {
		return found[0].ID, a.client.Write(ctx, "res.groups", []int64{found[0].ID}, values)
	}
	return found[0].ID, nil
}

// user makes the connector's user, or puts it into the group, and makes a key.
func (a *Administrator) user(ctx context.Context, p *provisioner, group int64, newKey bool) (string, error) {
	var found []struct {
		ID     int64   `json:"id"`
		Name   string  `json:"name"`
		Active bool    `json:"active"`
		Groups []int64 `json:"group_ids"`
	}
	domain := []any{[]any{"login", "=", a.login}, []any{"active", "in", []bool{true, false}}}
	if err := a.client.SearchRead(ctx, "res.users", domain, []string{"name", "active", "group_ids"}, 1, &found); err != nil {
		return "", err
	}
	var id int64
	switch {
	case len(found) == 0:
		newKey = true
		if !p.step(ctx, "create", "user %q in group %q, without a password", a.login, ConnectorGroup) {
			break
		}
		values := map[string]any{"name": connectorName, "login": a.login, "group_ids": []any{[]any{6, 0, []int64{group}}}}
		if major, err := a.client.major(ctx); err != nil {
			return "", err
		} else if major < lastRun { // confirms no order for a user without an address, though it sends nothing there
			values["email"] = connectorName + "@localhost"
		}
		ids, err := a.client.Create(ctx, "res.users", values)
		if err != nil {
			return "", err
		}
		id = ids[0]
	default:
		id = found[0].ID
		if found[0].Active && slices.Contains(found[0].Groups, group) {
			break
		}
		if found[0].Active || found[0].Name != connectorName {
			return "", &setupError{fmt.Sprintf("it is there, and belongs to %s: name another login with --user, or have it put into group %q in Odoo first", found[0].Name, ConnectorGroup)}
		}
		newKey = true
		if p.step(ctx, "change", "user %q: active, and in group %q alone", a.login, ConnectorGroup) {
			if err := a.client.Write(ctx, "res.users", []int64{id}, map[string]any{"active": true, "group_ids": []any{[]any{6, 0, []int64{group}}}}); err != nil {
				return "", err
			}
		}
	}
	if err := a.companies(ctx, p, id); err != nil {
		return "", err
	}
	if !newKey || !p.step(ctx, "create", "API key for user %q; earlier ones of plantmesh end", a.login) {
		return "", nil
	}
	return a.key(ctx, id)
}

// Journal counts the events that the database remembers as applied. Without it, an event that comes again is applied again.
func (a *Administrator) Journal(ctx context.Context) (int, error) {
	n, err := a.client.Count(ctx, ModelApplied, []any{})
	var failed *Error
	if errors.As(err, &failed) && failed.Status == http.StatusNotFound {
		return 0, nil // there is no journal
	}
	return n, err
}
