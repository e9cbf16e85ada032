package capture

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// billFields are those that tell which bill of materials a record is, and what it makes.
var billFields = []string{"code", "type", "product_tmpl_id", "product_id", "product_qty", "product_uom_id", "picking_type_id", "active"}

var bills = kind{
	name: "bills-of-materials", model: "mrp.bom", fields: billFields, build: buildBills, end: retire,
	parts: []part{{model: "mrp.bom.line", parent: "bom_id"}},
}

// buildBills tells of bills by which items are made; kits and what subcontractors make are no work of a plant.
func buildBills(ctx context.Context, p *pass, rows []row) ([]thing, error) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return !p.look && !isMade(r) })
	lines, err := p.linesOf(ctx, "mrp.bom.line", rows, "product_id", "product_qty", "product_uom_id", "operation_id", "x_mesh_line", "sequence")
	if err != nil {
		return nil, err
	}
	products, steps := map[int64]bool{}, map[int64]bool{}
	for _, all := range lines {
		for _, l := range all {
			products[l.ref("product_id")], steps[l.ref("operation_id")] = true, true
		}
	}
	for _, r := range rows {
		products[r.ref("product_id")] = true
	}
	items, err := p.codesOf(ctx, "product.product", "default_code", products)
	if err != nil {
		return nil, err
	}
	variants, err := p.variants(ctx, rows)
	if err != nil {
		return nil, err
	}
	operations, err := p.related(ctx, "mrp.routing.workcenter", "id", steps, "x_mesh_operation")
	if err != nil {
		return nil, err
	}
	var things []thing
	for _, r := range rows {
		item := items[r.ref("product_id")]
		if r.ref("product_id") == 0 {
			item = variants[r.ref("product_tmpl_id")]
		}
		t, err := p.bill(ctx, r, item, lines[r.id()], items, operations)
		if err != nil {
			return nil, err
		}
		things = append(things, t)
	}
	return things, nil
}

func (p *pass) bill(ctx context.Context, r row, item string, lines []row, items map[int64]string, operations map[int64]row) (thing, error) {
	t := p.thing(r)
	quantity, err := p.quantity(ctx, r, "product_qty", "product_uom_id")
	if err != nil {
		return t, err
	}
	var site string
	if r.ref("picking_type_id") != 0 {
		if site, err = p.siteOfType(ctx, r.ref("picking_type_id")); err != nil {
			return t, err
		}
	}
	named := "bill of materials " + r.text("code")
	switch {
	case !isMade(r):
		t.leftOut = named + " is one of a kit, or of what subcontractors make"
	case r.text("code") == "":
		t.nameless, t.leftOut = true, "the bill of materials of "+r.label("product_tmpl_id")+" has no reference: give it one"
	case item == "":
		t.leftOut = named + " is for several variants of " + r.label("product_tmpl_id") + ", or for one without an internal reference: name the variant, and give it one"
	case quantity == nil:
		t.leftOut = "unit " + r.label("product_uom_id") + " of " + named + " has no code: set its Mesh: code"
	case r.ref("picking_type_id") != 0 && site == "" && p.look:
		t.unclear = []string{"site_id"}
	case r.ref("picking_type_id") != 0 && site == "":
		t.leftOut = "the warehouse of operation type " + r.label("picking_type_id") + " of " + named + " belongs to no site, or to several: name it under odoo.sites"
	}
	if t.leftOut != "" && !p.look {
		return t, nil
	}
	bill := &manufacturingv1.BillOfMaterialsChanged{
		BillOfMaterialsId: r.text("code"), ItemId: item, Quantity: quantity, SiteId: site, Retired: !r.yes("active"),
	}
	for _, l := range lines {
		t.join(l, p.uid)
		quantity, err := p.quantity(ctx, l, "product_qty", "product_uom_id")
		if err != nil {
			return t, err
		}
		if items[l.ref("product_id")] == "" || quantity == nil {
			t.leftOut = "component " + l.label("product_id") + " of " + named + " has no internal reference, or its unit no code: give it one"
		}
		component := &manufacturingv1.Component{LineId: idIn(l, "x_mesh_line"), ItemId: items[l.ref("product_id")], Quantity: quantity}
		if step := operations[l.ref("operation_id")]; step != nil {
			component.OperationId = idIn(step, "x_mesh_operation")
		}
		bill.Components = append(bill.Components, component)
	}
	t.payload = bill
	return t, nil
}

// isMade tells whether a bill is one that a plant works by.
func isMade(r row) bool { return r.text("type") == "normal" || r.text("type") == "" }

// idIn is what the mesh calls a part of a record: by the mesh's own field, or else by Odoo's id.
func idIn(r row, field string) string {
	return cmp.Or(r.text(field), strconv.FormatInt(r.id(), 10))
}

// linesOf are the records that belong to bills, in their order.
func (p *pass) linesOf(ctx context.Context, model string, bills []row, fields ...string) (map[int64][]row, error) {
	if len(bills) == 0 {
		return nil, nil
	}
	var ids []int64
	for _, r := range bills {
		ids = append(ids, r.id())
	}
	all := map[int64][]row{}
	err := p.pages(ctx, model, []any{[]any{"bom_id", "in", ids}}, append([]string{"bom_id"}, fields...), func(rows []row) error {
		for _, r := range rows {
			all[r.ref("bom_id")] = append(all[r.ref("bom_id")], r)
		}
		return nil
	})
	for _, lines := range all {
		slices.SortStableFunc(lines, func(a, b row) int {
			return cmp.Or(cmp.Compare(whole(a["sequence"]), whole(b["sequence"])), cmp.Compare(a.id(), b.id()))
		})
	}
	return all, err
}

// variants are the references of products that have one variant only.
func (p *pass) variants(ctx context.Context, bills []row) (map[int64]string, error) {
	templates := map[int64]bool{}
	for _, r := range bills {
		if r.ref("product_id") == 0 {
			templates[r.ref("product_tmpl_id")] = true
		}
	}
	products, err := p.related(ctx, "product.product", "product_tmpl_id", templates, "default_code", "product_tmpl_id", "active")
	if err != nil {
		return nil, err
	}
	codes, archived := map[int64][]string{}, map[int64][]string{}
	for _, r := range products {
		of := codes
		if !r.yes("active") {
			of = archived
		}
		of[r.ref("product_tmpl_id")] = append(of[r.ref("product_tmpl_id")], r.text("default_code"))
	}
	only := map[int64]string{}
	for template := range templates {
		all := codes[template]
		if len(all) == 0 {
			all = archived[template] // of a product that is not used any more
		}
		if len(all) == 1 {
			only[template] = all[0]
		}
	}
	return only, nil
}
