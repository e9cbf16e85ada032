package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
)

// call is one request without a network in between; it returns status and body.
func call(s *sandbox.Server, target string, args odoo.Args) (int, string) {
	body, err := json.Marshal(args)
	if err != nil {
		return 0, err.Error()
	}
	r := httptest.NewRequest(http.MethodPost, "/json/2/"+target, strings.NewReader(string(body)))
	r.Header.Set("Authorization", "bearer key")
	r.Header.Set("X-Odoo-Database", "mesh")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestInjectedFaultHitsTheCallsItNames(t *testing.T) {
	s := sandbox.New("mesh", "key")
	s.Inject(sandbox.Fault{Calls: 2, Only: "uom.uom/search_count", Status: 500, Name: "psycopg2.errors.SerializationFailure"})
	count := odoo.Args{"domain": []any{}}
	if status, body := call(s, "res.company/search_count", count); status != 200 || body != "1" {
		t.Errorf("another call: %d %s, want one company", status, body)
	}
	for range 2 {
		if status, body := call(s, "uom.uom/search_count", count); status != 500 || !strings.Contains(body, "SerializationFailure") {
			t.Errorf("a call that fails: %d %s", status, body)
		}
	}
	if status, _ := call(s, "uom.uom/search_count", count); status != 200 {
		t.Errorf("the call after: %d", status)
	}
}

func TestSlowCallWaitsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New("mesh", "key")
		s.Inject(sandbox.Fault{Calls: 1, Delay: time.Minute})
		start := time.Now()
		if status, _ := call(s, "uom.uom/search_count", odoo.Args{"domain": []any{}}); status != 200 || time.Since(start) != time.Minute {
			t.Errorf("status %d after %v, want 200 after a minute", status, time.Since(start))
		}
	})
}

func TestDomainsSelectAsInOdoo(t *testing.T) {
	s := sandbox.New("mesh", "key")
	status, body := call(s, "product.product/create", odoo.Args{"vals_list": []any{
		map[string]any{"name": "Bolt", "default_code": "B-1"}, map[string]any{"name": "Nut", "default_code": "N-1", "tracking": "lot"},
		map[string]any{"name": "Washer"},
	}})
	if status != 200 || body != "[1,2,3]" {
		t.Fatal(status, body)
	}
	for _, c := range []struct {
		domain string
		want   int
	}{
		{`[]`, 3},
		{`[["default_code", "=", "B-1"]]`, 1},
		{`[["default_code", "=", false]]`, 1},
		{`[["default_code", "!=", false]]`, 2},
		{`[["default_code", "in", ["B-1", "N-1", "X"]]]`, 2},
		{`[["default_code", "not in", ["B-1"]]]`, 2},
		{`[["default_code", "=like", "B-%"]]`, 1},
		{`[["name", "ilike", "NUT"]]`, 1},
		{`["|", ["name", "=", "Bolt"], ["tracking", "=", "lot"]]`, 2},
		{`["!", ["name", "=", "Bolt"]]`, 2},
		{`["&", ["id", ">", 1], ["id", "<=", 3]]`, 2},
		{`[["id", ">", 1], ["name", "!=", "Nut"]]`, 1},
		{`[["uom_id.name", "=", "Units"]]`, 3},
		{`[["is_storable", "=", false]]`, 3},
	} {
		status, body := call(s, "product.product/search_count", odoo.Args{"domain": json.RawMessage(c.domain)})
		if status != 200 || body != fmt.Sprint(c.want) {
			t.Errorf("%s: %d %s, want %d", c.domain, status, body, c.want)
		}
	}
	for _, domain := range []string{`[["nonsense", "=", 1]]`, `[["name", "~", 1]]`, `["|", ["name", "=", "Bolt"]]`, `[["name", "="]]`, `[3]`, `["^", 1, 2]`} {
		if status, body := call(s, "product.product/search_count", odoo.Args{"domain": json.RawMessage(domain)}); status != 500 {
			t.Errorf("%s: %d %s, want 500", domain, status, body)
		}
	}
}

