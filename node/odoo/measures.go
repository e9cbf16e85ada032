package odoo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/apd/v3"
)

// exact has room for any quantity times any factor.
var exact = apd.BaseContext.WithPrecision(60)

// Measure is a unit of measure.
type Measure struct {
	ID   int64
	Name string
	Code string // UN/CEFACT; empty: none is known

	own              string // code that it has in Odoo
	factor, rounding *apd.Decimal
	parent           int64
	root             int64
}

// Measures are Odoo's units.
type Measures struct {
	byID   map[int64]*Measure
	byCode map[string]*Measure
	names  map[int64]string // external ids

	ratios  bool // before Odoo 19, a factor is how many of a unit are one of its category's reference, not the other way round
	inLines bool // before Odoo 17, goods that moved are in the unit of their line
}

// Of is a unit by its id; nil if there is none.
func (m *Measures) Of(id int64) *Measure { return m.byID[id] }

// Coded is a unit by its UN/CEFACT code; nil if there is none.
func (m *Measures) Coded(code string) *Measure { return m.byCode[code] }

// Convert turns a quantity of an event into a unit, rounded as Odoo rounds it. It fails for a code that Odoo does not have, and for another
// dimension.
func (m *Measures) Convert(value *apd.Decimal, code string, to *Measure) (*apd.Decimal, error) {
	own := m.byCode[code]
	if own == nil {
		return nil, fmt.Errorf("unit %q has no counterpart in Odoo", code)
	}
	if to == nil || own.root != to.root {
		return nil, fmt.Errorf("a quantity in %s cannot be converted to the unit that Odoo has", code)
	}
	return m.convert(value, own, to)
}

func (m *Measures) convert(value *apd.Decimal, own, to *Measure) (*apd.Decimal, error) {
	d := new(apd.Decimal).Set(value)
	if own != to {
		times, by := own.factor, to.factor
		if m.ratios {
			times, by = by, times
		}
		if _, err := exact.Mul(d, d, times); err != nil {
			return nil, err
		}
		if _, err := exact.Quo(d, d, by); err != nil {
			return nil, err
		}
	}
	half := *exact
	half.Rounding = apd.RoundHalfUp
	if _, err := half.Quantize(d, d, to.rounding.Exponent); err != nil {
		return nil, err
	}
	d.Reduce(d)
	return d, nil
}

// Measures reads the units.
func (r *Reader) Measures(ctx context.Context) (*Measures, error) {
	major, err := r.client.major(ctx)
	if err != nil {
		return nil, err
	}
	m := &Measures{byID: map[int64]*Measure{}, byCode: map[string]*Measure{}, ratios: major < 19, inLines: major < 17}
	var ids []int64
	err = r.pages(ctx, "uom.uom", []any{[]any{"active", "in", []bool{true, false}}}, []string{"name", "factor", "rounding", "relative_uom_id", "x_mesh_code"}, func(raw json.RawMessage) error {
		var row struct {
			ID       int64       `json:"id"`
			Name     text        `json:"name"`
			Factor   json.Number `json:"factor"`
			Rounding json.Number `json:"rounding"`
			Parent   relation    `json:"relative_uom_id"`
			Code     text        `json:"x_mesh_code"`
		}
		err := json.Unmarshal(raw, &row)
		if err != nil {
			return err
		}
		one := &Measure{ID: row.ID, Name: string(row.Name), Code: string(row.Code), own: string(row.Code), parent: row.Parent.id}
		if one.factor, err = number(row.Factor); err != nil || one.factor.Sign() <= 0 {
			return fmt.Errorf("factor %q of unit %s: must be more than zero", row.Factor, row.Name)
		}
		if one.rounding, err = number(row.Rounding); err != nil {
			return err
		}
		m.byID[one.ID], ids = one, append(ids, one.ID)
		if one.Code != "" {
			m.byCode[one.Code] = one
		}
		return nil
	})
	if err != nil || len(ids) == 0 {
		return m, err
	}
	for _, one := range m.byID {
		if one.root = one.parent; !m.ratios { // before, its category
			one.root = m.rootOf(one)
		}
	}
	var names map[int64]string
	if err := r.client.Call(ctx, "uom.uom", "get_external_id", Args{"ids": ids}, &names); err != nil {
		return nil, err
	}
	m.names = names
	m.Map(Config{})
	return m, nil
}

// Map has codes mean what they do under a mapping. Of a unit with several codes, that of UN/CEFACT counts.
func (m *Measures) Map(cfg Config) {
	codes := slices.Concat(slices.Collect(maps.Keys(units)), slices.Collect(maps.Keys(cfg.Units)))
	for _, code := range codes {
		external, name := cfg.unit(code)
		for id, one := range m.byID {
			if external != "" && m.names[id] == external || name != "" && one.Name == name {
				m.byCode[code] = one
			}
		}
	}
	for id, one := range m.byID {
		one.Code = cmp.Or(cfg.UnitCode(m.names[id], one.Name), one.own)
	}
}

func (m *Measures) rootOf(one *Measure) int64 {
	for range len(m.byID) { // a chain is no longer than this, even one that a person closed to a ring
		if m.byID[one.parent] == nil {
			break
		}
		one = m.byID[one.parent]
	}
	return one.ID
}
