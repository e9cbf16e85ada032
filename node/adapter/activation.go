package adapter

import (
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

// Row is one row of a table: column names to text.
type Row struct {
	Line   int // of the file, counted from 1
	Values map[string]string
}

// activation gives expressions their variables for one row. A var is evaluated when it is used first.
type activation struct {
	mapping *Mapping
	line    int
	row     any
	vars    map[string]any
}

func (m *Mapping) activate(row Row) *activation {
	return &activation{mapping: m, line: row.Line, row: types.NewStringStringMap(types.DefaultTypeAdapter, row.Values)}
}

// ResolveName is part of interpreter.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case nameRow:
		return a.row, true
	case nameSite:
		return types.String(a.mapping.site), true
	case nameLine:
		return types.Int(a.line), true
	}
	if value, ok := a.vars[name]; ok {
		return value, true
	}
	p, ok := a.mapping.vars[name]
	if !ok {
		return nil, false
	}
	var value any
	value, err := p.run("vars."+name, a)
	if err != nil {
		value = types.WrapErr(err)
	}
	if a.vars == nil {
		a.vars = make(map[string]any, len(a.mapping.vars))
	}
	a.vars[name] = value
	return value, true
}

// Parent is part of interpreter.Activation.
func (a *activation) Parent() interpreter.Activation { return nil }
