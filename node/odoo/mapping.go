package odoo

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// Site maps a site of the mesh into Odoo. What it does not name is looked up in Odoo under the name that events have for it.
type Site struct {
	Company   string `yaml:"company,omitempty"`   // name or id; empty: that of the warehouse
	Warehouse string `yaml:"warehouse,omitempty"` // code, such as WH; empty: the company's first

	// Odoo's names by those of the plant.
	Locations   map[string]string `yaml:"locations,omitempty"`    // whole name, name or barcode, in the warehouse
	WorkCenters map[string]string `yaml:"work_centers,omitempty"` // code or name
	Journals    map[string]string `yaml:"journals,omitempty"`     // code
	Accounts    map[string]string `yaml:"accounts,omitempty"`     // code
}

// unitCode is what events may have as a unit.
var unitCode = regexp.MustCompile(`^[A-Z0-9]{2,3}$`)

// nameMap is a part of a mapping that maps names.
type nameMap struct {
	key    string // in the configuration
	of     func(Site) map[string]string
	single bool // two names for one record are a fault: counted under both, it would have the last count, and nobody could say which one Odoo means
}

var nameMaps = []nameMap{
	{"locations", func(s Site) map[string]string { return s.Locations }, true},
	{"work_centers", func(s Site) map[string]string { return s.WorkCenters }, true},
	{"journals", func(s Site) map[string]string { return s.Journals }, false},
	{"accounts", func(s Site) map[string]string { return s.Accounts }, false},
}

// SiteOf is the whole mapping of a site: its own entries before those for all sites.
func (c Config) SiteOf(site string) Site {
	own := c.Sites[site]
	over := func(of func(Site) map[string]string) map[string]string {
		all := maps.Clone(of(c.Site))
		if all == nil {
			return maps.Clone(of(own))
		}
		maps.Copy(all, of(own))
		return all
	}
	company, warehouse := c.home(site)
	return Site{
		Company: company, Warehouse: warehouse,
		Locations: over(nameMaps[0].of), WorkCenters: over(nameMaps[1].of), Journals: over(nameMaps[2].of), Accounts: over(nameMaps[3].of),
	}
}

// home is where a site is: its company and the code of its warehouse.
func (c Config) home(site string) (company, warehouse string) {
	own := c.Sites[site]
	return cmp.Or(own.Company, c.Company), cmp.Or(own.Warehouse, c.Warehouse)
}

// LocationOf is what Odoo calls a location of a site.
func (c Config) LocationOf(site, name string) string {
	return there(c.Sites[site].Locations, c.Locations, name)
}

// AccountOf is the code in Odoo of an account of a site.
func (c Config) AccountOf(site, code string) string {
	return there(c.Sites[site].Accounts, c.Accounts, code)
}

// there is a name as the first map that knows it has it.
func there(own, all map[string]string, name string) string {
	if found, ok := own[name]; ok {
		return found
	}
	if found, ok := all[name]; ok {
		return found
	}
	return name
}

// place puts Odoo's names into an effect at a site, and says where that is.
func (c Config) place(e *Effect, site string) {
	own := c.Sites[site]
	e.Company, e.Warehouse = c.home(site)
	e.Location = c.LocationOf(site, e.Location)
	e.WorkCenter = there(own.WorkCenters, c.WorkCenters, e.WorkCenter)
	for i := range e.Operations {
		e.Operations[i].WorkCenter = there(own.WorkCenters, c.WorkCenters, e.Operations[i].WorkCenter)
	}
	e.Journal = there(own.Journals, c.Journals, e.Journal)
	for i := range e.Lines {
		e.Lines[i].Account = c.AccountOf(site, e.Lines[i].Account)
	}
}

// validateMapping names what is wrong with the mapping in itself; what it names is looked for in Odoo later.
func (c Config) validateMapping(fault func(format string, args ...any)) {
	c.Site.validate("odoo", c.Site, fault)
	for _, site := range slices.Sorted(maps.Keys(c.Sites)) {
		own := c.Sites[site]
		if own.empty() {
			fault("odoo.sites.%s.warehouse: name a warehouse's code, or leave the site out", site)
		}
		own.validate("odoo.sites."+site, c.SiteOf(site), fault)
	}
	for _, code := range slices.Sorted(maps.Keys(c.Units)) {
		if !unitCode.MatchString(code) {
			fault("odoo.units %q: events have unit codes of two or three capital letters and digits", code)
		}
		if c.Units[code] == "" {
			fault("odoo.units.%s: name the unit in Odoo, by its external id or its name", code)
		}
	}
}

