package capture

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/odootest/erp"
)

// late is a row that a transaction writes which commits late, and the event that tells of it.
type late struct {
	table, set string
	id         int64
	wholes     string // tables and conditions of the records that it belongs to, none of which it writes
	stream     plantmesh.StreamName
	subject    string
}

// Every kind, and the rows of wholes by themselves: one transaction that began long ago writes them all, while others of their models are written,
// committed and captured.
func TestRowsOfEveryKindThatCommitLateAreTold(t *testing.T) {
	h := newOffice(t, erp.FromEnvironment(t).Provision(t))
	s, others := begin(t, h), begin(t, h)
	rows := h.lateRows(s)
	h.poll()
	counts := func() (all []int) {
		for _, r := range rows {
			all = append(all, len(told[proto.Message](h, r.stream, r.subject)))
		}
		return all
	}
	before := counts()
	ago := odoo.DefaultCaptureOverlap - time.Minute
	for _, r := range rows { // nothing else has them looked at again
		for _, where := range []string{fmt.Sprintf("%s WHERE id = %d", r.table, r.id), r.wholes} {
			if where != "" {
				s.exec(aged(where, time.Hour))
			}
		}
	}
	s.wait()
	s.exec("BEGIN")
	for _, r := range rows {
		s.exec(fmt.Sprintf("UPDATE %s SET %s, write_date = (now() at time zone 'UTC') - interval '%d seconds' WHERE id = %d", r.table, r.set, int(ago.Seconds()), r.id))
	}
	s.wait()
	for _, r := range rows {
		others.exec(aged(fmt.Sprintf("%[1]s WHERE id = (SELECT max(id) FROM %[1]s WHERE id <> %[2]d)", r.table, r.id), 0))
	}
	others.end()
	h.poll()
	for i, n := range counts() {
		if told := before[i] > 0; n != before[i] || told == (rows[i].table == "stock_picking") {
			t.Fatalf("%s: %d events before the commit, %d at first: want the first state only, and of a transfer nothing", rows[i].subject, n, before[i])
		}
	}
	s.exec("COMMIT")
	s.end()
	h.poll()
	h.poll()
	for i, n := range counts() {
		want := before[i] + 1
		switch rows[i].table {
		case "mrp_bom_line", "mrp_routing_workcenter":
			want++ // a bill of materials and its routing are one subject
		case "account_analytic_account":
			want++ // the former value is retired
		case "stock_picking":
			want++ // both ends are one subject
		}
		if n != want {
			t.Errorf("%s: %d events after the commit of %s, want %d", rows[i].subject, n, rows[i].table, want)
		}
	}
}