func TestConcurrentCallsAreTransactions(t *testing.T) {
	s := sandbox.New("mesh", "key")
	var group errgroup.Group
	for i := range 8 {
		group.Go(func() error {
			for j := range 50 {
				values := []any{map[string]any{"name": fmt.Sprint(i, j)}, map[string]any{"name": "second"}}
				if j%2 == 1 {
					values[1] = map[string]any{"nonsense": 1} // refused: the first has to go, too
				}
				if status, body := call(s, "mrp.workcenter/create", odoo.Args{"vals_list": values}); (status == 200) != (j%2 == 0) {
					return fmt.Errorf("%d %s", status, body)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, body := call(s, "mrp.workcenter/search_count", odoo.Args{"domain": []any{}}); body != "400" {
		t.Errorf("%s work centers, want 400", body)
	}
}

func FuzzCall(f *testing.F) {
	for _, seed := range []struct{ target, body string }{
		{"uom.uom/search_read", `{"domain": [["name", "=", "kg"]], "fields": ["name"], "limit": 1, "offset": 1}`},
		{"product.product/create", `{"vals_list": [{"name": "x", "uom_id": 1}]}`},
		{"mrp.bom/create", `{"vals_list": [{"bom_line_ids": [[0, 0, {"product_qty": 1}], [6, 0, [1]]]}]}`},
		{"ir.model/create", `{"vals_list": [{"model": "x_a", "field_id": [[0, 0, {"name": "x_b", "ttype": "char"}]]}]}`},
		{"ir.actions.server/run", `{"ids": [1], "context": {"mesh": {}}}`},
		{"stock.scrap/action_validate", `{"ids": [1]}`},
		{"stock.location/formatted_read_group", `{"domain": [], "groupby": ["usage"], "aggregates": ["__count"]}`},
	} {
		f.Add(seed.target, seed.body)
	}
	f.Fuzz(func(t *testing.T, target, body string) {
		if strings.ContainsAny(target, "%? #\x7f") || strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Skip() // not a path
		}
		s := sandbox.New("mesh", "key")
		r := httptest.NewRequest(http.MethodPost, "/json/2/"+target, strings.NewReader(body))
		r.Header.Set("Authorization", "bearer key")
		r.Header.Set("X-Odoo-Database", "mesh")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %q", w.Code, w.Body)
		}
	})
}

// BenchmarkReport applies operation reports, one a call, as fast as the sandbox takes them.
func BenchmarkReport(b *testing.B) {
	s := sandbox.New("mesh", "key")
	for _, m := range []struct{ model, fields string }{
		{odoo.ModelFence, "x_key x_seq x_incarnation"}, {odoo.ModelApplied, "x_event x_type x_stream x_offset x_subject x_model x_record x_note"},
	} {
		var fields []any
		for name := range strings.FieldsSeq(m.fields) {
			fields = append(fields, []any{0, 0, map[string]any{"name": name, "ttype": "char"}})
		}
		if status, body := call(s, "ir.model/create", odoo.Args{"vals_list": []any{map[string]any{"model": m.model, "name": m.model, "field_id": fields}}}); status != 200 {
			b.Fatal(body)
		}
	}
	if status, body := call(s, "ir.actions.server/create", odoo.Args{"vals_list": []any{map[string]any{"name": "a", "code": odoo.Actions()[0].Code}}}); status != 200 {
		b.Fatal(body)
	}
	var last atomic.Int64
	piece := &odoo.Quantity{Value: "1", Unit: "C62", UoM: "uom.product_uom_unit"}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := last.Add(1)
			order := fmt.Sprint("WO-", n%200)
			e := odoo.Effect{
				Origin: odoo.Origin{Key: "s " + order + fmt.Sprint(n), Event: fmt.Sprint(n), Offset: "1", Incarnation: "1"}, Kind: odoo.EffectReport,
				Goods: odoo.Goods{Order: order, Item: "IT"},
				Work: odoo.Work{
					OrderQuantity: piece, Completed: piece, Operation: "OP", WorkCenter: "WC", Loss: "mrp.block_reason7", Start: "2026-01-05 06:00:00", End: "2026-01-05 07:00:00",
				},
			}
			status, body := call(s, "ir.actions.server/run", odoo.Args{"ids": []int64{1}, "context": map[string]any{
				"mesh": odoo.Batch{Create: odoo.CreateAll(), WorkOrder: "Production", Events: []odoo.Effect{e}},
			}})
			if status != 200 {
				b.Error(body)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
