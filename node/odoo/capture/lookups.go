package capture

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// lookups are small tables of Odoo, read once in a pass.
type lookups struct {
	units    map[int64]string // UN/CEFACT codes
	standard map[int64]bool   // units whose code is that of a standard
	sites    map[int64]string // of warehouses
	types    map[int64]int64  // warehouses of picking types
	currency map[int64]string // of companies
}

// quantity is a number of a unit; nil if the unit has no code.
func (p *pass) quantity(ctx context.Context, r row, number, unit string) (*manufacturingv1.Quantity, error) {
	if p.context.units == nil {
		if err := p.readUnits(ctx); err != nil {
			return nil, err
		}
	}
	code := p.context.units[r.ref(unit)]
	if code == "" {
		return nil, nil
	}
	return &manufacturingv1.Quantity{Value: plain(r.number(number)), Unit: code}, nil
}

func (p *pass) readUnits(ctx context.Context) error {
	p.context.units, p.context.standard = map[int64]string{}, map[int64]bool{}
	err := p.pages(ctx, "uom.uom", nil, []string{"name", "x_mesh_code"}, func(rows []row) error {
		var ids []int64
		for _, r := range rows {
			ids = append(ids, r.id())
		}
		var names map[int64]string
		if err := p.odoo.Call(ctx, "uom.uom", "get_external_id", odoo.Args{"ids": ids}, &names); err != nil {
			return err
		}
		for _, r := range rows {
			code := p.config.UnitCode(names[r.id()], r.text("name"))
			p.context.units[r.id()], p.context.standard[r.id()] = cmp.Or(code, r.text("x_mesh_code")), code != ""
		}
		return nil
	})
	if err != nil {
		p.context.units = nil
	}
	return err
}

// money is an amount in the currency of the record's company, or of the first one; nil if it is zero.
func (p *pass) money(ctx context.Context, r row, name string) (*manufacturingv1.Money, error) {
	n := r.number(name)
	if n == nil || n.IsZero() {
		return nil, nil
	}
	if p.context.currency == nil {
		currencies := map[int64]string{}
		err := p.pages(ctx, "res.company", nil, []string{"currency_id"}, func(rows []row) error {
			for _, r := range rows {
				currencies[r.id()] = r.label("currency_id")
			}
			return nil
		})
		if err != nil || len(currencies) == 0 {
			return nil, err
		}
		p.context.currency = currencies
	}
	company := r.ref("company_id")
	if p.context.currency[company] == "" {
		company = slices.Min(slices.Collect(maps.Keys(p.context.currency)))
	}
	return &manufacturingv1.Money{Amount: plain(n), Currency: p.context.currency[company]}, nil
}

// siteOf is the site of a warehouse; empty if none, or several, have it.
func (p *pass) siteOf(ctx context.Context, warehouse int64) (string, error) {
	if p.context.sites == nil {
		var all []odoo.Warehouse
		err := p.pages(ctx, "stock.warehouse", nil, []string{"code", "company_id"}, func(rows []row) error {
			for _, r := range rows {
				all = append(all, odoo.Warehouse{ID: r.id(), Code: r.text("code"), Company: r.ref("company_id"), CompanyName: r.label("company_id")})
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		sites, shared := map[int64]string{}, []int64{}
		for site := range p.config.Sites {
			w, ok := p.config.WarehouseOf(site, all)
			if ok && sites[w.ID] != "" {
				shared = append(shared, w.ID)
			}
			if ok {
				sites[w.ID] = site
			}
		}
		for _, id := range shared {
			delete(sites, id)
		}
		p.context.sites = sites
	}
	return p.context.sites[warehouse], nil
}

// siteOfType is the site of a picking type's warehouse.
func (p *pass) siteOfType(ctx context.Context, id int64) (string, error) {
	if p.context.types == nil {
		types := map[int64]int64{}
		err := p.pages(ctx, "stock.picking.type", nil, []string{"warehouse_id"}, func(rows []row) error {
			for _, r := range rows {
				types[r.id()] = r.ref("warehouse_id")
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		p.context.types = types
	}
	return p.siteOf(ctx, p.context.types[id])
}

// related reads records of another model by id.
func (p *pass) related(ctx context.Context, model, field string, ids map[int64]bool, fields ...string) (map[int64]row, error) {
	out := map[int64]row{}
	delete(ids, 0)
	if len(ids) == 0 {
		return out, nil
	}
	err := p.pages(ctx, model, []any{[]any{field, "in", slices.Sorted(maps.Keys(ids))}}, fields, func(rows []row) error {
		for _, r := range rows {
			out[r.id()] = r
		}
		return nil
	})
	return out, err
}
