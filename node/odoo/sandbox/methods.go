package sandbox

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// call is one request in its transaction.
type call struct {
	*tx
	server *Server
	now    string
}

// signature is what a method takes.
type signature struct {
	required, optional []string
	onRecords          bool // works on ids
	run                func(x *call, t *table, q *request) (any, error)
}

var anyModel = map[string]signature{
	"search_read":          {optional: []string{"domain", "fields", "offset", "limit", "order"}, run: (*call).searchRead},
	"search_count":         {required: []string{"domain"}, optional: []string{"limit"}, run: (*call).searchCount},
	"formatted_read_group": {required: []string{"domain"}, optional: []string{"groupby", "aggregates", "limit", "order"}, run: (*call).readGroup},
	"fields_get":           {optional: []string{"allfields", "attributes"}, run: (*call).fieldsGet},
	"get_external_id":      {onRecords: true, run: (*call).externalIDs},
	"has_access":           {required: []string{"operation"}, onRecords: true, run: func(*call, *table, *request) (any, error) { return true, nil }},
	"create":               {required: []string{"vals_list"}, run: (*call).create},
	"read":                 {optional: []string{"fields"}, onRecords: true, run: (*call).read},
	"write":                {required: []string{"vals"}, onRecords: true, run: (*call).write},
	"unlink":               {onRecords: true, run: (*call).unlink},
}

var oneModel = map[string]signature{
	"res.users/context_get":           {run: func(*call, *table, *request) (any, error) { return map[string]any{"lang": "en_US", "uid": 2}, nil }},
	"ir.actions.server/run":           {onRecords: true, run: (*call).runAction},
	odoo.AddonModel + "/version":      {run: (*call).addonVersion},
	odoo.AddonModel + "/setup":        {run: (*call).addonSetup},
	odoo.AddonModel + "/apply":        {required: []string{"part", "batch", "fingerprint"}, run: (*call).addonApply},
	"mrp.production/button_mark_done": {onRecords: true, run: (*call).buttonMarkDone},
	"stock.scrap/action_validate":     {onRecords: true, run: (*call).actionValidate},
	"stock.picking/action_confirm":    {onRecords: true, run: becomes("assigned")}, // what is planned is ready at once
	"stock.picking/button_validate":   {onRecords: true, run: (*call).validatePicking},
	"account.move/button_draft":       {onRecords: true, run: becomes("draft")},
	"account.move/action_post":        {onRecords: true, run: becomes("posted")},
}

// becomes is a button that does no more than give records a state.
func becomes(state string) func(x *call, t *table, q *request) (any, error) {
	return func(x *call, t *table, q *request) (any, error) {
		for _, id := range q.IDs {
			record := t.byID[id]
			if record == nil {
				return nil, missingError(t.name, id)
			}
			x.set(t.name, record, map[string]any{"state": state})
		}
		return true, nil
	}
}

// run finds the method and checks its arguments as Odoo does.
func (x *call) run(model, method string, q *request) (any, error) {
	t := x.tables[model]
	if t == nil {
		return nil, notFound("the model '%s' does not exist", model)
	}
	m, ok := oneModel[model+"/"+method]
	if !ok {
		if m, ok = anyModel[method]; !ok {
			return nil, notFound("The method '%s.%s' does not exist", model, method)
		}
	}
	if !m.onRecords && len(q.IDs) > 0 {
		return nil, badArguments("cannot call %s.%s with ids", model, method)
	}
	for _, name := range m.required {
		if _, ok := q.given[name]; !ok {
			return nil, badArguments("missing a required argument: '%s'", name)
		}
	}
	for name := range q.given {
		if name != "ids" && name != "context" && !slices.Contains(m.required, name) && !slices.Contains(m.optional, name) {
			return nil, badArguments("got an unexpected keyword argument '%s'", name)
		}
	}
	return m.run(x, t, q)
}

