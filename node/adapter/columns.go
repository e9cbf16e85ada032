package adapter

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// note collects the columns that an expression reads as row["…"]. One whose presence the expression asks for, as "…" in row, is
// optional.
func (c *compiler) note(checked *cel.Ast) {
	ast.PreOrderVisit(ast.NavigateAST(checked.NativeRep()), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || len(e.AsCall().Args()) != 2 {
			return
		}
		left, right := e.AsCall().Args()[0], e.AsCall().Args()[1]
		switch e.AsCall().FunctionName() {
		case operators.Index:
			if name, ok := literal(right); ok && isRow(left) {
				c.columns = append(c.columns, name)
			}
		case operators.In:
			if name, ok := literal(left); ok && isRow(right) {
				c.optionals = append(c.optionals, name)
			}
		}
	}))
}

func isRow(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == nameRow }

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}

// Missing lists the columns that the mapping reads and a table does not have.
func (m *Mapping) Missing(columns []string) []string {
	var missing []string
	for _, name := range m.columns {
		if !slices.Contains(columns, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

// needed are the columns read without asking, once each.
func (c *compiler) needed() []string {
	slices.Sort(c.columns)
	return slices.DeleteFunc(slices.Compact(c.columns), func(name string) bool { return slices.Contains(c.optionals, name) })
}
