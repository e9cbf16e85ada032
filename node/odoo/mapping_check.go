package odoo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// mappingCheck holds a mapping against what Odoo has.
type mappingCheck struct {
	client     *Client
	cfg        Config
	companies  []Company
	warehouses []Warehouse
	faults     []error
}

// mappingFaults finds everything that the mapping names and that Odoo does not have, or not as the mapping says.
func (c *Client) mappingFaults(ctx context.Context, cfg Config) ([]error, error) {
	m := &mappingCheck{client: c, cfg: cfg}
	var err error
	if m.warehouses, err = c.warehouses(ctx); err != nil {
		return nil, err
	}
	if m.companies, err = c.companies(ctx); err != nil {
		return nil, err
	}
	for _, site := range append([]string{""}, slices.Sorted(maps.Keys(cfg.Sites))...) { // the first is any that is not named
		house, ok := m.home(site)
		if !ok {
			continue
		}
		for _, kind := range mappedKinds {
			if err := m.names(ctx, site, house, kind); err != nil {
				return nil, err
			}
		}
	}
	return m.faults, m.units(ctx)
}

func (m *mappingCheck) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.ContainsFunc(m.faults, func(err error) bool { return err.Error() == text }) {
		m.faults = append(m.faults, &setupError{text})
	}
}

// entryPath names an entry as the configuration has it: the site's own, or that for all sites.
func entryPath(site string, own bool, key string) string {
	switch {
	case site == "":
		return "odoo." + key
	case own:
		return "odoo.sites." + site + "." + key
	}
	return "odoo." + key + " (at site " + site + ")"
}

// home is the warehouse of a site, if the mapping names one that is there, in a company that is there.
func (m *mappingCheck) home(site string) (Warehouse, bool) {
	company, code := m.cfg.home(site)
	ofCompany, of := entryPath(site, m.cfg.Sites[site].Company != "", "company"), entryPath(site, m.cfg.Sites[site].Warehouse != "", "warehouse")
	if company != "" {
		switch n := len(companiesCalled(m.companies, company)); {
		case n == 0:
			m.fault("%s %q: Odoo has no such company, or the API key's user may not work in it: `plantmesh odoo provision` lets it; or name another, by name or id", ofCompany, company)
			return Warehouse{}, false
		case n > 1:
			m.fault("%s %q: %d companies of Odoo are called so: name it by its id", ofCompany, company, n)
			return Warehouse{}, false
		}
	}
	found := m.cfg.warehousesOf(site, m.warehouses)
	switch {
	case len(found) == 1 || len(found) > 1 && code == "":
		return found[0], true
	case len(found) > 1:
		m.fault("%s %q: warehouses of %s have this code: name the company beside it", of, code, companyNames(found))
	case code == "" && company != "":
		m.fault("%s %q: the company has no warehouse in Odoo: create one, or name another company", ofCompany, company)
	default:
		elsewhere := slices.DeleteFunc(slices.Clone(m.warehouses), func(w Warehouse) bool { return w.Code != code })
		if len(elsewhere) > 0 {
			m.fault("%s %q: it belongs to %s, not to company %q: name a warehouse of that company, or the other company", of, code, companyNames(elsewhere), company)
		} else {
			m.fault("%s %q: Odoo has no warehouse with this code: create it, or name another", of, code)
		}
	}
	return Warehouse{}, false
}

func companyNames(all []Warehouse) string {
	var names []string
	for _, w := range all {
		names = append(names, w.CompanyName)
	}
	return strings.Join(names, " and ")
}

// mappedKind is what a nameMap names in Odoo.
type mappedKind struct {
	nameMap
	model, app string
	by         [][]string // fields that may have the name; the later ones only where none of the earlier has it
	what       string     // it is, for people
}

var mappedKinds = []mappedKind{
	{nameMaps[0], "stock.location", "Inventory", [][]string{{"complete_name", "name", "barcode"}}, "storage location with this name or barcode in warehouse %s"},
	{nameMaps[1], "mrp.workcenter", "Manufacturing", [][]string{{"code"}, {"name"}}, "work center with this code or name in the company of warehouse %s"},
	{nameMaps[2], "account.journal", "Invoicing", [][]string{{"code"}}, "journal with this code in the company of warehouse %s"},
	{nameMaps[3], "account.account", "Invoicing", [][]string{{"code"}}, "account with this code in the company of warehouse %s"},
}

