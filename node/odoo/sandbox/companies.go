package sandbox

import (
	"cmp"
	"slices"
	"strconv"
)

// companyOf is the company of a site, which is mapped to it or has a warehouse there; 0 if there is no warehouse.
func (x *applier) companyOf(name, warehouse, site string) (int64, error) {
	if name == "" {
		if house := first(0, x.houses(warehouse)); house != nil {
			return house.ref("company_id"), nil
		}
		return 0, nil
	}
	found := x.find("res.company", "name", name)
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		found = nil
		if company := x.get("res.company", id); company != nil {
			found = append(found, company)
		}
	}
	if len(found) != 1 {
		return 0, refuse("Company %s is not in Odoo, or several are called so, or plantmesh may not work in it: map site %s to another one.", name, site)
	}
	return found[0].id, nil
}

// houses are the warehouses with a code; without one, all.
func (x *tx) houses(code string) []*row {
	if code == "" {
		return x.table("stock.warehouse").rows
	}
	return x.find("stock.warehouse", "code", code)
}

// of are the records that a company sees: its own, and those of no company. Company 0 sees all.
func of(company int64, rows []*row) []*row {
	var seen []*row
	for _, r := range rows {
		own, shared := r.ref("company_id"), r.ids("company_ids")
		if company == 0 || own == company || slices.Contains(shared, company) || own == 0 && len(shared) == 0 {
			seen = append(seen, r)
		}
	}
	return seen
}

// first is the first that a company sees, or nil.
func first(company int64, rows []*row) *row {
	if seen := of(company, rows); len(seen) > 0 {
		return seen[0]
	}
	return nil
}

// centerNamed is the work center with a code or else that name, or nil.
func (x *applier) centerNamed(name string) *row {
	if found := first(x.home, x.find("mrp.workcenter", "code", name)); found != nil {
		return found
	}
	return first(x.home, x.find("mrp.workcenter", "name", name))
}

// allowed are the companies that a request names in its context, the first being the one that it is made for.
func allowed(q *request) []int64 {
	var context struct {
		Allowed []int64 `json:"allowed_company_ids"`
	}
	_ = unmarshal(q.Context, &context) // what has other keys, or none, says nothing about it
	return context.Allowed
}

// sees tells which records a request that names a company finds.
func sees(q *request) func(r *row) bool {
	companies := allowed(q)
	return func(r *row) bool { return len(companies) == 0 || first(companies[0], []*row{r}) != nil }
}

// belongs gives a record that was just made its company, and a company the user who made it.
func (x *call) belongs(t *table, r *row, q *request) {
	admin := x.get("res.users", x.reference("base.user_admin"))
	home := admin.ref("company_id")
	if companies := allowed(q); len(companies) > 0 {
		home = companies[0]
	}
	switch t.name {
	case "res.company":
		x.set("res.users", admin, map[string]any{"company_ids": append(slices.Clone(admin.ids("company_ids")), r.id)})
	case "account.journal", "mrp.workcenter":
		if r.ref("company_id") == 0 {
			x.set(t.name, r, map[string]any{"company_id": home})
		}
	case "account.account":
		if len(r.ids("company_ids")) == 0 {
			x.set(t.name, r, map[string]any{"company_ids": []int64{home}})
		}
	}
}

// placeWarehouse gives a warehouse that is made its locations and company.
func (x *call) placeWarehouse(values map[string]any) {
	code, _ := values["code"].(string)
	company, _ := values["company_id"].(int64)
	view := x.insert("stock.location", map[string]any{"name": code, "complete_name": code, "usage": "view", "company_id": cmp.Or(company, x.table("res.company").rows[0].id)})
	values["view_location_id"], values["lot_stock_id"], values["company_id"] = view.id, x.makeLocation("Stock", view).id, view.ref("company_id")
}

// placeLocation gives a location that is made its whole name and company.
func (x *call) placeLocation(values map[string]any) {
	parent, _ := values["location_id"].(int64)
	name, _ := values["name"].(string)
	if above := x.get("stock.location", parent); above != nil {
		values["complete_name"], values["company_id"] = above.str("complete_name")+"/"+name, above.ref("company_id")
	}
}
