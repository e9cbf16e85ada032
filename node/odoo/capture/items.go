package capture

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

var items = kind{
	name: "items", model: "product.product", build: buildItems, parts: []part{{model: "product.template", via: "product_tmpl_id"}},
	fields: []string{
		"default_code", "name", "type", "is_storable", "tracking", "uom_id", "categ_id", "barcode", "standard_price", "list_price",
		"purchase_ok", "sale_ok", "active", "product_tmpl_id",
	},
	looked: []string{"cost_method"}, end: retire,
}

// retire says of the last state of a thing that it is not to be used any more.
func retire(last proto.Message) proto.Message {
	m := proto.Clone(last)
	m.ProtoReflect().Set(m.ProtoReflect().Descriptor().Fields().ByName("retired"), protoreflect.ValueOfBool(true))
	return m
}

var trackings = map[string]manufacturingv1.Tracking{
	"none": manufacturingv1.Tracking_TRACKING_NONE, "lot": manufacturingv1.Tracking_TRACKING_LOT, "serial": manufacturingv1.Tracking_TRACKING_SERIAL,
}

func buildItems(ctx context.Context, p *pass, rows []row) ([]thing, error) {
	var things []thing
	templates := map[int64]bool{}
	for _, r := range rows {
		templates[r.ref("product_tmpl_id")] = true
	}
	written, err := p.related(ctx, "product.template", "id", templates, "name")
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		t := p.thing(r)
		t.join(written[r.ref("product_tmpl_id")], p.uid)
		if r.text("default_code") == "" {
			t.nameless, t.leftOut = true, "product "+r.text("name")+" has no internal reference: give it one"
			things = append(things, t)
			continue
		}
		one, err := p.quantity(ctx, r, "", "uom_id")
		if err != nil {
			return nil, err
		}
		if one == nil {
			t.leftOut = "unit " + r.label("uom_id") + " of product " + r.text("name") + " has no code: set its Mesh: code"
		}
		item := &manufacturingv1.ItemChanged{
			ItemId: r.text("default_code"), Name: r.text("name"), Kind: manufacturingv1.ItemKind_ITEM_KIND_CONSUMABLE, Unit: one.GetUnit(),
			Tracking: trackings[r.text("tracking")], Category: r.label("categ_id"), Barcode: r.text("barcode"),
			Purchased: r.yes("purchase_ok"), Sold: r.yes("sale_ok"), Retired: !r.yes("active"),
		}
		switch {
		case r.text("type") == "service":
			item.Kind = manufacturingv1.ItemKind_ITEM_KIND_SERVICE
		case r.yes("is_storable"):
			item.Kind = manufacturingv1.ItemKind_ITEM_KIND_STOCKED
		}
		if item.StandardCost, err = p.money(ctx, r, "standard_price"); err != nil {
			return nil, err
		}
		if item.ListPrice, err = p.money(ctx, r, "list_price"); err != nil {
			return nil, err
		}
		if method := r.text("cost_method"); method != "" && method != "standard" {
			t.unclear = []string{"standard_cost"} // Odoo reckons it anew with every receipt
		}
		t.payload = item
		things = append(things, t)
	}
	return things, nil
}

// thing is what one root record tells of itself.
func (p *pass) thing(r row) thing {
	t := thing{key: strconv.FormatInt(r.id(), 10), records: []int64{r.id()}, byMesh: true}
	t.join(r, p.uid)
	return t
}

// join takes the time and the user of a further record of a thing.
func (t *thing) join(r row, uid int64) {
	if r == nil {
		return
	}
	if at := r.text("write_date"); at >= t.changed {
		t.changed, t.by = at, r.label("write_uid")
	}
	t.byMesh = t.byMesh && r.ref("write_uid") == uid
}
