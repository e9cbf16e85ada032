package odoo

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// warehouses are those that the user may see, by id.
func (c *Client) warehouses(ctx context.Context) ([]Warehouse, error) {
	var all []Warehouse
	err := NewReader(c).pages(ctx, "stock.warehouse", []any{}, []string{"code", "company_id", "view_location_id", "lot_stock_id"}, func(raw json.RawMessage) error {
		var row struct {
			ID      int64    `json:"id"`
			Code    text     `json:"code"`
			Company relation `json:"company_id"`
			View    relation `json:"view_location_id"`
			Main    relation `json:"lot_stock_id"`
		}
		err := json.Unmarshal(raw, &row)
		all = append(all, Warehouse{ID: row.ID, Code: string(row.Code), Company: row.Company.id, CompanyName: row.Company.name, view: row.View.id, main: row.Main.id})
		return err
	})
	return all, err
}

// searchIn decodes the named fields of the records that a company sees into out, by id.
func (c *Client) searchIn(ctx context.Context, company int64, model string, domain []any, fields []string, out any) error {
	return c.Call(ctx, model, "search_read", Args{
		"domain": domain, "fields": fields, "order": "id", "context": map[string]any{"allowed_company_ids": []int64{company}},
	}, out)
}

// Company is one of Odoo's.
type Company struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// companies are those that the user may work in.
func (c *Client) companies(ctx context.Context) ([]Company, error) {
	var all []Company
	err := c.SearchRead(ctx, "res.company", []any{}, []string{"name"}, 0, &all)
	return all, err
}

// companiesCalled are those that a mapping means.
func companiesCalled(all []Company, given string) []Company {
	return slices.DeleteFunc(slices.Clone(all), func(one Company) bool { return !isCompany(given, one.ID, one.Name) })
}

// unitOfMeasure is a unit as Odoo has it.
type unitOfMeasure struct {
	ID       int64  `json:"id"`
	Name     text   `json:"name"`
	Active   bool   `json:"active"`
	Code     text   `json:"x_mesh_code"`
	External string `json:"-"` // id in data files; empty: a person made it
}

// unitsOfMeasure are all, archived ones too. Codes are read where more says so: they are not there before Odoo is set up.
func (c *Client) unitsOfMeasure(ctx context.Context, more ...string) ([]unitOfMeasure, error) {
	var all []unitOfMeasure
	domain := []any{[]any{"active", "in", []bool{true, false}}}
	if err := c.SearchRead(ctx, "uom.uom", domain, append([]string{"name", "active"}, more...), 0, &all); err != nil {
		return nil, err
	}
	var ids []int64
	for _, u := range all {
		ids = append(ids, u.ID)
	}
	var names map[int64]string
	if err := c.Call(ctx, "uom.uom", "get_external_id", Args{"ids": ids}, &names); err != nil {
		return nil, err
	}
	for i := range all {
		all[i].External = names[all[i].ID]
	}
	return all, nil
}

// standardUnit tells whether an external id is of a unit that a UN/CEFACT code means.
func standardUnit(external string) bool {
	return slices.Contains(slices.Collect(maps.Values(units)), external)
}
