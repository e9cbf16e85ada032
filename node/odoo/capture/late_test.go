package capture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/odootest/erp"
)

// veiled is an Odoo that does not show some records yet: what wrote them has not committed.
type veiled struct {
	*odoo.Client
	hidden []int64
}

func (v *veiled) Call(ctx context.Context, model, method string, args odoo.Args, out any) error {
	if domain, ok := args["domain"].([]any); ok && (model == "product.product" || model == "product.template") && method == "search_read" {
		args["domain"] = append(slices.Clone(domain), []any{"id", "not in", v.hidden})
	}
	return v.Client.Call(ctx, model, method, args, out)
}

func (h *office) seen(model string) string {
	h.t.Helper()
	var at position
	if _, err := h.load(h.prefix("seen", "items")+model, &at); err != nil {
		h.t.Fatal(err)
	}
	return at.Seen
}

func TestRecordThatBecomesVisibleLateIsTold(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		h.poll()
		late := h.product(nil)
		h.product(map[string]any{"default_code": h.name("after")})
		h.restart(h.log, &veiled{Client: h.mesh, hidden: []int64{late}})
		h.poll()
		if len(h.items("bolt")) != 0 || len(h.items("after")) != 1 {
			t.Fatal("the later record was not told, or the hidden one was")
		}
		h.restart(h.log, h.mesh)
		h.poll()
		if got := h.items("bolt"); len(got) != 1 {
			t.Fatalf("told %v, want the late one once", got)
		}
	})
}

// A transaction begins, another one writes after it, commits, and is captured; then the first commits, behind what was seen.
func TestTransactionThatCommitsLateIsTold(t *testing.T) {
	h := newOffice(t, erp.FromEnvironment(t).Provision(t))
	for _, c := range []struct {
		name string
		ago  time.Duration // began before what is seen
		told int           // events by the next pass; the comparison finds the rest
	}{{"within the overlap", odoo.DefaultCaptureOverlap - time.Minute, 2}, {"longer than the overlap", odoo.DefaultCaptureOverlap + time.Minute, 1}} {
		t.Run(c.name, func(t *testing.T) {
			name := fmt.Sprintf("late%d", c.told)
			id := h.product(map[string]any{"default_code": h.name(name)})
			h.poll()
			s := begin(t, h)
			// Nothing else has this product looked at again.
			for _, table := range []string{"product_template WHERE id = (SELECT product_tmpl_id FROM product_product WHERE id = %d)", "product_product WHERE id = %d"} {
				table, where, _ := strings.Cut(table, " ")
				s.exec(fmt.Sprintf("UPDATE "+table+" SET write_date = (now() at time zone 'UTC') - interval '1 hour' "+where, id))
			}
			// Odoo writes now(), which is when the transaction began; this one began long ago.
			s.exec("BEGIN")
			s.exec(fmt.Sprintf("UPDATE product_product SET barcode = '%s', write_date = (now() at time zone 'UTC') - interval '%d seconds' WHERE id = %d",
				h.name("late"+name), int(c.ago.Seconds()), id))
			s.wait()
			h.product(map[string]any{"default_code": h.name("meanwhile" + name)})
			h.poll()
			if got := h.items("meanwhile" + name); len(got) != 1 {
				t.Fatalf("the record that committed first was told %d times", len(got))
			}
			if got := h.items(name); len(got) != 1 {
				t.Fatalf("told %v before the commit, want the first state only", got)
			}
			began := time.Now().UTC().Add(-c.ago).Format(time.DateTime)
			if seen := h.seen("product.product"); seen <= began {
				t.Fatalf("seen up to %s, want it behind the start %s of the late transaction", seen, began)
			}
			s.exec("COMMIT")
			s.end()
			h.poll()
			h.poll()
			if got := h.items(name); len(got) != c.told {
				t.Fatalf("told %d times after the commit, want %d: %v", len(got), c.told, got)
			}
			h.ahead += h.config.Capture.Compare()
			h.poll()
			if got := h.items(name); len(got) != 2 || got[1].GetBarcode() != h.name("late"+name) {
				t.Fatalf("told %v after a comparison, want the late change once", got)
			}
		})
	}
}