// names looks for what one map of a site names.
func (m *mappingCheck) names(ctx context.Context, site string, house Warehouse, kind mappedKind) error {
	whole := kind.of(m.cfg.SiteOf(site))
	if len(whole) == 0 {
		return nil
	}
	domain := []any{}
	if kind.model == "stock.location" {
		domain = []any{[]any{"usage", "=", "internal"}, []any{"id", "child_of", house.view}}
	}
	rows, err := m.search(ctx, house.Company, kind, domain, slices.Sorted(maps.Values(whole)))
	var failed *Error
	if errors.As(err, &failed) && failed.Status == http.StatusNotFound {
		m.fault("%s: Odoo has no %s: install the app %s, or take these out of the mapping", entryPath(site, len(kind.of(m.cfg.Sites[site])) > 0, kind.key), kind.model, kind.app)
		return nil
	}
	if err != nil {
		return err
	}
	label := house.Label(m.warehouses)
	taken := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		_, own := kind.of(m.cfg.Sites[site])[name]
		at := entryPath(site, own, kind.key+"."+name)
		found := kind.called(rows, whole[name])
		switch {
		case len(found) == 0 && kind.model == "stock.location":
			elsewhere, err := m.search(ctx, house.Company, kind, nil, []string{whole[name]})
			if err != nil {
				return err
			}
			if len(elsewhere) > 0 {
				m.fault("%s %q: it is %v in Odoo, which is no storage location in warehouse %s: name one that is", at, whole[name], elsewhere[0]["complete_name"], label)
				continue
			}
			fallthrough
		case len(found) == 0:
			m.fault("%s %q: Odoo has no "+kind.what+": create it, or name another", at, whole[name], label)
		case len(found) > 1:
			m.fault("%s %q: Odoo has %d of them: "+kind.what+": name one by something that it alone has", at, whole[name], len(found), label)
		case kind.single && taken[fmt.Sprint(found[0]["id"])] != "":
			m.fault("%s %q: it is what %s is mapped to: give each of them one of its own", at, whole[name], taken[fmt.Sprint(found[0]["id"])])
		default:
			taken[fmt.Sprint(found[0]["id"])] = name
		}
	}
	return nil
}

// search finds the records of a company that have one of these names.
func (m *mappingCheck) search(ctx context.Context, company int64, kind mappedKind, domain []any, names []string) ([]map[string]any, error) {
	fields := slices.Concat(kind.by...)
	for range fields[1:] {
		domain = append(domain, "|")
	}
	for _, field := range fields {
		domain = append(domain, []any{field, "in", names})
	}
	var rows []map[string]any
	err := m.client.searchIn(ctx, company, kind.model, domain, fields, &rows)
	return rows, err
}

// called are the records that a name means.
func (k mappedKind) called(rows []map[string]any, name string) []map[string]any {
	for _, fields := range k.by {
		found := slices.DeleteFunc(slices.Clone(rows), func(row map[string]any) bool {
			return !slices.ContainsFunc(fields, func(field string) bool { return row[field] == name })
		})
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

// units looks for the units that the mapping names.
func (m *mappingCheck) units(ctx context.Context) error {
	if len(m.cfg.Units) == 0 {
		return nil
	}
	all, err := m.client.unitsOfMeasure(ctx)
	if err != nil {
		return err
	}
	for _, code := range slices.Sorted(maps.Keys(m.cfg.Units)) {
		external, name := m.cfg.unit(code)
		found := slices.DeleteFunc(slices.Clone(all), func(u unitOfMeasure) bool {
			return u.External != cmp.Or(external, u.External) || string(u.Name) != cmp.Or(name, string(u.Name))
		})
		switch {
		case len(found) == 0:
			m.fault("odoo.units.%s %q: Odoo has no unit with this external id or name: create it, or name another", code, m.cfg.Units[code])
		case len(found) > 1:
			m.fault("odoo.units.%s %q: %d units of Odoo are called so: give an external id", code, m.cfg.Units[code], len(found))
		case !found[0].Active:
			m.fault("odoo.units.%s %q: the unit is archived in Odoo: have it used again, or name another", code, m.cfg.Units[code])
		case name != "" && standardUnit(found[0].External):
			m.fault("odoo.units.%s %q: this is Odoo's own unit %s: write that, which holds when somebody renames it", code, name, found[0].External)
		}
	}
	return nil
}