// lateRows makes a record of every kind, others of their models, and says what is to be written to the first ones late.
func (h *office) lateRows(s *session) []late {
	h.t.Helper()
	h.target.Accountant(h.t)
	bill := h.bill()
	lathe := h.create("mrp.workcenter", map[string]any{"name": "Lathe", "code": h.name("L")})[0]
	step := h.create("mrp.routing.workcenter", map[string]any{"name": "Turn", "bom_id": bill.id, "workcenter_id": lathe, "time_cycle_manual": 1.5})[0]
	both := h.create("res.partner", map[string]any{"name": "Both Ltd", "ref": h.name("P"), "x_mesh_supplier": h.name("P"), "x_mesh_customer": h.name("P")})[0]
	plan := h.create("account.analytic.plan", map[string]any{"name": h.name("CC")})[0]
	value := h.create("account.analytic.account", map[string]any{"name": "Mill", "code": "1", "plan_id": plan})[0]
	code := unitCode(3)
	unit := h.create("uom.uom", map[string]any{"name": h.name("Box"), "x_mesh_code": code, "relative_uom_id": bill.unit, "relative_factor": 24})[0]
	sold := h.create("sale.order", map[string]any{"name": h.name("SO"), "partner_id": both, "order_line": []any{[]any{0, 0, map[string]any{
		"product_id": bill.steel, "product_uom_qty": 3, "product_uom_id": bill.unit,
	}}}})[0]
	h.write("sale.order", sold, map[string]any{"state": "sale"})
	bought := h.create("purchase.order", map[string]any{"name": h.name("PO"), "partner_id": both, "picking_type_id": h.incoming("WH"), "order_line": []any{[]any{0, 0, map[string]any{
		"product_id": bill.steel, "product_qty": 3, "product_uom_id": bill.unit, "price_unit": 2.5,
	}}}})[0]
	h.press("purchase.order", bought, "button_confirm", "")
	made := h.create("mrp.production", map[string]any{"name": h.name("MO"), "product_id": bill.steel, "product_qty": 5, "picking_type_id": h.madeIn("WH")})[0]
	h.confirm(made)
	for _, another := range []struct { // to be written meanwhile; of the other models there are some anyway
		model string
		id    int64
		apart map[string]any
	}{
		{"mrp.bom", bill.id, map[string]any{"code": h.name("B2")}},
		{"mrp.workcenter", lathe, map[string]any{"code": h.name("L2")}},
		{"account.analytic.account", value, map[string]any{"plan_id": h.create("account.analytic.plan", map[string]any{"name": h.name("CC2")})[0]}},
		{"sale.order", sold, nil},
		{"purchase.order", bought, nil},
		{"mrp.production", made, nil},
	} {
		h.button(another.model, "copy", odoo.Args{"ids": []int64{another.id}, "default": another.apart})
	}
	h.poll()
	sent, received := h.transferDone(s, bill)
	transfer := "transfer/" + h.read("stock.picking", sent, "name").text("name")
	return []late{
		{"mrp_bom_line", "product_qty = 7", bill.lines[0], fmt.Sprintf("mrp_bom WHERE id = %d", bill.id), "hq/master-data", "bill-of-materials/" + h.name("B")},
		{"mrp_routing_workcenter", "time_cycle_manual = 9", step, fmt.Sprintf("mrp_bom WHERE id = %d", bill.id), "hq/master-data", "bill-of-materials/" + h.name("B")},
		{"mrp_workcenter", "time_efficiency = 77", lathe, "", "hq/master-data", "work-center/" + h.name("L")},
		{"res_partner", "city = 'Graz'", both, "", "hq/master-data", "supplier/" + h.name("P")},
		{"res_partner", "zip = '8010'", both, "", "hq/master-data", "customer/" + h.name("P")},
		{"account_analytic_account", "code = '2'", value, fmt.Sprintf("account_analytic_plan WHERE id = %d", plan), "hq/master-data", "dimension/" + h.name("CC")},
		{"uom_uom", "relative_factor = 25", unit, "", "hq/master-data", "unit/" + code},
		{"sale_order_line", "product_uom_qty = 4", h.find("sale.order.line", "order_id", sold), fmt.Sprintf("sale_order WHERE id = %d", sold), "hq/demand", "demand/" + h.name("SO")},
		{"purchase_order_line", "product_qty = 4", h.find("purchase.order.line", "order_id", bought), fmt.Sprintf("purchase_order WHERE id = %d", bought), "hq/procurement", "purchase-order/" + h.name("PO")},
		{"mrp_production", "product_qty = 6", made, "", plantmesh.StreamOf("hq", odoo.OrdersDomain("plant-a")), "order/" + h.name("MO")},
		{"stock_picking", "state = 'done'", sent, "", "hq/logistics", transfer},
		{"stock_picking", "state = 'done'", received, "", "hq/logistics", transfer},
	}
}

// transferDone is a transfer between plants of which both ends are done, though s lets nobody see that yet, and one that is only planned.
func (h *office) transferDone(s *session, goods made) (sent, received int64) {
	h.t.Helper()
	first, second := h.twoPlants()
	a, b, transit := h.house(first), h.house(second), h.transit()
	sent, leaves := h.picking(a.out, a.stock, transit, goods.steel, goods.unit, 0)
	received, arrives := h.picking(b.in, transit, b.stock, goods.steel, goods.unit, leaves)
	h.picking(a.out, a.stock, transit, goods.steel, goods.unit, 0)
	h.validate(sent, leaves, 3)
	h.validate(received, arrives, 3)
	s.exec(fmt.Sprintf("UPDATE stock_picking SET state = 'assigned' WHERE id IN (%d, %d)", sent, received))
	s.wait()
	return sent, received
}

// aged dates rows back.
func aged(where string, by time.Duration) string {
	table, rest, _ := strings.Cut(where, " ")
	return fmt.Sprintf("UPDATE %s SET write_date = (now() at time zone 'UTC') - interval '%d seconds' %s", table, int(by.Seconds()), rest)
}
