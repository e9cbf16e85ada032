package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// render gives records as JSON-2 has them: false for what is empty, [id, name] for a relation.
func (x *call) render(t *table, rows []*row, fields []string) (any, error) {
	if len(fields) == 0 {
		fields = slices.Sorted(maps.Keys(t.fields))
	}
	for _, name := range fields {
		if _, ok := t.fields[name]; !ok && name != "id" {
			return nil, valueError("Invalid field '%s' on '%s'", name, t.name)
		}
	}
	out := make([]map[string]any, len(rows))
	for i, r := range rows {
		out[i] = map[string]any{"id": r.id}
		for _, name := range fields {
			if name != "id" {
				out[i][name] = x.renderValue(t.fields[name], r.values[name])
			}
		}
	}
	return out, nil
}

func (x *call) renderValue(f field, v any) any {
	switch f.kind {
	case char, boolean:
		if empty(v) {
			return false
		}
	case integer:
		if v == nil {
			return 0
		}
	case float:
		d, _ := v.(*apd.Decimal)
		return renderNumber(d)
	case many2one:
		id, _ := v.(int64)
		if id == 0 {
			return false
		}
		return []any{id, x.displayName(f.target, id)}
	case shares:
		all, _ := v.(map[string]any)
		out := map[string]any{}
		for name, share := range all {
			d, _ := share.(*apd.Decimal)
			out[name] = renderNumber(d)
		}
		return out
	case many2many:
		ids, _ := v.([]int64)
		return append([]int64{}, ids...)
	}
	return v
}

// renderNumber writes a number as Python writes a float.
func renderNumber(d *apd.Decimal) json.RawMessage {
	if d == nil {
		return json.RawMessage("0.0")
	}
	var plain apd.Decimal
	plain.Reduce(d)
	s := plain.Text('f')
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return json.RawMessage(s)
}

func (x *call) displayName(model string, id int64) string {
	r := x.get(model, id)
	if r == nil {
		return ""
	}
	if name := r.str("name"); name != "" {
		if parent := r.ref("parent_id"); model == "product.category" && parent != 0 {
			return x.displayName(model, parent) + " / " + name
		}
		return name
	}
	return fmt.Sprintf("%s,%d", model, id)
}

// readGroup is Odoo's formatted_read_group for plain fields, counts and sums.
func (x *call) readGroup(t *table, q *request) (any, error) {
	rows, err := x.search(t, &request{Domain: q.Domain})
	if err != nil {
		return nil, err
	}
	for _, name := range q.GroupBy {
		if _, ok := t.fields[name]; !ok {
			return nil, valueError("Invalid field %q on model %q", name, t.name)
		}
	}
	groups := map[string][]*row{}
	var order []string
	for _, r := range rows {
		var key strings.Builder
		for _, name := range q.GroupBy {
			fmt.Fprintf(&key, "%v\x00", r.values[name])
		}
		if groups[key.String()] == nil {
			order = append(order, key.String())
		}
		groups[key.String()] = append(groups[key.String()], r)
	}
	out := []map[string]any{}
	for _, key := range order {
		group, err := x.aggregate(t, groups[key], q)
		if err != nil {
			return nil, err
		}
		out = append(out, group)
	}
	if len(q.GroupBy) == 0 && len(out) == 0 { // Odoo gives totals even over nothing
		group, err := x.aggregate(t, nil, q)
		return []map[string]any{group}, err
	}
	return out, nil
}

func (x *call) aggregate(t *table, rows []*row, q *request) (map[string]any, error) {
	group := map[string]any{"__extra_domain": []any{}}
	for _, name := range q.GroupBy {
		group[name] = x.renderValue(t.fields[name], rows[0].values[name])
	}
	for _, aggregate := range q.Aggregates {
		if aggregate == "__count" {
			group[aggregate] = len(rows)
			continue
		}
		name, function, _ := strings.Cut(aggregate, ":")
		if f, ok := t.fields[name]; !ok || f.kind != float || function != "sum" {
			return nil, valueError("the sandbox does not aggregate %q", aggregate)
		}
		sum := new(apd.Decimal)
		for _, r := range rows {
			sum = add(sum, r.num(name))
		}
		group[aggregate] = renderNumber(sum)
	}
	return group, nil
}
