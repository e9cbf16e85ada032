package reallog_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// books reads Odoo's tables through its public API, as an administrator.
type books struct {
	t      *testing.T
	client *odoo.Client
	refs   map[int64]string // products' references
}

func openBooks(t *testing.T, url, database, key string) *books {
	t.Helper()
	client, err := odoo.NewClient(url, database, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &books{t: t, client: client, refs: map[int64]string{}}
}

type row map[string]any

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

// number is a field as the decimal that Odoo writes.
func (b *books) number(r row, field string) *apd.Decimal {
	b.t.Helper()
	d, _, err := apd.NewFromString(fmt.Sprint(r[field]))
	if err != nil {
		b.t.Fatalf("%s is %v: %v", field, r[field], err)
	}
	return d
}

// plain is a decimal without the zeros that do not count.
func plain(text string) string {
	d, _, err := apd.NewFromString(text)
	if err != nil || d.IsZero() {
		return "0"
	}
	d.Reduce(d)
	return d.Text('f')
}

// related is the id and the name of a relation; 0 and nothing if there is none.
func related(v any) (int64, string) {
	pair, ok := v.([]any)
	if !ok || len(pair) != 2 {
		return 0, ""
	}
	return integer(pair[0]), fmt.Sprint(pair[1])
}

func integer(v any) int64 {
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if _, ok := v.(json.Number); !ok || err != nil {
		return 0
	}
	return n
}

// text is a field; nothing where Odoo says false.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return ""
}

func is(field, operator string, value any) []any { return []any{field, operator, value} }

// mustBeEmpty holds the database to being one with nothing but its apps.
func (b *books) mustBeEmpty() {
	b.t.Helper()
	for _, model := range []string{"product.product", "mrp.bom", "mrp.workcenter", "mrp.production", "stock.lot", "stock.move", "stock.quant"} {
		domain := []any{}
		if model == "product.product" {
			domain = append(domain, is("default_code", "!=", false)) // the apps bring some without a reference, such as for expenses
		}
		if n := b.count(model, domain...); n > 0 {
			b.t.Fatalf("%s has %d records already: give ODOO_LOG_DB a fresh database, such as `deploy/dev/odoo-up clone log` makes", model, n)
		}
	}
	if b.count("ir.model", is("model", "=", odoo.ModelFence)) > 0 {
		b.t.Fatal("plantmesh is set up in this database already: give ODOO_LOG_DB a fresh one, such as `deploy/dev/odoo-up clone log` makes")
	}
}

// ref is a product's reference.
func (b *books) ref(v any) string {
	b.t.Helper()
	id, name := related(v)
	if len(b.refs) == 0 {
		for _, r := range b.read("product.product", []any{}, "default_code") {
			b.refs[integer(r["id"])] = text(r["default_code"])
		}
	}
	if b.refs[id] == "" {
		b.t.Fatalf("product %d, %q, has no reference", id, name)
	}
	return b.refs[id]
}

// sums adds up decimals by what they are about.
type sums map[string]*apd.Decimal

func (s sums) add(about string, d *apd.Decimal) {
	if s[about] == nil {
		s[about] = new(apd.Decimal)
	}
	if _, err := apd.BaseContext.Add(s[about], s[about], d); err != nil {
		panic(err) // only beyond a hundred thousand digits
	}
}

func (s sums) of(about string) string {
	if s[about] == nil {
		return "0"
	}
	return plain(s[about].Text('f'))
}

func (s sums) into(l ledger, table string) {
	for about := range s {
		l.set(table, about, s.of(about))
	}
}
