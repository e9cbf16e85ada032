package odoo

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// companies lets the connector's user work in the companies of the mapping, beside those that it may work in already. user is 0 where a dry run
// has not made it.
func (a *Administrator) companies(ctx context.Context, p *provisioner, user int64) error {
	wanted, err := a.wantedCompanies(ctx)
	if err != nil || len(wanted) == 0 {
		return err
	}
	asked := user
	if user == 0 { // it will have the administrator's own company
		var who struct {
			UID int64 `json:"uid"`
		}
		if err := a.client.Call(ctx, "res.users", "context_get", nil, &who); err != nil {
			return err
		}
		asked = who.UID
	}
	var found []struct {
		Company   relation `json:"company_id"`
		Companies []int64  `json:"company_ids"`
	}
	if err := a.client.SearchRead(ctx, "res.users", []any{[]any{"id", "=", asked}}, []string{"company_id", "company_ids"}, 1, &found); err != nil {
		return err
	}
	have := []int64{}
	if len(found) > 0 {
		if have = found[0].Companies; user == 0 {
			have = []int64{found[0].Company.id}
		}
	}
	var names []string
	for _, company := range wanted {
		if !slices.Contains(have, company.ID) {
			have, names = append(have, company.ID), append(names, company.Name)
		}
	}
	if len(names) == 0 || !p.step(ctx, "change", "user %q: it may work in %s, too", a.login, strings.Join(names, ", ")) {
		return nil
	}
	return a.client.Write(ctx, "res.users", []int64{user}, map[string]any{"company_ids": []any{[]any{6, 0, have}}})
}

// wantedCompanies are those that the mapping names, and those of the warehouses that it names. One company needs no mapping.
func (a *Administrator) wantedCompanies(ctx context.Context) ([]Company, error) {
	all, err := a.client.companies(ctx)
	if err != nil || len(all) < 2 && a.cfg.Company == "" && len(a.cfg.Sites) == 0 {
		return nil, err
	}
	houses, err := a.client.warehouses(ctx)
	if err != nil {
		return nil, err
	}
	var wanted []Company
	add := func(one Company) {
		if !slices.Contains(wanted, one) {
			wanted = append(wanted, one)
		}
	}
	for _, site := range append([]string{""}, slices.Sorted(maps.Keys(a.cfg.Sites))...) {
		company, code := a.cfg.home(site)
		if company != "" {
			called := companiesCalled(all, company)
			if len(called) != 1 {
				return nil, &setupError{fmt.Sprintf("%s %q: Odoo has %d such companies that this administrator may work in: have it be allowed in the company, or name another",
					entryPath(site, a.cfg.Sites[site].Company != "", "company"), company, len(called))}
			}
			add(called[0])
		}
		if house, ok := a.cfg.WarehouseOf(site, houses); ok && code != "" {
			add(Company{ID: house.Company, Name: house.CompanyName})
		}
	}
	return wanted, nil
}
