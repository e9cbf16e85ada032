package odoo

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// renaming is a field that older versions have under another name. Calls name fields, models and methods as Odoo 19 does, and get them so back:
// an older Odoo is spoken to in its own words by the one place below.
type renaming struct {
	since       int // first version that has it as plantmesh writes it
	model, name string
	older       string                                // empty: there is none
	value       func(json.RawMessage) json.RawMessage // what the older one says, as the newer one would; nil: the same
}

var renamings = []renaming{
	{19, "res.users", "group_ids", "groups_id", nil},
	{19, "ir.actions.server", "group_ids", "groups_id", nil},
	{19, "mrp.production", "lot_producing_ids", "lot_producing_id", list},
	{19, "purchase.order.line", "product_uom_id", "product_uom", nil},
	{19, "sale.order.line", "product_uom_id", "product_uom", nil},
	{19, "uom.uom", "relative_uom_id", "category_id", nil},

	{18, "product.product", "is_storable", "type", isProduct},
	{18, "product.product", "type", "type", goods},
	{18, "stock.scrap", "scrap_reason_tag_ids", "", nil},

	{17, "mrp.production", "date_start", "date_planned_start", nil},
	{17, "mrp.production", "date_finished", "date_planned_finished", nil},
	{17, "stock.move.line", "quantity", "qty_done", nil},
	{17, "stock.move.line", "quantity_product_uom", "qty_done", nil}, // of a line's own unit: see Reader
	{17, "stock.move.line", "move_id.picked", "qty_done", nil},
	{17, "stock.move", "scrap_id", "scrap_ids", nil},

	{16, "account.move.line", "analytic_distribution", "", nil},
}

// models are those that have another name before Odoo 16.
var models = map[string]string{"stock.lot": "stock.production.lot"}

// list is a relation to one record as a relation to several.
func list(one json.RawMessage) json.RawMessage {
	var pair []json.RawMessage
	if json.Unmarshal(one, &pair) != nil || len(pair) == 0 {
		return json.RawMessage("[]")
	}
	return json.RawMessage("[" + string(pair[0]) + "]")
}

func isProduct(kind json.RawMessage) json.RawMessage {
	if string(kind) == `"product"` {
		return json.RawMessage("true")
	}
	return json.RawMessage("false")
}

func goods(kind json.RawMessage) json.RawMessage {
	if string(kind) == `"product"` {
		return json.RawMessage(`"consu"`)
	}
	return kind
}

// dialect is what one version calls a model's fields.
type dialect struct {
	major  int
	fields []renaming
}

func dialectOf(major int, model string) dialect {
	d := dialect{major: major}
	for _, r := range renamings {
		if r.model == model && major < r.since {
			d.fields = append(d.fields, r)
		}
	}
	return d
}

// field is what the version calls a field; false: it has none.
func (d dialect) field(name string) (string, bool) {
	for _, r := range d.fields {
		if r.name == name {
			return r.older, r.older != ""
		}
	}
	return name, true
}

// translate puts a call into the version's words.
func (d dialect) translate(model, method string, args Args) (string, string, Args) {
	if other, ok := models[model]; ok && d.major < 16 {
		model = other
	}
	args = maps.Clone(args)
	if method == "has_access" && d.major < 18 {
		delete(args, "ids")
		args["raise_exception"] = false
		return model, "check_access_rights", args
	}
	if fields, ok := args["fields"].([]string); ok {
		var asked []string
		for _, name := range fields {
			if known, ok := d.field(name); ok && !slices.Contains(asked, known) {
				asked = append(asked, known)
			}
		}
		args["fields"] = asked
	}
	if domain, ok := args["domain"].([]any); ok {
		args["domain"] = d.domain(domain)
	}
	if values, ok := args["vals"].(map[string]any); ok {
		args["vals"] = d.values(values)
	}
	if all, ok := args["vals_list"].([]map[string]any); ok {
		var translated []map[string]any
		for _, values := range all {
			translated = append(translated, d.values(values))
		}
		args["vals_list"] = translated
	}
	return model, method, args
}

func (d dialect) domain(terms []any) []any {
	translated := slices.Clone(terms)
	for i, term := range terms {
		leaf, ok := term.([]any)
		if !ok || len(leaf) != 3 {
			continue // an operator
		}
		name, _ := leaf[0].(string)
		known, there := d.field(name)
		switch {
		case !there || known == name:
		case name == "move_id.picked": // what is done has a quantity
			translated[i] = []any{known, ">", 0}
		default:
			translated[i] = []any{known, leaf[1], leaf[2]}
		}
	}
	return translated
}

func (d dialect) values(values map[string]any) map[string]any {
	translated := map[string]any{}
	for name, value := range values {
		if known, ok := d.field(name); ok {
			translated[known] = value
		}
	}
	return translated
}

// back puts the version's words in what it answered into those of Odoo 19.
func (d dialect) back(method string, asked any, result []byte) ([]byte, error) {
	switch method {
	case "search_read", "read":
		var rows []map[string]json.RawMessage
		if err := decode(result, &rows); err != nil {
			return nil, err
		}
		fields, _ := asked.([]string)
		for _, row := range rows {
			d.row(row, fields)
		}
		return json.Marshal(rows)
	case "fields_get":
		var fields map[string]json.RawMessage
		if err := decode(result, &fields); err != nil {
			return nil, err
		}
		for _, r := range d.fields {
			if about, ok := fields[r.older]; ok {
				fields[r.name] = about
			}
		}
		return json.Marshal(fields)
	}
	return result, nil
}

// row gives the fields that were asked for.
func (d dialect) row(row map[string]json.RawMessage, asked []string) {
	said := maps.Clone(row)
	for _, r := range d.fields {
		if !slices.Contains(asked, r.older) {
			delete(row, r.older)
		}
	}
	for _, r := range d.fields {
		if !slices.Contains(asked, r.name) {
			continue
		}
		switch value, ok := said[r.older]; {
		case !ok:
			row[r.name] = json.RawMessage("false")
		case r.value != nil:
			row[r.name] = r.value(value)
		default:
			row[r.name] = value
		}
	}
}

func decode(b []byte, out any) error {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	return decoder.Decode(out)
}

// older is a door to an Odoo before 19.
type olderDoor struct {
	door
	major int
}

func (o olderDoor) call(ctx context.Context, model, method string, args Args) ([]byte, error) {
	d := dialectOf(o.major, model)
	asked := args["fields"]
	model, method, args = d.translate(model, method, args)
	result, err := o.door.call(ctx, model, method, args)
	if err != nil || len(d.fields) == 0 {
		return result, err
	}
	return d.back(method, asked, result)
}
