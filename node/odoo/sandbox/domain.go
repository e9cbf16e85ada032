package sandbox

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// condition tells whether a record matches.
type condition func(r *row) bool

// domain compiles a search domain in Odoo's prefix notation, and finds a lookup that bounds what has to be scanned.
func (x *tx) domain(t *table, terms []any) (condition, []*row, error) {
	candidates := t.rows
	conjunction := !slices.ContainsFunc(terms, func(term any) bool { s, ok := term.(string); return ok && s != "&" })
	rest := terms
	var all []condition
	for len(rest) > 0 {
		var c condition
		var err error
		before := rest
		if c, rest, err = x.term(t, rest); err != nil {
			return nil, nil, err
		}
		if leaf, ok := before[0].([]any); ok && conjunction && len(leaf) == 3 && leaf[1] == "=" {
			name, _ := leaf[0].(string)
			if value, isText := leaf[2].(string); isText && t.index[name] != nil {
				candidates = t.index[name][value]
			}
		}
		all = append(all, c)
	}
	return func(r *row) bool {
		for _, c := range all {
			if !c(r) {
				return false
			}
		}
		return true
	}, candidates, nil
}

// term compiles the first term and returns what follows it.
func (x *tx) term(t *table, terms []any) (condition, []any, error) {
	if len(terms) == 0 {
		return nil, nil, valueError("Domain is incomplete")
	}
	switch head := terms[0].(type) {
	case string:
		return x.operator(t, head, terms[1:])
	case []any:
		c, err := x.leaf(t, head)
		return c, terms[1:], err
	}
	return nil, nil, valueError("Domain() invalid item in domain: %v", terms[0])
}

func (x *tx) operator(t *table, name string, terms []any) (condition, []any, error) {
	a, terms, err := x.term(t, terms)
	if err != nil || name == "!" {
		return func(r *row) bool { return !a(r) }, terms, err
	}
	b, terms, err := x.term(t, terms)
	switch name {
	case "&":
		return func(r *row) bool { return a(r) && b(r) }, terms, err
	case "|":
		return func(r *row) bool { return a(r) || b(r) }, terms, err
	}
	return nil, nil, valueError("Domain() invalid item in domain: %q", name)
}

func (x *tx) leaf(t *table, leaf []any) (condition, error) {
	if len(leaf) != 3 {
		return nil, valueError("Domain() invalid item in domain: %v", leaf)
	}
	path, okPath := leaf[0].(string)
	operator, okOperator := leaf[1].(string)
	if !okPath || !okOperator {
		return nil, valueError("Domain() invalid item in domain: %v", leaf)
	}
	if operator == "child_of" {
		return x.childOf(t, path, leaf[2])
	}
	value, err := x.resolver(t, path, operator)
	if err != nil {
		return nil, err
	}
	compare, err := comparison(operator, leaf[2])
	if err != nil {
		return nil, err
	}
	return func(r *row) bool { return compare(value(r)) }, nil
}

// above names the field by which records of a model are in others of it.
func (x *tx) above(model string) string {
	if model == "stock.location" {
		return "location_id"
	}
	if x.table(model).fields["parent_id"].target == model {
		return "parent_id"
	}
	return ""
}

// childOf compiles a condition on records that may be in others: those of the table itself, or those that a relation of it names.
func (x *tx) childOf(t *table, name string, want any) (condition, error) {
	list, model, of := []any{want}, t.name, func(r *row) int64 { return r.id }
	if f := t.fields[name]; f.kind == many2one && name != "id" {
		model, of = f.target, func(r *row) int64 { return r.ref(name) }
	} else if name != "id" {
		return nil, valueError("the sandbox has child_of for ids and relations only, not for %s.%s", t.name, name)
	}
	above := x.above(model)
	if above == "" {
		return nil, valueError("records of %s are in no others: the sandbox has no child_of for them", model)
	}
	if all, ok := want.([]any); ok {
		list = all
	}
	return func(r *row) bool {
		return slices.ContainsFunc(list, func(v any) bool {
			n, _ := v.(json.Number)
			id, err := n.Int64()
			return err == nil && x.in(model, above, of(r), id)
		})
	}, nil
}

