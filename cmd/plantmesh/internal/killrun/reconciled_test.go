package killrun_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
)

// reconciled are the differences that plantmesh odoo reconcile finds in this run's records, by subject and field. Other runs have left records of
// theirs behind.
func (s *sites) reconciled() map[string]reconcile.Difference {
	s.t.Helper()
	n := s.nodes[hq]
	cmd := exec.CommandContext(s.t.Context(), n.binary, "odoo", "reconcile", "--config", n.config, "--json")
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	out, err := cmd.Output()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		s.t.Fatal(err)
	}
	var report reconcile.Report
	if err := json.Unmarshal(out, &report); err != nil {
		s.t.Fatalf("odoo reconcile: %v: %s", err, trouble.String())
	}
	if len(report.Incomplete) > 0 || report.Waiting > 0 {
		s.t.Errorf("%d events wait, and %q are not held", report.Waiting, report.Incomplete)
	}
	for _, c := range report.Compared {
		s.t.Logf("reconciled %s: %d records, %d differences", c.Kind, c.Records, c.Differences)
	}
	found := map[string]reconcile.Difference{}
	for _, d := range report.Differences {
		if strings.Contains(d.Subject, "-"+s.tag) {
			found[d.Subject+" "+d.Field] = d
		}
	}
	return found
}

// agree holds the reconciliation to finding nothing after all that work.
func (s *sites) agree() {
	s.t.Helper()
	for name, d := range s.reconciled() {
		s.t.Errorf("reconciliation: %s: %+v", name, d)
	}
}

// tampered has a person change one row of stock, one order and one posting, and holds the reconciliation to finding these and nothing else.
func (s *sites) tampered(b *books, m *model, warehouses map[plantmesh.SiteID]string) {
	s.t.Helper()
	want := map[string]string{}
	view, _ := related(b.read("stock.warehouse", []any{is("code", "=", warehouses[plantA])}, "lot_stock_id")[0]["lot_stock_id"])
	quant := b.read("stock.quant", []any{is("product_id.default_code", "=", m.name(bolt)), is("location_id", "=", view)}, "quantity")[0]
	b.write("stock.quant", quant, "quantity", json.RawMessage(decimal(b.figure(quant, "quantity")+3*one)))
	want["item "+m.name(bolt)+" quantity"] = "3"
	for _, order := range slices.Sorted(maps.Keys(m.want[tableOpen])) {
		open := b.read("mrp.production", []any{is("x_mesh_order", "=", order), is("state", "not in", []string{"done", "cancel"})}, "product_qty")
		if len(open) == 0 {
			continue
		}
		b.write("mrp.production", open[0], "product_qty", json.RawMessage(decimal(b.figure(open[0], "product_qty")+2*one)))
		want["order "+order+" quantity"] = "2"
		break
	}
	for _, posting := range slices.Sorted(maps.Keys(m.want[tablePostings])) {
		b.write("account.move", b.read("account.move", []any{is("x_mesh_posting", "=", posting)}, "id")[0], "x_mesh_posting", false)
		want["posting "+posting+" posting"] = ""
		break
	}
	s.t.Logf("a person changed %d records in Odoo", len(want))
	found := s.reconciled()
	for name, d := range found {
		if gap, ok := want[name]; !ok || d.Gap != gap || d.Cause == "" {
			s.t.Errorf("reconciliation after tampering: %s: %+v", name, d)
		}
	}
	for name := range want {
		if _, ok := found[name]; !ok {
			s.t.Errorf("reconciliation after tampering does not find %s", name)
		}
	}
}

// write changes a record, as a person with the rights to would.
func (b *books) write(model string, r row, field string, value any) {
	b.t.Helper()
	if err := b.client.Write(b.t.Context(), model, []int64{id(r["id"])}, map[string]any{field: value}); err != nil {
		b.t.Fatal(fmt.Errorf("write %s of %s %v: %w", field, model, r["id"], err))
	}
}
