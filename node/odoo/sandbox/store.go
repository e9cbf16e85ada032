package sandbox

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/cockroachdb/apd/v3"
)

// store holds the records of all models. It is used by one transaction at a time.
type store struct {
	tables map[string]*table
}

// table is a model with its records.
type table struct {
	name, label string
	fields      map[string]field
	rows        []*row // ascending by id
	byID        map[int64]*row
	lastID      int64
	index       map[string]map[any][]*row // by indexed field and value
	readOnly    bool                      // through the API: only the server action writes it
}

// field is a column.
type field struct {
	kind   kind
	target string // model of a relation
}

type kind int

const (
	char kind = iota
	boolean
	integer
	float
	many2one
	many2many
	shares // numbers by name
)

// row is a record: strings, bools, int64s, *apd.Decimals, and []int64s for many2many. What is not there is empty.
type row struct {
	id     int64
	values map[string]any
}

func (r *row) str(name string) string { s, _ := r.values[name].(string); return s }
func (r *row) ref(name string) int64  { n, _ := r.values[name].(int64); return n }
func (r *row) is(name string) bool    { b, _ := r.values[name].(bool); return b }
func (r *row) ids(name string) []int64 {
	ids, _ := r.values[name].([]int64)
	return ids
}

func (r *row) num(name string) *apd.Decimal {
	if d, ok := r.values[name].(*apd.Decimal); ok {
		return d
	}
	return new(apd.Decimal)
}

// indexed are the fields that effects look records up by; domains on them need no scan either.
var indexed = []string{
	"x_mesh_order", "x_key", "x_event", "x_hold", "default_code", "code", "production_id", "product_id", "name", "model",
	"workorder_id", "x_mesh_event", "x_subject", "origin", "x_mesh_supplier", "x_mesh_customer", "x_mesh_posting", "bom_id", "picking_id", "x_mesh_transfer",
}

func newTable(name, label string) *table {
	return &table{name: name, label: label, fields: map[string]field{}, byID: map[int64]*row{}, index: map[string]map[any][]*row{}}
}

// addField gives the table a column.
func (t *table) addField(name string, f field) {
	t.fields[name] = f
	if !slices.Contains(indexed, name) || t.index[name] != nil {
		return
	}
	t.index[name] = map[any][]*row{}
	for _, r := range t.rows {
		t.enter(r, name)
	}
}

func (t *table) enter(r *row, name string) {
	key := r.values[name]
	if key == nil {
		return
	}
	rows := t.index[name][key]
	at, _ := slices.BinarySearchFunc(rows, r.id, func(x *row, id int64) int { return cmp.Compare(x.id, id) })
	t.index[name][key] = slices.Insert(rows, at, r)
}

func (t *table) leave(r *row, name string) {
	key := r.values[name]
	if key == nil {
		return
	}
	rows := slices.DeleteFunc(t.index[name][key], func(x *row) bool { return x == r })
	if t.index[name][key] = rows; len(rows) == 0 {
		delete(t.index[name], key)
	}
}

// tx is one transaction: it sees its own changes, and takes them all back on rollback. Ids are used up as in PostgreSQL.
type tx struct {
	*store
	at   string // when it began: what it writes bears that time, as in Odoo
	undo []func()
}

func (x *tx) rollback() {
	for _, undo := range slices.Backward(x.undo) {
		undo()
	}
	x.undo = nil
}

func (x *tx) table(model string) *table {
	t := x.tables[model]
	if t == nil {
		panic(fmt.Sprintf("sandbox has no model %s", model))
	}
	return t
}

func (x *tx) get(model string, id int64) *row { return x.table(model).byID[id] }

// insert adds a record.
func (x *tx) insert(model string, values map[string]any) *row {
	t := x.table(model)
	t.lastID++
	r := &row{id: t.lastID, values: map[string]any{}}
	t.rows = append(t.rows, r)
	t.byID[r.id] = r
	x.undo = append(x.undo, func() { t.remove(r) })
	if _, has := t.fields["active"]; has {
		x.update(t, r, map[string]any{"active": true})
	}
	x.update(t, r, values)
	x.stamp(t, r)
	return r
}

func (t *table) remove(r *row) {
	for name := range t.index {
		t.leave(r, name)
	}
	at, found := slices.BinarySearchFunc(t.rows, r.id, func(x *row, id int64) int { return cmp.Compare(x.id, id) })
	if found {
		t.rows = slices.Delete(t.rows, at, at+1)
	}
	delete(t.byID, r.id)
}

// delete removes a record.
func (x *tx) delete(model string, r *row) {
	t := x.table(model)
	t.remove(r)
	x.undo = append(x.undo, func() {
		at, _ := slices.BinarySearchFunc(t.rows, r.id, func(x *row, id int64) int { return cmp.Compare(x.id, id) })
		t.rows = slices.Insert(t.rows, at, r)
		t.byID[r.id] = r
		for name := range t.index {
			t.enter(r, name)
		}
	})
}

// set changes a record.
func (x *tx) set(model string, r *row, values map[string]any) {
	t := x.table(model)
	x.update(t, r, values)
	x.stamp(t, r)
}

// stamp notes when and by whom a record was written last. Everybody is the administrator here.
func (x *tx) stamp(t *table, r *row) {
	if _, has := t.fields["write_date"]; has && x.at != "" {
		x.update(t, r, map[string]any{"write_date": x.at, "write_uid": x.reference("base.user_admin")})
	}
}

func (x *tx) update(t *table, r *row, values map[string]any) {
	for name, value := range values {
		before, had := r.values[name]
		t.put(r, name, value)
		x.undo = append(x.undo, func() {
			if had {
				t.put(r, name, before)
			} else {
				t.put(r, name, nil)
			}
		})
	}
}

func (t *table) put(r *row, name string, value any) {
	_, has := t.index[name]
	if has {
		t.leave(r, name)
	}
	if value == nil {
		delete(r.values, name)
	} else {
		r.values[name] = value
	}
	if has {
		t.enter(r, name)
	}
}

// find returns the records whose fields have the given values, by ascending id; the first field should be indexed.
func (x *tx) find(model string, first string, value any, more ...any) []*row {
	t := x.table(model)
	rows, ok := t.rows, false
	if index := t.index[first]; index != nil {
		rows, ok = index[value], true
	}
	var out []*row
	for _, r := range rows {
		if (ok || r.values[first] == value) && matches(r, more) {
			out = append(out, r)
		}
	}
	return out
}

func matches(r *row, pairs []any) bool {
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		have := r.values[name]
		switch want := pairs[i+1].(type) {
		case string: // empty and absent are one
			if s, _ := have.(string); s != want {
				return false
			}
		case int64:
			if n, _ := have.(int64); n != want {
				return false
			}
		case bool:
			if b, _ := have.(bool); b != want {
				return false
			}
		}
	}
	return true
}

// one is the first of find, or nil.
func (x *tx) one(model string, first string, value any, more ...any) *row {
	if rows := x.find(model, first, value, more...); len(rows) > 0 {
		return rows[0]
	}
	return nil
}