// resolver reads a field, or one of a related record (`product_id.default_code`).
func (x *tx) resolver(t *table, path, operator string) (func(r *row) any, error) {
	name, rest, dotted := strings.Cut(path, ".")
	f, ok := t.fields[name]
	if !ok && name != "id" {
		return nil, valueError("Invalid field %s.%s in condition ('%s', '%s')", t.name, name, path, operator)
	}
	if !dotted {
		if name == "id" {
			return func(r *row) any { return r.id }, nil
		}
		if f.kind == integer || f.kind == float {
			return func(r *row) any { return cmp.Or(r.values[name], any(int64(0))) }, nil
		}
		return func(r *row) any { return r.values[name] }, nil
	}
	if f.kind != many2one {
		return nil, valueError("Invalid field %s.%s in condition: not a relation", t.name, name)
	}
	inner, err := x.resolver(x.table(f.target), rest, operator)
	if err != nil {
		return nil, err
	}
	target := x.table(f.target)
	return func(r *row) any {
		if related := target.byID[r.ref(name)]; related != nil {
			return inner(related)
		}
		return nil
	}, nil
}

func comparison(operator string, want any) (func(have any) bool, error) {
	switch operator {
	case "=":
		return func(have any) bool { return equal(have, want) }, nil
	case "!=":
		return func(have any) bool { return !equal(have, want) }, nil
	case "in", "not in":
		list, ok := want.([]any)
		if !ok {
			return nil, valueError("operator %q wants a list", operator)
		}
		ids := idsOf(list)
		return func(have any) bool {
			var in bool
			if id, ok := have.(int64); ok && ids != nil {
				in = ids[id]
			} else {
				in = slices.ContainsFunc(list, func(w any) bool { return equal(have, w) })
			}
			return in == (operator == "in")
		}, nil
	case "like", "ilike", "=like":
		pattern, ok := want.(string)
		if !ok {
			return nil, valueError("operator %q wants a string", operator)
		}
		return func(have any) bool { s, _ := have.(string); return like(operator, s, pattern) }, nil
	case "<", "<=", ">", ">=":
		return func(have any) bool { return ordered(operator, have, want) }, nil
	}
	return nil, valueError("Invalid operator %q", operator)
}

// equal compares a stored value with one of a request; false stands for empty there.
// idsOf is a list of ids, to look them up in; nil if it has anything else.
func idsOf(list []any) map[int64]bool {
	ids := map[int64]bool{}
	for _, v := range list {
		n, _ := v.(json.Number)
		id, err := n.Int64()
		if err != nil {
			return nil
		}
		ids[id] = true
	}
	return ids
}

func equal(have, want any) bool {
	switch w := want.(type) {
	case nil:
		return empty(have)
	case bool:
		if b, ok := have.(bool); ok {
			return b == w
		}
		return !w && empty(have)
	case string:
		s, ok := have.(string)
		return ok && s == w
	case json.Number:
		h, n := decimal(have), decimal(w)
		return h != nil && n != nil && h.Cmp(n) == 0
	}
	return false
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case int64:
		return v == 0
	case []int64:
		return len(v) == 0
	}
	return false
}

// like matches SQL patterns with a % at either end; like and ilike look for a part.
func like(operator, s, pattern string) bool {
	if operator != "=like" {
		if operator == "ilike" {
			s, pattern = strings.ToLower(s), strings.ToLower(pattern)
		}
		return s != "" && strings.Contains(s, pattern)
	}
	prefix, open := strings.CutSuffix(pattern, "%")
	if open {
		return s != "" && strings.HasPrefix(s, prefix)
	}
	return s == pattern
}

func ordered(operator string, have, want any) bool {
	var order int
	if s, ok := want.(string); ok {
		h, ok := have.(string)
		if !ok {
			return false
		}
		order = strings.Compare(h, s)
	} else {
		h, w := decimal(have), decimal(want)
		if h == nil || w == nil {
			return false
		}
		order = h.Cmp(w)
	}
	switch operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// decimal is a number as such; nil if it is none.
func decimal(v any) *apd.Decimal {
	switch v := v.(type) {
	case *apd.Decimal:
		return v
	case int64:
		return apd.New(v, 0)
	case json.Number:
		d, _, err := apd.NewFromString(v.String())
		if err != nil {
			return nil
		}
		return d
	}
	return nil
}
