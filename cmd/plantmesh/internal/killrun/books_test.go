package killrun_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/odootest"
)

// books reads and writes Odoo's tables through its public API, as a person would.
type books struct {
	t      *testing.T
	client *odoo.Client
	tag    string
	items  map[int64]string // references of this run's products
	places map[int64]place
}

type row map[string]any

func openBooks(t *testing.T, target odootest.Target, tag string) *books {
	t.Helper()
	client, err := odoo.NewClient(target.URL, target.Database, target.Key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &books{t: t, client: client, tag: tag, items: map[int64]string{}, places: map[int64]place{}}
}

func is(field, operator string, value any) []any { return []any{field, operator, value} }

func (b *books) read(model string, domain []any, fields ...string) []row {
	b.t.Helper()
	var rows []row
	if err := b.client.SearchRead(b.t.Context(), model, domain, fields, 0, &rows); err != nil {
		b.t.Fatalf("read %s: %v", model, err)
	}
	return rows
}

func (b *books) count(model string, domain ...any) int {
	b.t.Helper()
	n, err := b.client.Count(b.t.Context(), model, append([]any{}, domain...))
	if err != nil {
		b.t.Fatalf("count %s: %v", model, err)
	}
	return n
}

func (b *books) create(model string, values map[string]any) int64 {
	b.t.Helper()
	ids, err := b.client.Create(b.t.Context(), model, values)
	if err != nil {
		b.t.Fatalf("create %s %v: %v", model, values, err)
	}
	return ids[0]
}

// ours is a name of this run; ok is false for one of another.
func (b *books) ours(v any) (name string, ok bool) {
	name, _ = v.(string)
	return name, strings.HasSuffix(name, "-"+b.tag)
}

func (b *books) figure(r row, field string) int64 {
	b.t.Helper()
	n, err := hundredths(r[field])
	if err != nil {
		b.t.Errorf("%s of %v: %v", field, r, err)
	}
	return n
}

func related(v any) (int64, string) {
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		return 0, ""
	}
	return id(pair[0]), fmt.Sprint(pair[1])
}

func id(v any) int64 {
	n, _ := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	return n
}

func journalOf(tag string) string { return "J" + tag }

// prepare makes what no event makes: warehouses, accounts, a journal.
func (b *books) prepare(m *model) map[plantmesh.SiteID]string {
	b.t.Helper()
	warehouses := map[plantmesh.SiteID]string{}
	for i, site := range plants {
		warehouses[site] = fmt.Sprintf("%c%s", 'A'+i, b.tag)
		b.create("stock.warehouse", map[string]any{"name": m.name(string(site)), "code": warehouses[site]})
	}
	for n, kind := range []string{"expense", "expense", "asset_current"} {
		b.create("account.account", map[string]any{"code": m.account(n), "name": m.name(fmt.Sprint("Account ", n)), "account_type": kind})
	}
	b.create("account.journal", map[string]any{"code": journalOf(b.tag), "name": m.name("Mesh"), "type": "general"})
	return warehouses
}

// sell enters the model's sales orders.
func (b *books) sell(m *model, warehouses map[plantmesh.SiteID]string) {
	b.t.Helper()
	customer := id(b.read("res.partner", []any{is("x_mesh_customer", "=", m.name("CU"))}, "id")[0]["id"])
	product := id(b.read("product.product", []any{is("default_code", "=", m.name(goods))}, "id")[0]["id"])
	for _, s := range m.sales {
		house := id(b.read("stock.warehouse", []any{is("code", "=", warehouses[s.site])}, "id")[0]["id"])
		b.create("sale.order", map[string]any{
			"partner_id": customer, "client_order_ref": s.ref, "warehouse_id": house,
			"order_line": []any{[]any{0, 0, map[string]any{"product_id": product, "product_uom_qty": s.quantity / one}}},
		})
	}
}

// found is what Odoo's tables say of this run.
func (b *books) found(warehouses map[plantmesh.SiteID]string) ledger {
	b.t.Helper()
	l := ledger{}
	for _, r := range b.read("product.product", []any{is("default_code", "like", "-"+b.tag)}, "default_code") {
		if name, ok := b.ours(r["default_code"]); ok {
			b.items[id(r["id"])] = name
		}
	}
	b.locate(warehouses)
	b.stock(l)
	b.orders(l)
	b.documents(l)
	b.finance(l)
	return l
}

// locate says which place each location is.
func (b *books) locate(warehouses map[plantmesh.SiteID]string) {
	b.t.Helper()
	parents, names := map[int64]int64{}, map[int64]string{}
	outside := map[string]place{"production": production, "inventory": inventory, "customer": customers, "supplier": suppliers, "transit": transit}
	for _, r := range b.read("stock.location", []any{}, "name", "usage", "location_id") {
		parents[id(r["id"])], _ = related(r["location_id"])
		names[id(r["id"])] = fmt.Sprint(r["name"])
		if p, ok := outside[fmt.Sprint(r["usage"])]; ok {
			b.places[id(r["id"])] = p
		}
	}
	for site, code := range warehouses {
		house := b.read("stock.warehouse", []any{is("code", "=", code)}, "view_location_id", "lot_stock_id")[0]
		view, _ := related(house["view_location_id"])
		main, _ := related(house["lot_stock_id"])
		for at := range names {
			for up := at; up != 0; up = parents[up] {
				if up == view {
					b.places[at] = place{site, names[at]}
				}
			}
		}
		b.places[main] = stock(site)
	}
}

