package odoo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Finding is what a check found out.
type Finding struct {
	OK    bool   `json:"ok"`
	About string `json:"about"`
	Text  string `json:"text"` // what is so and, if that is not right, what to do
}

// maxClockSkew is how far Odoo's clock may be off before a check says so.
const maxClockSkew = 5 * time.Second

// needs are what the effects do to Odoo's records.
var needs = []struct {
	model, operation string
	app              string // that has the model; without it, the events have no effect
	events           string
}{
	{"mrp.production", "write", "Manufacturing", "production orders"},
	{"mrp.production", "create", "Manufacturing", "production orders"},
	{"mrp.workorder", "write", "Manufacturing", "OperationReported"},
	{"mrp.workorder", "create", "Manufacturing", "OperationReported"},
	{"mrp.workcenter.productivity", "create", "Manufacturing", "OperationReported, DowntimeStarted"},
	{"mrp.bom", "create", "Manufacturing", "BillOfMaterialsChanged"},
	{"mrp.workcenter", "create", "Manufacturing", "WorkCenterChanged"},
	{"stock.move", "create", "Inventory", "stock, holds, transfers"},
	{"stock.move", "write", "Inventory", "MaterialConsumed, MaterialReserved"},
	{"stock.quant", "create", "Inventory", "StockCounted, StockAdjusted"},
	{"stock.quant", "write", "Inventory", "StockCounted, StockAdjusted"},
	{"stock.scrap", "create", "Inventory", "ScrapReported"},
	{"stock.lot", "create", "Inventory", "lots and serial numbers"},
	{"stock.location", "create", "Inventory", "holds, create_missing: locations"},
	{"stock.picking", "create", "Inventory", "transfers, shipments, receipts"},
	{"product.product", "create", "Inventory", "ItemChanged, create_missing: items"},
	{"uom.uom", "create", "Inventory", "UnitChanged"},
	{"res.partner", "create", "Contacts", "SupplierChanged, CustomerChanged"},
	{"purchase.order", "write", "Purchase", "PurchaseOrderIssued, GoodsReceived"},
	{"purchase.order", "create", "Purchase", "PurchaseOrderIssued, GoodsReceived"},
	{"sale.order", "write", "Sales", "ShipmentConfirmed of sales orders"},
	{"account.move", "create", "Invoicing", "PostingPrepared"},
	{"account.analytic.plan", "read", "Invoicing", "capture and reconciliation of financial dimensions"},
	{"maintenance.request", "create", "Maintenance", "MaintenanceRequested"},
}

// Check looks at everything that applying needs, with the node's own key, and changes nothing. It goes on after what is wrong, so that one run
// names it all; only an Odoo that does not answer, or does not know the key, ends it. The error is the context's.
func Check(ctx context.Context, cfg Config) ([]Finding, error) {
	if err := cfg.Validate(); err != nil {
		return []Finding{{About: "configuration", Text: err.Error()}}, nil
	}
	key, err := cfg.key()
	if err != nil {
		return []Finding{{About: "key", Text: err.Error()}}, nil
	}
	client, err := Open(cfg.access(key))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	c := &checker{cfg: cfg, client: client}
	if c.server(ctx) && c.user(ctx) {
		ready := c.setup(ctx)
		c.rights(ctx)
		c.mapping(ctx)
		if ready {
			c.units(ctx)
		}
		c.precision(ctx)
	}
	return c.findings, ctx.Err()
}

type checker struct {
	cfg      Config
	client   *Client
	findings []Finding
}

func (c *checker) good(about, format string, args ...any) {
	c.findings = append(c.findings, Finding{OK: true, About: about, Text: fmt.Sprintf(format, args...)})
}

func (c *checker) bad(about, format string, args ...any) {
	c.findings = append(c.findings, Finding{About: about, Text: fmt.Sprintf(format, args...)})
}

// server looks at address, version and clock.
func (c *checker) server(ctx context.Context) bool {
	before := time.Now()
	version, date, err := c.client.versionAndTime(ctx)
	if err != nil {
		c.bad("server", "%v: check odoo.url, and that Odoo runs and can be reached from here", err)
		return false
	}
	major, err := majorVersion(version)
	switch {
	case err != nil || major < firstApplied:
		c.bad("server", "%s is Odoo %s: this version of plantmesh needs %d or later", c.cfg.URL, version, firstApplied)
		return false
	case major < firstJSON2 && c.cfg.API == APIJSON2:
		c.bad("server", "%s is Odoo %s, which has no JSON-2 API: set odoo.api to auto or jsonrpc, and odoo.login", c.cfg.URL, version)
		return false
	}
	if major == lastRun {
		c.good("server", "%s is Odoo %s", c.cfg.URL, version)
	} else {
		c.good("server", "%s is Odoo %s, on which this version of plantmesh was never run: try it on a copy of the database first", c.cfg.URL, version)
	}
	// The date of a reply is cut to seconds, and as old as the reply.
	skew := date.Sub(before)
	switch {
	case date.IsZero():
		c.bad("clock", "Odoo's reply has no date, so its clock cannot be compared")
	case skew > maxClockSkew || skew < -maxClockSkew-time.Second:
		c.bad("clock", "Odoo's clock differs from this machine's by %s: have both follow a time server, or times in the books are wrong", skew.Round(time.Second))
	default:
		c.good("clock", "within %s of this machine's", maxClockSkew)
	}
	return true
}