func (x *call) search(t *table, q *request) ([]*row, error) {
	match, rows, err := x.domain(t, q.Domain)
	if err != nil {
		return nil, err
	}
	shown, sees := activeTest(t, q), sees(q)
	var found []*row
	for _, r := range rows {
		if match(r) && shown(r) && sees(r) {
			found = append(found, r)
		}
	}
	switch q.Order {
	case "", "id", "id asc":
	case "id desc":
		slices.Reverse(found)
	case "write_date desc, id desc":
		slices.SortFunc(found, func(a, b *row) int {
			return cmp.Or(cmp.Compare(b.str("write_date"), a.str("write_date")), cmp.Compare(b.id, a.id))
		})
	default:
		return nil, valueError("the sandbox orders by id, and by the time of writing, not by %q", q.Order)
	}
	found = found[min(q.Offset, len(found)):]
	if q.Limit > 0 {
		found = found[:min(q.Limit, len(found))]
	}
	return found, nil
}

// activeTest leaves archived records out, unless the domain or the context asks for them.
func activeTest(t *table, q *request) func(r *row) bool {
	var context struct {
		ActiveTest *bool `json:"active_test"`
	}
	_ = unmarshal(q.Context, &context) // what has other keys, or none, says nothing about it
	asks := slices.ContainsFunc(q.Domain, func(term any) bool {
		leaf, _ := term.([]any)
		return len(leaf) == 3 && leaf[0] == "active"
	})
	if _, has := t.fields["active"]; !has || asks || (context.ActiveTest != nil && !*context.ActiveTest) {
		return func(*row) bool { return true }
	}
	return func(r *row) bool { active, set := r.values["active"].(bool); return active || !set }
}

// externalIDs names records as data files do; those of people have no such name.
func (x *call) externalIDs(t *table, q *request) (any, error) {
	names := map[string]string{}
	for _, id := range q.IDs {
		names[strconv.FormatInt(id, 10)] = ""
		for _, d := range x.find("ir.model.data", "model", t.name) {
			if d.ref("res_id") == id {
				names[strconv.FormatInt(id, 10)] = d.str("module") + "." + d.str("name")
			}
		}
	}
	return names, nil
}

func (x *call) searchRead(t *table, q *request) (any, error) {
	rows, err := x.search(t, q)
	if err != nil {
		return nil, err
	}
	return x.render(t, rows, q.Fields)
}

// fieldsGet tells of numbers how many digits they have.
func (x *call) fieldsGet(t *table, _ *request) (any, error) {
	fields := map[string]any{}
	for name, f := range t.fields {
		if fields[name] = map[string]any{}; f.kind == float {
			fields[name] = map[string]any{"digits": []int{16, 2}}
		}
	}
	return fields, nil
}

func (x *call) searchCount(t *table, q *request) (any, error) {
	rows, err := x.search(t, q)
	return len(rows), err
}

// read leaves out records that do not exist, as Odoo does.
func (x *call) read(t *table, q *request) (any, error) {
	var rows []*row
	for _, id := range q.IDs {
		if r := t.byID[id]; r != nil {
			rows = append(rows, r)
		}
	}
	return x.render(t, rows, q.Fields)
}

func (x *call) create(t *table, q *request) (any, error) {
	if t.readOnly {
		return nil, accessError("You are not allowed to create '%s' (%s) records.", t.label, t.name)
	}
	var list []map[string]any
	if err := unmarshal(q.ValsList, &list); err != nil {
		return nil, badArguments("vals_list: %v", err)
	}
	ids := []int64{}
	for _, raw := range list {
		r, err := x.createOne(t, raw)
		if err != nil {
			return nil, err
		}
		x.belongs(t, r, q)
		ids = append(ids, r.id)
	}
	return ids, nil
}