func (s Site) empty() bool {
	return s.Company == "" && s.Warehouse == "" && !slices.ContainsFunc(nameMaps, func(m nameMap) bool { return len(m.of(s)) > 0 })
}

// validate looks at the entries of one level; whole is what holds there with those for all sites.
func (s Site) validate(path string, whole Site, fault func(format string, args ...any)) {
	for _, m := range nameMaps {
		own, all := m.of(s), m.of(whole)
		for _, name := range slices.Sorted(maps.Keys(own)) {
			if name == "" || own[name] == "" {
				fault("%s.%s.%q %q: give both names, the plant's and Odoo's", path, m.key, name, own[name])
				continue
			}
			for _, other := range slices.Sorted(maps.Keys(all)) {
				_, ours := own[other]
				if m.single && all[other] == own[name] && other != name && (!ours || other < name) {
					fault("%s.%s.%s %q: %s is the same in Odoo: give each of them one of its own", path, m.key, name, own[name], other)
				}
			}
		}
	}
}

// Warehouse is one of Odoo's.
type Warehouse struct {
	ID          int64
	Code        string
	Company     int64
	CompanyName string

	view, main int64 // locations: the one that all of its are in, and its stock
}

// WarehouseOf is that of a site; ok is false if Odoo has none.
func (c Config) WarehouseOf(site string, all []Warehouse) (w Warehouse, ok bool) {
	if found := c.warehousesOf(site, all); len(found) > 0 {
		return found[0], true
	}
	return Warehouse{}, false
}

// warehousesOf are those that a site may mean: the first one counts, and several of one code are a fault of the mapping.
func (c Config) warehousesOf(site string, all []Warehouse) []Warehouse {
	company, code := c.home(site)
	var found []Warehouse
	for _, w := range all {
		if (code == "" || w.Code == code) && (company == "" || isCompany(company, w.Company, w.CompanyName)) {
			found = append(found, w)
		}
	}
	return found
}

// Label names a warehouse for people: by its code, and by its company if others have that code.
func (w Warehouse) Label(all []Warehouse) string {
	if slices.ContainsFunc(all, func(other Warehouse) bool { return other.ID != w.ID && other.Code == w.Code }) {
		return fmt.Sprintf("%s of %s", w.Code, w.CompanyName)
	}
	return w.Code
}

// isCompany tells whether a mapping means a company.
func isCompany(given string, id int64, name string) bool {
	if number, err := strconv.ParseInt(given, 10, 64); err == nil {
		return number == id
	}
	return given == name
}

// PlantWorkCenter is what the mesh calls a work center of Odoo: as the mapping of that site has it, or that of any if site is empty. problem says
// why nobody could tell which one is meant.
func (c Config) PlantWorkCenter(site, code, name string) (id, problem string) {
	asked := []string{site}
	if site == "" {
		asked = append(asked, slices.Sorted(maps.Keys(c.Sites))...)
	}
	own := cmp.Or(code, name)
	this := func(erp string) bool { return erp == code || erp == name }
	var called []string
	for _, at := range asked {
		for plant, erp := range c.SiteOf(at).WorkCenters {
			if this(erp) && !slices.Contains(called, plant) {
				called = append(called, plant)
			}
		}
	}
	slices.Sort(called)
	switch len(called) {
	case 0:
		id = own
	case 1:
		id = called[0]
	default:
		return "", fmt.Sprintf("work center %s is %v in the mesh: map one name to it (work_centers)", own, called)
	}
	for _, at := range asked {
		if erp, ok := c.SiteOf(at).WorkCenters[id]; ok && !this(erp) {
			return "", fmt.Sprintf("work center %s would be %s in the mesh, as %s of Odoo is: give the plants' work centers names of their own", own, id, erp)
		}
	}
	return id, ""
}