// user looks at database and key.
func (c *checker) user(ctx context.Context) bool {
	var who struct {
		UID int64 `json:"uid"`
	}
	err := c.client.Call(ctx, "res.users", "context_get", nil, &who)
	var failed *Error
	switch {
	case err == nil:
		c.good("user", "the key is of user %s in database %s", c.login(ctx, who.UID), c.cfg.Database)
		return true
	case errors.As(err, &failed) && failed.Status == http.StatusNotFound:
		c.bad("database", "the server has no database %q, or does not serve it under this address: check odoo.database", c.cfg.Database)
	case errors.As(err, &failed) && failed.Status == http.StatusUnauthorized:
		c.bad("key", "Odoo does not know the API key, or it has expired: make a new one, `plantmesh odoo provision --new-key` does")
	default:
		c.bad("user", "%v", err)
	}
	return false
}

// login is how people know a user; the id, if that cannot be read.
func (c *checker) login(ctx context.Context, user int64) string {
	var found []struct {
		Login string `json:"login"`
	}
	err := c.client.SearchRead(ctx, "res.users", []any{[]any{"id", "=", user}}, []string{"login"}, 1, &found)
	if err != nil || len(found) == 0 {
		return strconv.FormatInt(user, 10)
	}
	return strconv.Quote(found[0].Login)
}

// setup looks at what provisioning makes, and tells whether it is there.
func (c *checker) setup(ctx context.Context) bool {
	found, err := c.client.ready(ctx, c.cfg.Code)
	if err != nil {
		c.bad("setup", "%v", err)
		return false
	}
	if found.addon != "" {
		c.good("setup", "events are applied by the add-on %s, which has the version of this node, %d", AddonModule, actionVersion)
	} else {
		c.good("setup", "events are applied by server actions; all %d of version %d are in place", len(found.actions), actionVersion)
	}
	switch n, err := found.countIndexes(ctx, c.client); {
	case err != nil:
		c.bad("setup", "count indexes: %v", err)
	case n != len(uniqueIndexes):
		c.bad("setup", "%d of the %d unique indexes (%v) are there: run `plantmesh odoo provision`", n, len(uniqueIndexes), uniqueIndexes)
	default:
		c.good("setup", "the unique indexes are in place")
	}
	for i, a := range Actions() {
		if err := found.run(ctx, c.client, i, Batch{Create: []string{}, Events: []Effect{}}, nil); err != nil {
			c.bad("setup", "%q does not run: %v", a.Name, err)
		}
	}
	return true
}

// rights asks for each model whether the user may do what the effects do.
func (c *checker) rights(ctx context.Context) {
	missing := map[string][]string{}
	refused := 0
	for _, n := range needs {
		may, err := c.client.may(ctx, n.model, n.operation)
		var failed *Error
		switch {
		case errors.As(err, &failed) && failed.Status == http.StatusNotFound:
			if !slices.Contains(missing[n.app], n.events) {
				missing[n.app] = append(missing[n.app], n.events)
			}
		case err != nil:
			c.bad("rights", "%v", err)
			return
		case !may:
			refused++
			c.bad("rights", "the user may not %s %s (%s): put it into the group %q, which `plantmesh odoo provision` makes", n.operation, n.model, n.events, ConnectorGroup)
		}
	}
	for _, app := range slices.Sorted(maps.Keys(missing)) {
		events := strings.Join(missing[app], ", ")
		if app == "Manufacturing" || app == "Inventory" {
			c.bad("app "+app, "it is not installed: %s cannot be applied. Install it", events)
		} else {
			c.good("app "+app, "it is not installed, and need not be: but %s would be parked", events)
		}
	}
	if refused == 0 {
		c.good("rights", "the user may do what the effects need")
	}
}

// may tells whether the user may do something with a model's records.
func (c *Client) may(ctx context.Context, model, operation string) (may bool, err error) {
	err = c.Call(ctx, model, "has_access", Args{"ids": []int64{}, "operation": operation}, &may)
	return may, err
}

// precision says how exactly Odoo keeps quantities.
func (c *checker) precision(ctx context.Context) {
	var fields struct {
		Quantity struct {
			Digits []int `json:"digits"`
		} `json:"product_qty"`
	}
	args := Args{"allfields": []string{"product_qty"}, "attributes": []string{"digits"}}
	if err := c.client.Call(ctx, "mrp.production", "fields_get", args, &fields); err != nil {
		c.bad("precision", "%v", err)
		return
	}
	if digits := fields.Quantity.Digits; len(digits) == 2 {
		c.good("precision", "Odoo keeps quantities to %d digits behind the point (decimal precision Product Unit); what is finer is rounded", digits[1])
	}
}