func (b *books) stock(l ledger) {
	b.t.Helper()
	for _, r := range b.read("stock.quant", []any{is("product_id.default_code", "like", "-"+b.tag), is("location_id.usage", "in", []string{"internal", "transit"})}, "product_id", "lot_id", "location_id", "quantity") {
		product, _ := related(r["product_id"])
		at, where := related(r["location_id"])
		_, lot := related(r["lot_id"])
		p, known := b.places[at]
		if !known {
			b.t.Errorf("%s of %s is in %s, which is of no plant", fmt.Sprint(r["quantity"]), b.items[product], where)
		}
		l.holds(p, b.items[product], lot, b.figure(r, "quantity"))
	}
	for _, r := range b.read("stock.move.line", []any{is("product_id.default_code", "like", "-"+b.tag), is("move_id.state", "=", "done")}, "product_id", "location_id", "location_dest_id", "quantity_product_uom") {
		product, _ := related(r["product_id"])
		from, _ := related(r["location_id"])
		to, _ := related(r["location_dest_id"])
		l.moved(b.items[product], b.places[from], b.places[to], b.figure(r, "quantity_product_uom"))
	}
	for _, r := range b.read(odoo.ModelHold, []any{is("x_hold", "like", "-"+b.tag)}, "x_hold", "x_quantity", "x_open") {
		if r["x_open"] == true {
			l.add(tableHolds, fmt.Sprint(r["x_hold"]), b.figure(r, "x_quantity"))
		}
	}
}

func (b *books) orders(l ledger) {
	b.t.Helper()
	mine := is("x_mesh_order", "like", "-"+b.tag)
	for _, r := range b.read("mrp.production", []any{mine}, "x_mesh_order", "state", "product_qty", "qty_produced") {
		order := fmt.Sprint(r["x_mesh_order"])
		switch r["state"] {
		case "done":
			l.add(tableProduced, order, b.figure(r, "qty_produced"))
			l.add(tableParts, order, one)
		case "cancel":
		default:
			l.add(tableOpen, order, b.figure(r, "product_qty"))
		}
	}
	for _, r := range b.read("mrp.workcenter.productivity", []any{mine}, "x_mesh_order", "duration", "x_mesh_completed", "x_mesh_rejected") {
		order := fmt.Sprint(r["x_mesh_order"])
		l.add(tableEntries, order, one)
		l.add(tableMinutes, order, b.figure(r, "duration"))
		l.add(tableCounts, order+", completed", b.figure(r, "x_mesh_completed"))
		l.add(tableCounts, order+", rejected", b.figure(r, "x_mesh_rejected"))
	}
}

func (b *books) documents(l ledger) {
	b.t.Helper()
	for _, field := range []string{"x_mesh_transfer", "x_mesh_shipment", "x_mesh_receipt"} {
		for _, r := range b.read("stock.picking", []any{is(field, "like", "-"+b.tag), is("state", "=", "done")}, field) {
			l.add(tableDocuments, fmt.Sprint(r[field]), one)
		}
	}
	for _, r := range b.read("purchase.order", []any{is("x_mesh_purchase", "like", "-"+b.tag)}, "x_mesh_purchase") {
		for _, line := range b.read("purchase.order.line", []any{is("order_id", "=", r["id"])}, "x_mesh_line", "product_qty", "qty_received") {
			about := fmt.Sprintf("%v, %v, ", r["x_mesh_purchase"], line["x_mesh_line"])
			l.add(tablePurchased, about+"ordered", b.figure(line, "product_qty"))
			l.add(tablePurchased, about+"received", b.figure(line, "qty_received"))
		}
	}
	for _, r := range b.read("sale.order", []any{is("client_order_ref", "like", "-"+b.tag)}, "client_order_ref") {
		for _, line := range b.read("sale.order.line", []any{is("order_id", "=", r["id"])}, "qty_delivered") {
			l.add(tableDelivered, fmt.Sprint(r["client_order_ref"]), b.figure(line, "qty_delivered"))
		}
	}
}

func (b *books) finance(l ledger) {
	b.t.Helper()
	codes := map[int64]string{}
	for _, r := range b.read("account.account", []any{is("code", "=like", "7"+b.tag+"%")}, "code") {
		codes[id(r["id"])] = fmt.Sprint(r["code"])
	}
	for _, r := range b.read("account.move", []any{is("x_mesh_posting", "like", "-"+b.tag), is("state", "=", "posted")}, "x_mesh_posting") {
		l.add(tablePostings, fmt.Sprint(r["x_mesh_posting"]), one)
		for _, line := range b.read("account.move.line", []any{is("move_id", "=", r["id"])}, "account_id", "debit", "credit") {
			account, _ := related(line["account_id"])
			l.add(tableAccounts, codes[account]+", debit", b.figure(line, "debit"))
			l.add(tableAccounts, codes[account]+", credit", b.figure(line, "credit"))
		}
	}
}
