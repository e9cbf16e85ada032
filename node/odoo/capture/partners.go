package capture

import (
	"context"

	"google.golang.org/protobuf/proto"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

var partnerFields = []string{
	"name", "ref", "vat", "email", "phone", "street", "zip", "city", "country_id", "active", "x_mesh_supplier", "x_mesh_customer", "supplier_rank", "customer_rank",
	"is_company", "parent_id",
}

var suppliers = kind{
	name: "suppliers", model: "res.partner", fields: partnerFields, looked: []string{"property_purchase_currency_id"}, end: retire, unheld: []string{"currency"},
	build: func(ctx context.Context, p *pass, rows []row) ([]thing, error) {
		return buildPartners(ctx, p, rows, "supplier", func(id, country string, r row) proto.Message {
			s := &manufacturingv1.SupplierChanged{
				SupplierId: id, Name: r.text("name"), TaxNumber: r.text("vat"), Email: r.text("email"), Phone: r.text("phone"), Street: r.text("street"),
				PostalCode: r.text("zip"), City: r.text("city"), CountryCode: country, Retired: !r.yes("active"),
			}
			if p.look {
				s.Currency = r.label("property_purchase_currency_id")
			}
			return s
		})
	},
}

var customers = kind{
	name: "customers", model: "res.partner", fields: partnerFields, end: retire, unheld: []string{"currency"},
	build: func(ctx context.Context, p *pass, rows []row) ([]thing, error) {
		return buildPartners(ctx, p, rows, "customer", func(id, country string, r row) proto.Message {
			return &manufacturingv1.CustomerChanged{
				CustomerId: id, Name: r.text("name"), TaxNumber: r.text("vat"), Email: r.text("email"), Phone: r.text("phone"), Street: r.text("street"),
				PostalCode: r.text("zip"), City: r.text("city"), CountryCode: country, Retired: !r.yes("active"),
			}
		})
	},
}

// partnerID is what the mesh calls a partner in a role.
func partnerID(r row, role string) string {
	if id := r.text("x_mesh_" + role); id != "" {
		return id
	}
	return r.text("ref")
}

// buildPartners tells of those that have the role: by the mesh's own field, or by Odoo's count of their documents.
func buildPartners(ctx context.Context, p *pass, rows []row, role string, payload func(id, country string, r row) proto.Message) ([]thing, error) {
	countries := map[int64]bool{}
	for _, r := range rows {
		countries[r.ref("country_id")] = true
	}
	codes, err := p.codesOf(ctx, "res.country", "code", countries)
	if err != nil {
		return nil, err
	}
	var things []thing
	for _, r := range rows {
		rank := r.number(role + "_rank")
		if r.text("x_mesh_"+role) == "" && (rank == nil || rank.Sign() <= 0) {
			continue
		}
		t := p.thing(r)
		if id := partnerID(r, role); id == "" {
			t.nameless, t.leftOut = true, role+" "+r.text("name")+" has no reference: give it one"
		} else {
			t.payload = payload(id, codes[r.ref("country_id")], r)
		}
		things = append(things, t)
	}
	return things, nil
}

var workCenters = kind{
	name: "work-centers", model: "mrp.workcenter", build: buildWorkCenters, end: retire, unheld: []string{"site_id"},
	fields: []string{"name", "code", "costs_hour", "time_efficiency", "active", "company_id"},
}

func buildWorkCenters(ctx context.Context, p *pass, rows []row) ([]thing, error) {
	var things []thing
	for _, r := range rows {
		t := p.thing(r)
		center := &manufacturingv1.WorkCenterChanged{Name: r.text("name"), Retired: !r.yes("active")}
		center.WorkCenterId, t.leftOut = p.config.PlantWorkCenter("", r.text("code"), r.text("name"))
		if n := r.number("time_efficiency"); n != nil && n.Sign() > 0 {
			center.EfficiencyPercent = plain(n)
		}
		var err error
		if center.CostPerHour, err = p.money(ctx, r, "costs_hour"); err != nil {
			return nil, err
		}
		t.payload = center
		things = append(things, t)
	}
	return things, nil
}