func (x *call) createOne(t *table, raw map[string]any) (*row, error) {
	if t.name == "ir.model" {
		return x.createModel(raw)
	}
	values, err := x.accept(t, raw)
	if err != nil {
		return nil, err
	}
	values["create_date"], values["write_date"] = x.now, x.now
	switch t.name {
	case "ir.model.fields":
		return x.createField(values)
	case "product.product":
		return x.makeProduct(values), nil
	case "stock.scrap", "sale.order", "purchase.order", "stock.picking", "stock.move":
		if empty(values["state"]) {
			values["state"] = "draft"
		}
	case "mrp.production":
		if empty(values["state"]) {
			values["state"] = "draft"
		}
		if product, _ := values["product_id"].(int64); empty(values["product_uom_id"]) && x.get("product.product", product) != nil {
			values["product_uom_id"] = x.get("product.product", product).ref("uom_id")
		}
	case "uom.uom":
		x.sizeUnit(values)
	case "stock.location":
		x.placeLocation(values)
	case "stock.warehouse":
		x.placeWarehouse(values)
	}
	r := x.insert(t.name, values)
	switch t.name {
	case "stock.warehouse":
		x.pickingTypes(r)
	case "sale.order":
		x.adopt(r, "order_line", "sale.order.line", "order_id")
	case "purchase.order":
		x.adopt(r, "order_line", "purchase.order.line", "order_id")
	case "mrp.bom":
		x.adopt(r, "bom_line_ids", "mrp.bom.line", "bom_id")
	case "stock.picking":
		x.set(t.name, r, map[string]any{"name": pickingName(r)})
	case "stock.move":
		for _, before := range r.ids("move_orig_ids") {
			x.link(before, r)
		}
	}
	return r, nil
}

// adopt has lines that were made with their record name it.
func (x *call) adopt(r *row, list, model, parent string) {
	for _, line := range r.ids(list) {
		x.set(model, x.get(model, line), map[string]any{parent: r.id})
	}
}

func (x *call) write(t *table, q *request) (any, error) {
	if t.readOnly {
		return nil, accessError("You are not allowed to modify '%s' (%s) records.", t.label, t.name)
	}
	values, err := x.accept(t, q.Vals)
	if err != nil {
		return nil, err
	}
	values["write_date"] = x.now
	for _, id := range q.IDs {
		r := t.byID[id]
		if r == nil {
			return nil, missingError(t.name, id)
		}
		x.set(t.name, r, values)
		if t.name == "uom.uom" {
			x.resize(r)
		}
	}
	return true, nil
}

func (x *call) unlink(t *table, q *request) (any, error) {
	if t.readOnly {
		return nil, accessError("You are not allowed to delete '%s' (%s) records.", t.label, t.name)
	}
	for _, id := range q.IDs {
		if r := t.byID[id]; r != nil {
			x.delete(t.name, r)
		}
	}
	return true, nil
}

// resize reckons the size of a unit anew from what it is made of.
func (x *call) resize(u *row) {
	if of := x.get("uom.uom", u.ref("relative_uom_id")); of != nil {
		x.set("uom.uom", u, map[string]any{"factor": mul(u.num("relative_factor"), of.num("factor"))})
	}
}

// accept turns values of a request into stored ones.
func (x *call) accept(t *table, raw map[string]any) (map[string]any, error) {
	values := map[string]any{}
	for name, v := range raw {
		f, ok := t.fields[name]
		if !ok {
			return nil, valueError("Invalid field '%s' in '%s'", name, t.name)
		}
		value, err := x.acceptValue(f, v)
		if err != nil {
			return nil, valueError("Wrong value for %s.%s: %v", t.name, name, v)
		}
		values[name] = value
	}
	return values, nil
}

func (x *call) acceptValue(f field, v any) (any, error) {
	if empty(v) {
		return nil, nil
	}
	switch f.kind {
	case char:
		if s, ok := v.(string); ok {
			return s, nil
		}
	case boolean:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case integer, many2one:
		if n, ok := v.(json.Number); ok {
			return n.Int64()
		}
	case float:
		if d := decimal(v); d != nil {
			return d, nil
		}
	case many2many:
		return x.commands(f.target, v)
	case shares: // nobody writes these through the API
	}
	return nil, valueError("wrong type")
}

// commands carries out [0, 0, values] and [6, 0, ids], which is all that the sandbox's callers use.
func (x *call) commands(target string, v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, valueError("not a list of commands")
	}
	var ids []int64
	for _, item := range list {
		command, ok := item.([]any)
		if !ok || len(command) != 3 {
			return nil, valueError("not a command")
		}
		switch values := command[2].(type) {
		case map[string]any:
			r, err := x.createOne(x.table(target), values)
			if err != nil {
				return nil, err
			}
			ids = append(ids, r.id)
		case []any:
			for _, n := range values {
				number, _ := n.(json.Number)
				id, err := number.Int64()
				if err != nil {
					return nil, err
				}
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}
